"""report.html: a run on one page that needs no network."""

from pathlib import Path
from typing import Any

from imdb_cls.reports.page import duration, environment, p_value, percent, points
from imdb_cls.reports.run.difference import LEVEL, against_baseline, difference
from imdb_cls.reports.run.examples import Examples, examples
from imdb_cls.reports.run.facts import Facts
from imdb_cls.reports.run.failures import failures
from imdb_cls.reports.run.provenance import cost, provenance
from imdb_cls.reports.run.quality import quality
from imdb_cls.reports.run.training import training
from imdb_cls.reports.svg import level_colours
from imdb_cls.storage import write_text


def write_page(facts: Facts, path: Path) -> None:
    """Writes the page, whole or not at all."""
    template = environment(Path(__file__).parent).get_template("page.html")
    write_text(path, template.render(_content(facts)))


def _content(facts: Facts) -> dict[str, Any]:
    found = examples(facts) if facts.scored is not None else "nothing was scored"
    return {
        "name": facts.run.name,
        "evaluation": facts.evaluation,
        "verdict": verdict(facts),
        "facts": _key_figures(facts),
        "reason": facts.info.plain_reason if facts.status != "completed" else None,
        "quality": quality(facts),
        "difference": difference(facts),
        "training": training(facts) if facts.evaluation is None else None,
        "failures": failures(facts),
        "examples": found if isinstance(found, Examples) else None,
        "no_examples": "" if isinstance(found, Examples) else found,
        "provenance": provenance(facts),
        "light": level_colours(dark=False),
        "dark": level_colours(dark=True),
    }


def verdict(facts: Facts) -> str:
    """The page in a sentence."""
    if not facts.scores:
        best = facts.curves.get(facts.metric)
        so_far = f" The last {facts.metric} was {best[-1][1]:.3f}." if best else ""
        return f"Not tested yet; the run's status is {facts.status}.{so_far}"
    said = (
        f"{percent(facts.scores['accuracy'])} of {facts.scores['samples']:,} {facts.what} get the"
        " right label"
    )
    found = against_baseline(facts)
    if found is None:
        return f"{said}."
    if found.p >= LEVEL:
        return (
            f"{said}: no clear difference from a TF-IDF baseline"
            f" ({points(found.difference)}, {p_value(found.p)})."
        )
    better = "more" if found.difference > 0 else "fewer"
    gap = f"{abs(100 * found.difference):.1f} points"
    return f"{said}, {gap} {better} than with a TF-IDF baseline ({p_value(found.p)})."


def _key_figures(facts: Facts) -> list[tuple[str, str]]:
    info, scores = facts.info, facts.scores
    figures = [("status", facts.status)]
    if facts.evaluation is not None:
        figures = [("evaluated on", facts.evaluation)]
    if ends := scores.get("accuracy_ci95"):
        low, high = (f"{100 * end:.1f}" for end in ends)
        figures.append(("accuracy", f"{100 * scores['accuracy']:.1f} % [{low}, {high}]"))
    if "auroc" in scores:
        figures.append(("AUROC", f"{scores['auroc']:.3f}"))
    if info.resolved:
        figures.append(("weights", str(info.resolved.model)))
    if info.seconds:
        figures.append(("took", duration(info.seconds)))
    if info.device:
        figures.append(("on", str(info.device)))
    if paid := cost(info):
        figures.append(("cost", paid))
    return figures
