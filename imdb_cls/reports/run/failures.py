"""Where does it fail? By label, by length, by confidence."""

from dataclasses import dataclass

import numpy as np

from imdb_cls.model.calibration import cross_entropy
from imdb_cls.names import LABELS
from imdb_cls.reports.page import Picture, percent
from imdb_cls.reports.run import plots
from imdb_cls.reports.run.facts import Facts
from imdb_cls.reports.run.predictions import Predictions
from imdb_cls.reports.run.reliability import Bin, bins, ece
from imdb_cls.reports.run.slices import by_length, by_truncation


@dataclass(frozen=True)
class Count:
    """A cell of the confusion matrix."""

    text: str
    share: str
    """Of its row."""
    right: bool
    shade: int
    """Per cent of its row."""


@dataclass(frozen=True)
class Failures:
    labels: tuple[str, ...]
    confusion: list[tuple[str, list[Count]]]
    """A row a given label, a column a predicted one."""
    confusion_said: str
    slices: list[Picture]
    truncation: str
    calibration: list[Picture]
    calibration_said: str


def failures(facts: Facts) -> Failures | None:
    """None if nothing was scored."""
    scored = facts.scored
    if scored is None or len(scored) == 0:
        return None
    pictures, said = _calibration(facts, scored)
    return Failures(
        LABELS,
        _confusion(scored),
        _lean(scored),
        _slices(facts, scored),
        _truncation(facts, scored),
        pictures,
        said,
    )


def _confusion(scored: Predictions) -> list[tuple[str, list[Count]]]:
    rows = []
    predicted = (scored.probability > 0.5).astype(int)
    for given, name in enumerate(LABELS):
        of_label = scored.label == given
        total = int(of_label.sum())
        cells = []
        for said in range(len(LABELS)):
            n = int((of_label & (predicted == said)).sum())
            share = n / total if total else 0.0
            cells.append(Count(f"{n:,}", percent(share), given == said, round(100 * share)))
        rows.append((name, cells))
    return rows


def _lean(scored: Predictions) -> str:
    """To which label the mistakes go."""
    wrong = ~scored.correct
    said = int((wrong & (scored.label == 0)).sum()), int((wrong & (scored.label == 1)).sum())
    if sum(said) == 0:
        return "There are no mistakes."
    more = 0 if said[0] > said[1] else 1
    missed = percent(said[more] / sum(said))
    return (
        f"{sum(said):,} mistakes of {len(scored):,}; {missed} of them are {LABELS[more]} reviews"
        f" called {LABELS[1 - more]}."
    )


def _slices(facts: Facts, scored: Predictions) -> list[Picture]:
    whole = float(scored.correct.mean())
    found = []
    if parts := by_length(scored):
        caption = (
            "Share of right labels in parts of about equal size, by length in tokens; a line is the"
            " 95 % interval."
        )
        found.append(plots.slices("by-length", "review length (tokens)", parts, whole, caption))
    if parts := by_truncation(scored):
        most = facts.config.get("data", {}).get("max_length")
        caption = (
            f"Share of right labels among reviews that fit in {most} tokens, and among those of"
            " which only the beginning and the end were read; a line is the 95 % interval."
        )
        found.append(plots.slices("by-truncation", "review", parts, whole, caption))
    return found


def _truncation(facts: Facts, scored: Predictions) -> str:
    share = float(scored.truncated.mean())
    most = facts.config.get("data", {}).get("max_length")
    how_many = f"{percent(share)} of the reviews are" if share else "No review is"
    return f"{how_many} longer than the {most} tokens that the model reads."


def _calibration(facts: Facts, scored: Predictions) -> tuple[list[Picture], str]:
    now = bins(scored.probability, scored.label)
    if facts.temperature is None:
        shown = [(_labelled("as trained", now), now)]
        said = "The run has no temperature: it is older than calibration, or has not ended."
    else:
        raw = bins(scored.before(facts.temperature), scored.label)
        scaled = _labelled(f"divided by T = {facts.temperature:.2f}", now)
        shown = [(_labelled("as trained", raw), raw), (scaled, now)]
        said = (
            f"T = {facts.temperature:.3f}, with which val has the least loss: log-odds are divided"
            f" by it, which changes confidence and no label. {_change(facts, scored)}"
        )
    reliability = plots.reliability(
        "reliability",
        shown,
        "Share of right labels among reviews of like confidence, with 95 % intervals. Below the"
        " dashed line the model is surer than it is right. 15 bins of equal width.",
    )
    histogram = plots.confidences(
        "confidence", shown, "Share of the reviews in each bin of confidence."
    )
    return [reliability, histogram], said


def _labelled(name: str, found: list[Bin]) -> str:
    return f"{name}, ECE {ece(found):.3f}"


def _change(facts: Facts, scored: Predictions) -> str:
    """What the temperature does to the scored reviews."""
    assert facts.temperature is not None
    margin = np.where(scored.label == 1, scored.log_odds, -scored.log_odds)
    before, after = (cross_entropy(margin, t) for t in (1 / facts.temperature, 1.0))
    return f"Loss goes from {before:.4f} to {after:.4f} on these {len(scored):,} reviews."
