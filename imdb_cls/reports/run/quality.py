"""How good is it? The metrics with their intervals, beside the original's and a baseline's."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from imdb_cls.config import CONF_DIR
from imdb_cls.names import SCALARS
from imdb_cls.reports.formats import duration, with_interval
from imdb_cls.reports.page import Column, Content, Table
from imdb_cls.reports.run import plots
from imdb_cls.reports.run.intervals import intervals
from imdb_cls.reports.run.results import RunResults
from imdb_cls.reports.svg import series
from imdb_cls.runs.predictions import Interval, wilson_interval
from imdb_cls.runs.records import yaml_of


@dataclass(frozen=True)
class Scores:
    """The metrics of one model."""

    name: str
    values: dict[str, float]
    intervals: dict[str, Interval]

    def written(self, metric: str) -> str:
        if metric not in self.values:
            return ""
        text = with_interval(self.values[metric], self.intervals.get(metric))
        # A line may end before the bracket, but not in it.
        return text.replace(", ", ",\N{NO-BREAK SPACE}")


def quality(results: RunResults) -> Content | None:
    """None if nothing was scored."""
    if not results.scores:
        return None
    models = [_own(results), *_baseline(results), *_reference(results)]
    columns: list[Column[str]] = [
        Column("metric", str, "words"),
        *(Column(model.name, model.written) for model in models),
    ]
    metrics = [name for name in SCALARS if name in models[0].values]
    dots = [
        plots.Dot(model.name, model.values["accuracy"], model.intervals.get("accuracy"), series(n))
        for n, model in enumerate(models)
        if "accuracy" in model.values
    ]
    caption = (
        f"Share of {results.what} with the right label, and its 95 % interval: where the share"
        " among all reviews of their kind, of which these are a sample, is likely to be."
    )
    return {
        "table": Table(metrics, columns),
        "picture": plots.dots(dots, caption),
        "notes": list(_notes(results, models)),
    }


def _own(results: RunResults) -> Scores:
    values = {name: float(results.scores[name]) for name in SCALARS if name in results.scores}
    ends = results.scores.get("accuracy_ci95")
    known = results.intervals or ({"accuracy": (ends[0], ends[1])} if ends else {})
    return Scores("this run", values, known)


def _baseline(results: RunResults) -> list[Scores]:
    theirs = results.baseline_scored
    if theirs is None:
        return []
    import torch

    from imdb_cls.model.metrics import compute_metrics

    values = compute_metrics(torch.from_numpy(theirs.probability), torch.from_numpy(theirs.label))
    shown = {name: float(values[name]) for name in SCALARS}
    return [Scores("TF-IDF baseline", shown, intervals(theirs))]


def _reference(results: RunResults) -> list[Scores]:
    """The config's own reference, or the original's."""
    theirs = original()
    reference = results.config.get("reference") or theirs
    values = {name: float(reference[name]) for name in SCALARS if reference.get(name) is not None}
    if not values:
        return []
    name, known = str(reference.get("name", "reference")), dict[str, Interval]()
    if name == theirs.get("name") and "accuracy" in values:
        known = {"accuracy": original_interval(values["accuracy"])}
    return [Scores(f"the {name}" if name == "original" else name, values, known)]


def original() -> dict[str, Any]:
    """`reference` of conf/train.yaml, the project that this one re-implements; empty if it has
    none."""
    return (yaml_of(CONF_DIR / "train.yaml") or {}).get("reference") or {}


def original_interval(accuracy: float) -> Interval:
    """The 95 % interval of the original's accuracy, on its 5,000 test reviews."""
    return wilson_interval(round(accuracy * 5000), 5000)


def _notes(results: RunResults, models: list[Scores]) -> Iterator[str]:
    yield "In brackets: 95 % intervals. Of loss and ece, the less the better."
    if isinstance(results.baseline, str):
        yield f"No baseline: {results.baseline}."
    else:
        found = results.baseline
        train = results.info.resolved.sizes["train"] if results.info.resolved else 0
        yield (
            "Baseline: logistic regression on TF-IDF of words and pairs of words"
            f" ({found.features:,} of them), trained on the same {train:,} reviews and"
            f" chosen on the same val reviews (C = {found.strength:g}), in"
            f" {duration(found.seconds)} on a CPU."
        )
    if any(model.name == "the original" for model in models):
        yield (
            "The original: the SageMaker notebook that this project re-implements, DistilBERT on"
            " 5,000 IMDB reviews, tested on 5,000 others. Its test reviews are not these."
        )
