"""Which differences between runs are real: McNemar's test of every pair, and what they share."""

import itertools
from dataclasses import dataclass

import numpy as np

from imdb_cls.reports.formats import p_value, percent, signed
from imdb_cls.reports.page import Column, Content, Table
from imdb_cls.reports.run.mcnemar import LEVEL, Paired, holm, paired
from imdb_cls.runs.predictions import Bools

# Nobody reads more pairs.
_MOST = 45


@dataclass(frozen=True)
class Pair:
    """Two runs on the same reviews."""

    names: tuple[str, str]
    paired: Paired
    holm: float
    """The p-value, adjusted for the number of pairs."""

    @property
    def difference(self) -> str:
        low, high = (signed(100 * end, 1) for end in self.paired.interval)
        return f"{signed(100 * self.paired.difference, 1)} [{low}, {high}]"


_COLUMNS: list[Column[Pair]] = [
    Column("pair", lambda pair: " − ".join(pair.names), "words"),
    Column("difference in accuracy (points)", lambda pair: pair.difference),
    Column(
        "only one right", lambda pair: f"{pair.paired.first_only:,} : {pair.paired.second_only:,}"
    ),
    Column("p", lambda pair: _bare(pair.paired.p)),
    Column("p, Holm", lambda pair: _bare(pair.holm)),
    Column("", lambda pair: "differ" if pair.holm < LEVEL else "not told apart", "words"),
]


def pairwise(group: dict[str, Bools]) -> Content:
    """The tests of each pair of runs that were tested on the same reviews, those with the least p
    first, and on how many reviews all runs agree.

    Args:
        group: for each run, by its name, whether its labels are right: [reviews].
    """
    names = list(itertools.combinations(group, 2))
    found = [paired(group[first], group[second]) for first, second in names]
    adjusted = holm([result.p for result in found])
    pairs = [Pair(*pair) for pair in zip(names, found, adjusted, strict=True)]
    pairs.sort(key=lambda pair: pair.holm)
    return {
        "names": ", ".join(group),
        "pairs": Table(pairs[:_MOST], _COLUMNS),
        "more": len(pairs[_MOST:]),
        **_agreement(group),
    }


def right_by(group: dict[str, Bools]) -> list[int]:
    """[runs + 1]: how many reviews no run of a group gets right, one of them, …, all of them."""
    times = np.sum(list(group.values()), axis=0)
    return [int(n) for n in np.bincount(times, minlength=len(group) + 1)]


def _agreement(group: dict[str, Bools]) -> Content:
    wrong, *some, right = right_by(group)
    n = wrong + sum(some) + right
    said = (
        f"All {len(group)} runs are right on {right:,} of {n:,} reviews"
        f" ({percent(right / n)}), all are wrong on {wrong:,} ({percent(wrong / n)}),"
        f" and they disagree on {sum(some):,} ({percent(sum(some) / n)})."
    )
    return {"reviews": n, "agreement": said}


def _bare(p: float) -> str:
    """0.032, or < 0.0001."""
    return p_value(p).removeprefix("p = ").removeprefix("p ")
