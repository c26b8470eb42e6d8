"""How good is it? The metrics with their intervals, beside the original's and a baseline's."""

from dataclasses import dataclass
from typing import Any

from imdb_cls.names import SCALARS
from imdb_cls.reports.page import Cell, Column, Content, Line, Picture, duration
from imdb_cls.reports.run import plots
from imdb_cls.reports.run.baseline import Baseline
from imdb_cls.reports.run.facts import Facts
from imdb_cls.reports.run.intervals import Interval, intervals
from imdb_cls.reports.run.reference import interval, original


@dataclass(frozen=True)
class Figures:
    """A column of the table."""

    name: str
    values: dict[str, float]
    intervals: dict[str, Interval]


@dataclass(frozen=True)
class Quality:
    table: Content
    picture: Picture | None
    notes: list[str]


def quality(facts: Facts) -> Quality | None:
    """None if nothing was scored."""
    if not facts.scores:
        return None
    columns = [_own(facts), *_baseline(facts), *_reference(facts)]
    dots = [
        plots.Dot(column.name, column.values["accuracy"], column.intervals.get("accuracy"), place)
        for place, column in enumerate(columns)
        if "accuracy" in column.values
    ]
    caption = (
        f"Share of {facts.what} with the right label, and its 95 % interval: where the share among"
        " all reviews of their kind, of which these are a sample, is likely to be."
    )
    picture = plots.dots("accuracy", "accuracy", dots, caption) if dots else None
    return Quality(_table(columns, facts), picture, list(_notes(facts, columns)))


def _own(facts: Facts) -> Figures:
    values = {name: float(facts.scores[name]) for name in SCALARS if name in facts.scores}
    known: dict[str, Interval] = {}
    if facts.scored is not None and len(facts.scored):
        known = intervals(facts.scored.probability, facts.scored.label)
    elif ends := facts.scores.get("accuracy_ci95"):
        known = {"accuracy": (float(ends[0]), float(ends[1]))}
    return Figures("this run", values, known)


def _baseline(facts: Facts) -> list[Figures]:
    found = facts.baseline
    if not isinstance(found, Baseline) or facts.scored is None:
        return []
    import torch

    from imdb_cls.model.metrics import compute_metrics

    label = facts.scored.label
    values = compute_metrics(torch.from_numpy(found.probability), torch.from_numpy(label))
    shown = {name: float(values[name]) for name in SCALARS}
    return [Figures("TF-IDF baseline", shown, intervals(found.probability, label))]


def _reference(facts: Facts) -> list[Figures]:
    """The config's own reference, or the original's."""
    theirs = original()
    reference: dict[str, Any] = facts.config.get("reference") or theirs
    values = {name: float(reference[name]) for name in SCALARS if reference.get(name) is not None}
    if not values:
        return []
    name, known = str(reference.get("name", "reference")), dict[str, Interval]()
    if name == theirs.get("name") and "accuracy" in values:
        known = {"accuracy": interval(values["accuracy"])}
    return [Figures(f"the {name}" if name == "original" else name, values, known)]


def _table(columns: list[Figures], facts: Facts) -> Content:
    rows = []
    for name in SCALARS:
        if name not in columns[0].values:
            continue
        rows.append(Line([Cell(name), *(Cell(_written(name, column)) for column in columns)]))
    return Content(
        [Column("metric", "words"), *(Column(column.name) for column in columns)],
        rows,
    )


def _written(name: str, column: Figures) -> str:
    if name not in column.values:
        return ""
    text = f"{column.values[name]:.3f}"
    if name in column.intervals:
        low, high = column.intervals[name]
        # A line may end before the bracket, and not in it.
        text += f" [{low:.3f},\N{NO-BREAK SPACE}{high:.3f}]"
    return text


def _notes(facts: Facts, columns: list[Figures]) -> list[str]:
    found = facts.baseline
    notes = ["In brackets: 95 % intervals. Of loss and ece, the less the better."]
    if isinstance(found, Baseline):
        notes.append(
            "Baseline: logistic regression on TF-IDF of words and pairs of words"
            f" ({found.features:,} of them), trained on the same {_n(facts, 'train')} reviews and"
            f" chosen on the same val reviews (C = {found.strength:g}), in"
            f" {duration(found.seconds)} on a CPU."
        )
    else:
        notes.append(f"No baseline: {found}.")
    if any(column.name == "the original" for column in columns):
        notes.append(
            "The original: the SageMaker notebook that this project re-implements, DistilBERT on"
            " 5,000 IMDB reviews, tested on 5,000 others. Its test reviews are not these."
        )
    return notes


def _n(facts: Facts, split: str) -> str:
    return f"{facts.info.resolved.sizes[split] if facts.info.resolved else 0:,}"
