"""Whether the best row is better than the second: a test over the seeds that they share."""

import math
from dataclasses import dataclass
from statistics import fmean

from imdb_cls.reports.sweep.leaderboard import Leaderboard, Row

# Differences that spread less than this are equal but for rounding: a t-test would divide by 0.
_NO_SPREAD = 1e-12


@dataclass(frozen=True)
class PairedTest:
    """Student's t-test of the differences, seed by seed, between two rows on a val metric."""

    metric: str
    best: str
    second: str
    """The labels of the rows."""
    n: int
    difference: float
    """Mean of best - second."""
    interval: tuple[float, float] | None = None
    """The 95 % interval of the difference; None if it is the same at every seed."""
    p: float | None = None
    """Two-sided; None if `interval` is."""

    def __str__(self) -> str:
        text = (
            f"Paired t-test on {self.metric}, trials {self.best} against {self.second},"
            f" {self.n} shared seeds: {self.difference:+.4f}"
        )
        if self.interval is None or self.p is None:
            return f"{text} at every seed: without any spread there is nothing to test"
        low, high = self.interval
        return f"{text}, 95 % interval [{low:+.4f}, {high:+.4f}], p = {self.p:.2g}"


def paired_test(board: Leaderboard) -> PairedTest | None:
    """The test of the best two rows; None unless both have a value at two seeds or more."""
    if len(board.rows) < 2:
        return None
    metric, (first, other) = board.results.metric, board.rows[:2]
    best, second = _by_seed(first, metric), _by_seed(other, metric)
    differences = [best[seed] - second[seed] for seed in best if seed in second]
    if len(differences) < 2:
        return None
    shared = (metric, first.label, other.label, len(differences), fmean(differences))
    if max(differences) - min(differences) < _NO_SPREAD:
        return PairedTest(*shared)
    from scipy.stats import ttest_1samp

    test = ttest_1samp(differences, 0)
    low, high = test.confidence_interval(0.95)
    return PairedTest(*shared, (float(low), float(high)), float(test.pvalue))


def _by_seed(row: Row, metric: str) -> dict[int, float]:
    """The metric of its completed trials by seed; those that have none or NaN are left out."""
    return {
        trial.seed: trial.metrics[metric]
        for trial in row.completed
        if trial.seed is not None and not math.isnan(trial.metrics.get(metric, math.nan))
    }
