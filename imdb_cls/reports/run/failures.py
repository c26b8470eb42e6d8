"""Where does it fail? By label, by length, by confidence."""

import numpy as np

from imdb_cls.model.calibration import cross_entropy
from imdb_cls.names import LABELS
from imdb_cls.reports.formats import percent
from imdb_cls.reports.page import Content
from imdb_cls.reports.run import plots
from imdb_cls.reports.run.parts import by_confidence, by_length, by_truncation
from imdb_cls.reports.run.results import RunResults
from imdb_cls.reports.svg import Plot
from imdb_cls.runs.predictions import Predictions


def failures(results: RunResults) -> Content | None:
    """None if nothing was scored."""
    scored = results.scored
    if not scored:
        return None
    counts = scored.confusion
    max_length = results.config.get("data", {}).get("max_length")
    truncated = float(scored.truncated.mean())
    how_many = f"{percent(truncated)} of the reviews are" if truncated else "No review is"
    return {
        "labels": LABELS,
        "confusion": [(label, _shares(row)) for label, row in zip(LABELS, counts, strict=True)],
        "confusion_summary": _mistakes(counts),
        "parts": _parts(scored, max_length),
        "truncation": f"{how_many} longer than the {max_length} tokens that the model reads.",
        **_calibration((results.metrics.get("calibration") or {}).get("temperature"), scored),
    }


def _shares(counts: list[int]) -> list[tuple[str, str, int]]:
    """Each count as text, its share of the sum as text, and that share in whole per cent."""
    whole = sum(counts) or 1
    return [(f"{n:,}", percent(n / whole), round(100 * (n / whole))) for n in counts]


def _mistakes(counts: list[list[int]]) -> str:
    """How many mistakes there are, and which label most of them should have."""
    wrong = counts[0][1], counts[1][0]
    if sum(wrong) == 0:
        return "There are no mistakes."
    more = 0 if wrong[0] > wrong[1] else 1
    return (
        f"{sum(wrong):,} mistakes of {sum(map(sum, counts)):,};"
        f" {percent(wrong[more] / sum(wrong))} of them are {LABELS[more]} reviews"
        f" called {LABELS[1 - more]}."
    )


def _parts(scored: Predictions, max_length: int) -> list[Plot | None]:
    of_lengths = (
        "Share of right labels in parts of about equal size, by length in tokens; a line is the"
        " 95 % interval."
    )
    of_truncation = (
        f"Share of right labels among reviews that fit in {max_length} tokens, and among those"
        " of which only the beginning and the end were read; a line is the 95 % interval."
    )
    return [
        plots.parts("by-length", "review length (tokens)", by_length(scored), of_lengths),
        plots.parts("by-truncation", "review", by_truncation(scored), of_truncation),
    ]


def _calibration(temperature: float | None, scored: Predictions) -> Content:
    now = by_confidence(scored)
    if temperature is None:
        shown = [("as trained", now)]
        said = "The run has no temperature: it is older than calibration, or has not ended."
    else:
        raw = by_confidence(scored.uncalibrated(temperature))
        shown = [("as trained", raw), (f"divided by T = {temperature:.2f}", now)]
        margin = np.where(scored.label == 1, scored.log_odds, -scored.log_odds)
        before, after = (cross_entropy(margin, t) for t in (1 / temperature, 1.0))
        said = (
            f"T = {temperature:.3f}, with which val has the least loss: log-odds are divided"
            " by it, which changes confidence and no label."
            f" Loss goes from {before:.4f} to {after:.4f} on these {len(scored):,} reviews."
        )
    reliability = plots.reliability(
        shown,
        "Share of right labels among reviews of like confidence, with 95 % intervals. Below the"
        " dashed line the model is surer than it is right. 15 bins of equal width.",
        whiskers=True,
    )
    histogram = plots.confidences(shown, "Share of the reviews in each bin of confidence.")
    return {"calibration": [reliability, histogram], "calibration_summary": said}
