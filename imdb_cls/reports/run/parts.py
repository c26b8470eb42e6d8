"""Accuracy on parts of the reviews: by length, by truncation and by confidence."""

from dataclasses import dataclass

import numpy as np

from imdb_cls.runs.predictions import (
    BINS,
    Bools,
    Floats,
    Interval,
    Ints,
    Predictions,
    wilson_interval,
)

# A part of fewer reviews says nothing.
_FEWEST = 10
_MOST_PARTS = 6


@dataclass(frozen=True, kw_only=True)
class Part:
    """Some of the reviews, and how many of them got the right label."""

    name: str = ""
    n: int
    correct: int

    @property
    def accuracy(self) -> float:
        return self.correct / self.n

    @property
    def interval(self) -> Interval:
        """The 95 % interval of the accuracy (Wilson 1927)."""
        return wilson_interval(self.correct, self.n)


@dataclass(frozen=True, kw_only=True)
class Bin(Part):
    """The reviews with a confidence from `low` to `high`."""

    low: float
    high: float
    confidence: float
    """Mean probability of the predicted label."""


def by_length(predictions: Predictions) -> list[Part]:
    """Parts of about equal size by the number of tokens, the shortest reviews first. There are at
    least two, or none if all reviews are of one length."""
    parts = min(_MOST_PARTS, max(2, len(predictions) // _FEWEST))
    tokens = predictions.tokens
    cuts = np.unique(np.quantile(tokens, np.linspace(0, 1, parts + 1)[1:-1], method="higher"))
    number = np.searchsorted(cuts, tokens, side="right")
    found = []
    for part in np.unique(number):
        mask = number == part
        low, high = int(tokens[mask].min()), int(tokens[mask].max())
        found.append(_part(f"{low}–{high}" if low < high else str(low), mask, predictions))
    return found if len(found) > 1 else []


def by_truncation(predictions: Predictions) -> list[Part]:
    """The whole reviews and the truncated ones; nothing if all are of one kind."""
    kinds = (("whole", ~predictions.truncated), ("truncated", predictions.truncated))
    found = [_part(name, mask, predictions) for name, mask in kinds if mask.any()]
    return found if len(found) > 1 else []


def _part(name: str, mask: Bools, predictions: Predictions) -> Part:
    return Part(name=name, n=int(mask.sum()), correct=int(predictions.correct[mask].sum()))


def bins_of(confidence: Floats) -> Ints:
    """The number of each confidence's bin, of predictions.BINS; those below a half stay empty."""
    return np.minimum((confidence * BINS).astype(np.int64), BINS - 1)


def by_confidence(predictions: Predictions) -> list[Bin]:
    """The bins that hold a review, by rising confidence."""
    confidence = np.maximum(predictions.probability, 1 - predictions.probability)
    number = bins_of(confidence)
    return [
        Bin(
            low=max(int(part) / BINS, 0.5),
            high=(int(part) + 1) / BINS,
            n=int(np.sum(number == part)),
            confidence=float(confidence[number == part].mean()),
            correct=int(predictions.correct[number == part].sum()),
        )
        for part in np.unique(number)
    ]


def ece(bins: list[Bin]) -> float:
    """The expected calibration error: the mean distance between accuracy and confidence, each bin
    weighed by its reviews (Guo et al. 2017, "On Calibration of Modern Neural Networks", eq. 3)."""
    n = sum(part.n for part in bins)
    return sum(part.n * abs(part.accuracy - part.confidence) for part in bins) / n
