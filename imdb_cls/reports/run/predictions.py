"""predictions.parquet as arrays: what a model said of each review."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from imdb_cls.data.splits import Split
from imdb_cls.inference.labeller import probability as sigmoid
from imdb_cls.model.metrics import wilson_interval

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Interval = tuple[float, float]

_TINY = 1e-12


@dataclass(frozen=True)
class Predictions:
    """What a model said of some reviews. Every array has one entry a review."""

    index: Ints
    """The review's row in its source."""
    label: Ints
    probability: Floats
    """Of POSITIVE."""
    tokens: Ints
    """Their number before truncation."""
    truncated: Bools

    def __len__(self) -> int:
        return len(self.label)

    @cached_property
    def correct(self) -> Bools:
        return is_right(self.probability, self.label)

    @cached_property
    def log_odds(self) -> Floats:
        return log_odds(self.probability)

    def uncalibrated(self, temperature: float) -> Floats:
        """[reviews]: probability of POSITIVE before the log-odds were divided by a temperature."""
        return sigmoid(self.log_odds * temperature)

    def is_of(self, reviews: Split) -> bool:
        """Whether these are the reviews, in this order."""
        return np.array_equal(self.index, reviews.rows)

    def same_reviews(self, other: "Predictions") -> bool:
        """Whether the rows and labels are the same, in the same order."""
        return np.array_equal(self.index, other.index) and np.array_equal(self.label, other.label)


@dataclass(frozen=True, kw_only=True)
class Part:
    """Some of the reviews, and how many of them got the right label."""

    n: int
    correct: int

    @property
    def accuracy(self) -> float:
        return self.correct / self.n

    @property
    def interval(self) -> Interval:
        """The 95 % interval of the accuracy (Wilson 1927)."""
        return wilson_interval(self.correct, self.n)


def is_right(probability: Floats, label: Ints) -> Bools:
    """[reviews]: whether the label that is more probable is the given one."""
    right: Bools = (probability > 0.5) == (label == 1)
    return right


def confusion(probability: Floats, label: Ints) -> list[list[int]]:
    """The number of reviews with each label, as [given label][predicted label]."""
    counts = np.bincount(2 * label + (probability > 0.5), minlength=4)
    matrix: list[list[int]] = counts.reshape(2, 2).tolist()
    return matrix


def log_odds(probability: Floats) -> Floats:
    """log p / (1 - p), finite for p of 0 and 1 too."""
    clipped = np.clip(probability, _TINY, 1 - _TINY)
    odds: Floats = np.log(clipped) - np.log1p(-clipped)
    return odds


def read(path: Path) -> Predictions | None:
    """The predictions in a file; None if it is missing or damaged."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
        columns: dict[str, Any] = {name: table[name].to_numpy() for name in table.column_names}
        return Predictions(
            index=columns["index"].astype(np.int64),
            label=columns["label"].astype(np.int64),
            probability=columns["probability"].astype(np.float64),
            tokens=columns["tokens"].astype(np.int64),
            truncated=columns["truncated"].astype(np.bool_),
        )
    except (OSError, KeyError, pa.ArrowInvalid):
        return None
