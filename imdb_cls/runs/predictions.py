"""predictions.parquet as arrays: what a model said of each review."""

import io
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from imdb_cls.data.splits import Split
from imdb_cls.errors import translated
from imdb_cls.inference.labeller import probability as sigmoid
from imdb_cls.storage import read_file

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Interval = tuple[float, float]

# Bins of equal width of the predicted label's probability, for the calibration error.
BINS = 15
_TINY = 1e-12
_COLUMNS = {
    "index": np.int64,
    "label": np.int64,
    "probability": np.float64,
    "tokens": np.int64,
    "truncated": np.bool_,
}


@dataclass(frozen=True)
class Predictions:
    """What a model said of some reviews. Every array has one entry a review."""

    index: Ints
    """The review's row in its source."""
    label: Ints
    """0 or 1."""
    probability: Floats
    """Of POSITIVE."""
    tokens: Ints
    """Their number before truncation."""
    truncated: Bools

    def __len__(self) -> int:
        return len(self.label)

    @cached_property
    def correct(self) -> Bools:
        return np.asarray((self.probability > 0.5) == (self.label == 1), dtype=np.bool_)

    @property
    def confusion(self) -> list[list[int]]:
        """The number of reviews with each label, as [given label][predicted label]."""
        counts = np.bincount(2 * self.label + (self.probability > 0.5), minlength=4)
        matrix: list[list[int]] = counts.reshape(2, 2).tolist()
        return matrix

    @cached_property
    def log_odds(self) -> Floats:
        """[reviews]: log p / (1 - p), finite for p of 0 and 1 too."""
        clipped = np.clip(self.probability, _TINY, 1 - _TINY)
        return np.asarray(np.log(clipped) - np.log1p(-clipped), dtype=np.float64)

    def uncalibrated(self, temperature: float) -> "Predictions":
        """What the model said before its log-odds were divided by a temperature."""
        return replace(self, probability=sigmoid(self.log_odds * temperature))

    def is_of(self, reviews: Split) -> bool:
        """Whether these are the reviews, in this order."""
        return np.array_equal(self.index, reviews.rows)


def read(path: Path) -> Predictions | None:
    """The predictions in a file; None if there is none. Raises UserError if it is damaged."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.exists():
        return None
    content = read_file(path)
    kinds = (KeyError, ValueError, TypeError, OSError, pa.ArrowException)
    with translated(f"{path} is damaged", *kinds):
        table = pq.read_table(io.BytesIO(content))
        columns = {name: table[name].to_numpy().astype(kind) for name, kind in _COLUMNS.items()}
        found = Predictions(**columns)
        if not (np.isin(found.label, (0, 1)).all() and (found.tokens > 0).all()):
            raise ValueError("a label is neither 0 nor 1, or a review has no tokens")
        if not ((found.probability >= 0) & (found.probability <= 1)).all():
            raise ValueError("a probability is not between 0 and 1")
        return found


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """95 % interval of a proportion (Wilson 1927), right near 0 and 1 too."""
    from scipy.stats import binomtest

    interval = binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)
