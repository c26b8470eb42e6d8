"""Whether the best row is better than the second: a test over the seeds that they share."""

import math
from dataclasses import dataclass

from imdb_cls.reports.sweep.leaderboard import Row
from imdb_cls.runs.results import SweepResults

# Below it differences are the same number but for rounding: a t-test of those divides by nothing.
_NO_SPREAD = 1e-12


@dataclass(frozen=True)
class PairedTest:
    """Student's t-test of the differences, seed by seed, between two rows on a val metric."""

    metric: str
    best: str
    second: str
    """Labels of the rows."""
    n: int
    difference: float
    """Mean of best - second."""
    interval: tuple[float, float] | None
    """Of 95 %; None if all differences are the same."""
    p: float | None
    """Two-sided; None like the interval."""

    def __str__(self) -> str:
        text = (
            f"Paired t-test on {self.metric}, trials {self.best} against {self.second},"
            f" {self.n} shared seeds: {self.difference:+.4f}"
        )
        if self.interval is None or self.p is None:
            return f"{text} at every seed: without any spread there is nothing to test"
        low, high = self.interval
        return f"{text}, 95 % interval [{low:+.4f}, {high:+.4f}], p = {self.p:.2g}"


def paired_test(rows: list[Row], results: SweepResults) -> PairedTest | None:
    """Of the best two rows; None unless both have a value at two seeds or more."""
    if len(rows) < 2:
        return None
    best, second = (_by_seed(row, results.metric) for row in rows[:2])
    seeds = [seed for seed in best if seed in second]
    if len(seeds) < 2:
        return None
    differences = [best[seed] - second[seed] for seed in seeds]
    mean = math.fsum(differences) / len(differences)
    facts = (results.metric, rows[0].label, rows[1].label, len(seeds), mean)
    if max(differences) - min(differences) < _NO_SPREAD:
        return PairedTest(*facts, interval=None, p=None)
    from scipy.stats import ttest_rel

    test = ttest_rel([best[seed] for seed in seeds], [second[seed] for seed in seeds])
    low, high = test.confidence_interval(0.95)
    return PairedTest(*facts, interval=(float(low), float(high)), p=float(test.pvalue))


def _by_seed(row: Row, metric: str) -> dict[int, float]:
    """The metric of its completed trials, but for those that have none or NaN."""
    return {
        trial.seed: trial.metrics[metric]
        for trial in row.completed
        if trial.seed is not None and not math.isnan(trial.metrics.get(metric, math.nan))
    }
