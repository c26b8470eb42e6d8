"""Which differences between runs are real: McNemar's test of every pair, and what they share."""

import itertools
from dataclasses import dataclass

import numpy as np

from imdb_cls.reports.compare.comparison import Compared
from imdb_cls.reports.formats import p_value, percent, signed
from imdb_cls.reports.page import Column, Content, Table
from imdb_cls.reports.run.mcnemar import LEVEL, Paired, holm, paired

# Nobody reads more pairs.
_MOST = 45


@dataclass(frozen=True)
class Pair:
    """Two runs on the same reviews."""

    first: str
    second: str
    paired: Paired
    holm: float
    """The p-value, adjusted for the number of pairs."""

    @property
    def difference(self) -> str:
        low, high = (signed(100 * end, 1) for end in self.paired.interval)
        return f"{signed(100 * self.paired.difference, 1)} [{low}, {high}]"


_COLUMNS = [
    Column[Pair]("pair", lambda pair: f"{pair.first} − {pair.second}", "words"),
    Column[Pair]("difference in accuracy (points)", lambda pair: pair.difference),
    Column[Pair](
        "only one right",
        lambda pair: f"{pair.paired.first_only:,} : {pair.paired.second_only:,}",
    ),
    Column[Pair]("p", lambda pair: _bare(pair.paired.p)),
    Column[Pair]("p, Holm", lambda pair: _bare(pair.holm)),
    Column[Pair]("", lambda pair: "differ" if pair.holm < LEVEL else "not told apart", "words"),
]


def pairwise(group: list[Compared]) -> Content:
    """The tests of each pair of runs that were tested on the same reviews, those with the least p
    first, and on how many reviews all runs agree."""
    pairs = list(itertools.combinations(group, 2))
    found = [paired(first.correct, second.correct) for first, second in pairs]
    adjusted = holm([result.p for result in found])
    tested = [
        Pair(first.name, second.name, result, p)
        for (first, second), result, p in zip(pairs, found, adjusted, strict=True)
    ]
    tested.sort(key=lambda pair: pair.holm)
    return {
        "names": ", ".join(run.name for run in group),
        "reviews": len(group[0].correct),
        "pairs": Table(tested[:_MOST], _COLUMNS),
        "more": len(tested[_MOST:]),
        "agreement": _agreement(group),
    }


def right_by(group: list[Compared]) -> list[int]:
    """[runs + 1]: how many reviews no run of a group gets right, one of them, …, all of them."""
    times = np.sum([run.correct for run in group], axis=0)
    return [int(n) for n in np.bincount(times, minlength=len(group) + 1)]


def _agreement(group: list[Compared]) -> str:
    wrong, *some, right = right_by(group)
    n = wrong + sum(some) + right
    return (
        f"All {len(group)} runs are right on {right:,} of {n:,} reviews"
        f" ({percent(right / n)}), all are wrong on {wrong:,} ({percent(wrong / n)}),"
        f" and they disagree on {sum(some):,} ({percent(sum(some) / n)})."
    )


def _bare(p: float) -> str:
    """0.032, or < 0.0001."""
    return p_value(p).removeprefix("p = ").removeprefix("p ")
