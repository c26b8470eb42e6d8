"""Which differences between runs are real: McNemar's test of every pair, and what they share."""

import itertools
from operator import itemgetter
from typing import Any

import numpy as np

from imdb_cls.reports.formats import p_value, percent, signed
from imdb_cls.reports.page import Column, Content, Table, text_columns
from imdb_cls.reports.run.mcnemar import LEVEL, holm, paired
from imdb_cls.runs.predictions import Bools

# Nobody reads more pairs.
_MOST = 45
_COLUMNS: list[Column[Any]] = [
    *text_columns("pair", "difference in accuracy (points)", "only one right", "p", "p, Holm"),
    Column("", itemgetter(5), "words"),
]


def pairwise(group: dict[str, Bools]) -> Content:
    """The tests of each pair of runs that were tested on the same reviews, those with the least p
    first, and on how many reviews all runs agree.

    Args:
        group: for each run, by its name, whether its labels are right: [reviews].
    """
    names = list(itertools.combinations(group, 2))
    tests = [paired(group[first], group[second]) for first, second in names]
    adjusted = holm([test.p for test in tests])
    pairs = sorted(zip(names, tests, adjusted, strict=True), key=itemgetter(2))
    rows = []
    for pair, test, p in pairs[:_MOST]:
        difference, low, high = (signed(100 * x, 1) for x in (test.difference, *test.interval))
        rows.append(
            (
                " − ".join(pair),
                f"{difference} [{low}, {high}]",
                f"{test.first_only:,} : {test.second_only:,}",
                *map(_bare, (test.p, p)),
                "differ" if p < LEVEL else "not told apart",
            )
        )
    wrong, *some, right = right_by(group)
    n = wrong + sum(some) + right
    return {
        "names": ", ".join(group),
        "reviews": n,
        "agreement": (
            f"All {len(group)} runs are right on {right:,} of {n:,} reviews"
            f" ({percent(right / n)}), all are wrong on {wrong:,} ({percent(wrong / n)}),"
            f" and they disagree on {sum(some):,} ({percent(sum(some) / n)})."
        ),
        "pairs": Table(rows, _COLUMNS),
        "more": len(pairs[_MOST:]),
    }


def right_by(group: dict[str, Bools]) -> list[int]:
    """[runs + 1]: how many reviews no run of a group gets right, one of them, …, all of them."""
    times = np.sum(list(group.values()), axis=0)
    counts: list[int] = np.bincount(times, minlength=len(group) + 1).tolist()
    return counts


def _bare(p: float) -> str:
    """0.032, or < 0.0001."""
    return p_value(p).removeprefix("p = ").removeprefix("p ")
