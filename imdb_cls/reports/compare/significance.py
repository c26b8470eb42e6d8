"""Which differences between runs are real: McNemar's test of every pair, and what they share."""

import itertools
from dataclasses import dataclass

from imdb_cls.reports.compare.read import Comparison
from imdb_cls.reports.page import Cell, Column, Content, Line, p_value, percent, signed
from imdb_cls.reports.run.difference import LEVEL
from imdb_cls.reports.run.mcnemar import holm, paired

# Pairs that anybody reads.
_MOST = 45


@dataclass(frozen=True)
class Tests:
    """Of runs that were tested on the same reviews."""

    names: str
    reviews: int
    pairs: Content
    more: int
    """Pairs that are not shown: those with the greatest p."""
    agreement: str


def tests(comparison: Comparison) -> list[Tests]:
    """A part a set of test reviews that two runs or more share."""
    return [_of_group(comparison, group) for group in comparison.groups if len(group) > 1]


def _of_group(comparison: Comparison, group: list[int]) -> Tests:
    pairs = list(itertools.combinations(group, 2))
    found = [paired(*(comparison.correct(number) for number in pair)) for pair in pairs]
    adjusted = holm([result.p for result in found])
    lines = []
    for number in sorted(range(len(pairs)), key=lambda number: adjusted[number])[:_MOST]:
        first, second = (comparison.names[run] for run in pairs[number])
        result = found[number]
        low, high = (signed(100 * end, 1) for end in result.interval)
        cells = [
            Cell(f"{first} − {second}"),
            Cell(f"{signed(100 * result.difference, 1)} [{low}, {high}]"),
            Cell(f"{result.first_only:,} : {result.second_only:,}"),
            Cell(p_value(result.p).removeprefix("p = ").removeprefix("p ")),
            Cell(p_value(adjusted[number]).removeprefix("p = ").removeprefix("p ")),
            Cell("differ" if adjusted[number] < LEVEL else "not told apart"),
        ]
        lines.append(Line(cells))
    columns = [
        Column("pair", "words"),
        Column("difference in accuracy (points)"),
        Column("only one right"),
        Column("p"),
        Column("p, Holm"),
        Column("", "words"),
    ]
    return Tests(
        names=", ".join(comparison.names[number] for number in group),
        reviews=len(comparison.correct(group[0])),
        pairs=Content(columns, lines),
        more=len(pairs) - len(lines),
        agreement=_agreement(comparison, group),
    )


def _agreement(comparison: Comparison, group: list[int]) -> str:
    times = comparison.right_by(group)
    n = sum(times)
    split = n - times[0] - times[-1]
    return (
        f"All {len(group)} runs are right on {times[-1]:,} of {n:,} reviews"
        f" ({percent(times[-1] / n)}), all are wrong on {times[0]:,} ({percent(times[0] / n)}),"
        f" and they disagree on {split:,} ({percent(split / n)})."
    )
