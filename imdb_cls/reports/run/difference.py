"""Is the difference real? The run against the baseline, review by review, and the original."""

from dataclasses import dataclass

from imdb_cls.reports.page import Cell, Column, Content, Line, p_value, percent, points, signed
from imdb_cls.reports.run.baseline import Baseline
from imdb_cls.reports.run.facts import Facts
from imdb_cls.reports.run.mcnemar import Paired, paired
from imdb_cls.reports.run.reference import interval, original

# Differences are told from none at this level.
LEVEL = 0.05


@dataclass(frozen=True)
class Difference:
    sentence: str
    """Against the baseline; empty if there is none."""
    counts: Content | None
    test: str
    why_not: str
    original: str


def difference(facts: Facts) -> Difference | None:
    """None if nothing was scored."""
    if not facts.scores or facts.scored is None:
        return None
    found = against_baseline(facts)
    if found is None:
        assert isinstance(facts.baseline, str)
        return Difference("", None, "", facts.baseline, _against_original(facts))
    return Difference(
        sentence=sentence(found),
        counts=_counts(found),
        test=_test(found),
        why_not="",
        original=_against_original(facts),
    )


def against_baseline(facts: Facts) -> Paired | None:
    """The run and the baseline on the same reviews."""
    found = facts.baseline
    if not isinstance(found, Baseline) or facts.scored is None:
        return None
    right = (found.probability > 0.5) == (facts.scored.label == 1)
    return paired(facts.scored.correct, right)


def sentence(found: Paired) -> str:
    """What the test says of the run and the baseline."""
    if found.p >= LEVEL:
        return (
            f"The run is not distinguishable from the baseline on these {found.n:,} reviews:"
            f" {points(found.difference)} of accuracy, {_interval(found)}, {p_value(found.p)}."
        )
    better = "better" if found.difference > 0 else "worse"
    return (
        f"The run is {better} than the baseline on the same {found.n:,} reviews:"
        f" {points(found.difference)} of accuracy, {_interval(found)}, {p_value(found.p)}."
    )


def _interval(found: Paired) -> str:
    low, high = (signed(100 * end, 1) for end in found.interval)
    return f"95 % interval {low} to {high}"


def _test(found: Paired) -> str:
    return (
        f"McNemar's exact test asks whether the {found.first_only + found.second_only:,} reviews"
        " that only one of the two gets right fall to both like a fair coin. The interval is of the"
        " difference of paired proportions (Bonett & Price 2012)."
    )


def _counts(found: Paired) -> Content:
    columns = [Column("", "words"), Column("baseline right"), Column("baseline wrong")]
    rows = [
        Line([Cell("run right"), Cell(f"{found.both:,}"), Cell(f"{found.first_only:,}")]),
        Line([Cell("run wrong"), Cell(f"{found.second_only:,}"), Cell(f"{found.neither:,}")]),
    ]
    return Content(columns, rows)


def _against_original(facts: Facts) -> str:
    theirs, ours = original().get("accuracy"), facts.scores.get("accuracy_ci95")
    if theirs is None or ours is None:
        return ""
    there = interval(theirs)
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
