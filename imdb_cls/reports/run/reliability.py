"""Whether a model is right as often as it says: accuracy by confidence."""

from dataclasses import dataclass

import numpy as np

from imdb_cls.reports.run.predictions import Floats, Ints, Part, is_right

# As many as metrics.CalibrationError has. With two labels only the upper half is in use.
_BINS = 15


@dataclass(frozen=True, kw_only=True)
class Bin(Part):
    """The reviews with a confidence from `low` to `high`."""

    low: float
    high: float
    confidence: float
    """Mean probability of the predicted label."""


def bins(probability: Floats, label: Ints) -> list[Bin]:
    """The bins that hold a review, by rising confidence.

    Args:
        probability: [reviews], of POSITIVE.
        label: [reviews], 0 or 1.
    """
    confidence = np.maximum(probability, 1 - probability)
    correct = is_right(probability, label)
    number = np.minimum((confidence * _BINS).astype(np.int64), _BINS - 1)
    return [
        Bin(
            low=max(int(part) / _BINS, 0.5),
            high=(int(part) + 1) / _BINS,
            n=int(np.sum(number == part)),
            confidence=float(confidence[number == part].mean()),
            correct=int(correct[number == part].sum()),
        )
        for part in np.unique(number)
    ]


def ece(found: list[Bin]) -> float:
    """The expected calibration error: the mean distance between accuracy and confidence, each bin
    weighed by its reviews (Guo et al. 2017, "On Calibration of Modern Neural Networks", eq. 3)."""
    n = sum(part.n for part in found)
    return sum(part.n * abs(part.accuracy - part.confidence) for part in found) / n
