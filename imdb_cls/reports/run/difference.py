"""Is the difference real? The run against the baseline, review by review, and the original."""

import math
from dataclasses import dataclass

import numpy as np

from imdb_cls.reports.formats import p_value, percent, points, signed
from imdb_cls.reports.page import Content, Table, text_columns
from imdb_cls.reports.run.intervals import Z
from imdb_cls.reports.run.quality import original, original_interval
from imdb_cls.reports.run.results import RunResults
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


def difference(results: RunResults) -> Content | None:
    """None if nothing was scored."""
    if not results.scores or results.scored is None:
        return None
    content: Content = {"sentence": "", "original": _against_original(results)}
    if found := against_baseline(results):
        rows = [
            ("run right", f"{found.both:,}", f"{found.first_only:,}"),
            ("run wrong", f"{found.second_only:,}", f"{found.neither:,}"),
        ]
        content["sentence"] = _sentence(found)
        content["counts"] = Table(rows, text_columns("", "baseline right", "baseline wrong"))
        content["disagreed"] = found.disagreed
    return content


def against_baseline(results: RunResults) -> Paired | None:
    """The run and the baseline on the same reviews."""
    ours, theirs = results.scored, results.baseline_scored
    return None if ours is None or theirs is None else paired(ours.correct, theirs.correct)


def _sentence(found: Paired) -> str:
    if found.p >= LEVEL:
        said = f"not distinguishable from the baseline on these {found.n:,} reviews"
    else:
        better = "better" if found.difference > 0 else "worse"
        said = f"{better} than the baseline on the same {found.n:,} reviews"
    low, high = (signed(100 * end, 1) for end in found.interval)
    return (
        f"The run is {said}: {points(found.difference)} of accuracy,"
        f" 95 % interval {low} to {high}, {p_value(found.p)}."
    )


def _against_original(results: RunResults) -> str:
    theirs, ours = original().get("accuracy"), results.scores.get("accuracy_ci95")
    if theirs is None or ours is None:
        return ""
    there = original_interval(theirs)
    if ours[0] > there[1]:
        verdict = "this run's is the higher one"
    elif ours[1] < there[0]:
        verdict = "the original's is the higher one"
    else:
        verdict = "they overlap, so this does not tell which is better"
    return (
        "The original was tested on other reviews, so there are only the intervals of accuracy to"
        f" compare: {percent(ours[0])} to {percent(ours[1])} here,"
        f" {percent(there[0])} to {percent(there[1])} there; {verdict}."
    )
