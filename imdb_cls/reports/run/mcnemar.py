"""Whether two classifiers differ on the same reviews: McNemar's exact test, and by how much."""

import math
from dataclasses import dataclass

import numpy as np

from imdb_cls.reports.run.intervals import Z
from imdb_cls.runs.predictions import Bools, Interval

# A difference counts as real if its p-value is below this.
LEVEL = 0.05


@dataclass(frozen=True)
class Paired:
    """The number of reviews that both of two classifiers, one of them, or neither gets right."""

    both: int
    first_only: int
    second_only: int
    neither: int

    @property
    def n(self) -> int:
        return self.both + self.neither + self.disagreed

    @property
    def disagreed(self) -> int:
        return self.first_only + self.second_only

    @property
    def difference(self) -> float:
        """The accuracy of the first less that of the second."""
        return (self.first_only - self.second_only) / self.n

    @property
    def interval(self) -> Interval:
        """The 95 % interval of the difference: Wald's with Laplace's adjustment, which adds one
        review to each kind of disagreement (Bonett & Price 2012, "Adjusted Wald Confidence Interval
        for a Difference of Binomial Proportions Based on Paired Data", eq. 8; recommended by
        Fagerland et al. 2014, BMC Medical Research Methodology 14)."""
        first, second = (self.first_only + 1) / (self.n + 2), (self.second_only + 1) / (self.n + 2)
        spread = Z * math.sqrt((first + second - (first - second) ** 2) / (self.n + 2))
        return max(first - second - spread, -1.0), min(first - second + spread, 1.0)

    @property
    def p(self) -> float:
        """The two-sided p-value of McNemar's test (1947) in its exact form: if both are equally
        good, a review that only one of them gets right is as likely the first's as the second's."""
        from scipy.stats import binomtest

        return float(binomtest(self.first_only, self.disagreed).pvalue) if self.disagreed else 1.0


def paired(first: Bools, second: Bools) -> Paired:
    """The counts, from whether the first and the second classifier are right on each review."""
    neither, second_only, first_only, both = np.bincount(2 * first + second, minlength=4).tolist()
    return Paired(both, first_only, second_only, neither)


def holm(p_values: list[float]) -> list[float]:
    """The p-values of several tests, adjusted so that the chance of any false finding among them
    stays what it says (Holm 1979)."""
    order = np.argsort(p_values, kind="stable")
    times = np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.maximum.accumulate(np.minimum(1, times * np.sort(p_values)))
    return [float(p) for p in adjusted]
