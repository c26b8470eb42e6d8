"""Is the difference real? The run against the baseline, review by review, and the original."""

from imdb_cls.reports.formats import p_value, percent, points, signed
from imdb_cls.reports.page import Content, Table, text_columns
from imdb_cls.reports.run.mcnemar import LEVEL, Paired, paired
from imdb_cls.reports.run.quality import original, original_interval
from imdb_cls.reports.run.results import RunResults


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
