"""compare.html: several runs on one page that needs no network."""

import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

from imdb_cls.reports.compare.read import Comparison, read
from imdb_cls.reports.compare.significance import tests
from imdb_cls.reports.page import Cell, Column, Content, Line, Picture, duration, environment
from imdb_cls.reports.run import plots
from imdb_cls.reports.run.facts import Facts
from imdb_cls.reports.run.intervals import intervals
from imdb_cls.reports.run.plots import Curve
from imdb_cls.reports.run.provenance import cost
from imdb_cls.reports.run.reliability import bins, ece
from imdb_cls.reports.svg import SERIES, level_colours
from imdb_cls.runs.overrides import shown
from imdb_cls.storage import write_text

_TABLED = ("accuracy", "f1", "auroc", "loss", "ece")
_WITH_INTERVALS = ("accuracy", "f1", "auroc")


def write(paths: list[Path], output: Path) -> Path:
    """Writes the page, whole or not at all.

    Raises:
        UserError: one of the paths is no run.
    """
    comparison = read(paths)
    template = environment(Path(__file__).parent).get_template("page.html")
    write_text(output, template.render(_content(comparison, output)))
    return output


def _content(comparison: Comparison, output: Path) -> dict[str, Any]:
    metrics = dict.fromkeys(("train/loss", "val/loss", comparison.runs[0].metric))
    pictures = [_training(comparison, metric) for metric in metrics]
    return {
        "runs": len(comparison.runs),
        "table_of_runs": _table(comparison, output),
        "accuracy": _accuracy(comparison),
        "groups": len(comparison.groups),
        "tests": tests(comparison),
        "curves": [picture for picture in pictures if picture],
        "reliability": _reliability(comparison),
        "light": level_colours(dark=False),
        "dark": level_colours(dark=True),
    }


def _table(comparison: Comparison, output: Path) -> Content:
    keys = comparison.keys
    paid = any(cost(run.info) for run in comparison.runs)
    columns = [
        Column("run", "words"),
        Column(comparison.runs[0].metric),
        *(Column(f"test/{name}", "test") for name in _TABLED),
        *(Column(comparison.shown_keys[key]) for key in keys),
        Column("took"),
        *([Column("cost")] if paid else []),
        Column("status", "words"),
        Column("device", "words"),
    ]
    rows = []
    for name, run, told in zip(comparison.names, comparison.runs, comparison.differs, strict=True):
        seconds = run.info.seconds
        cells = [
            Cell(name, link=_link(run, output)),
            Cell(_chosen(run, comparison.runs[0].metric)),
            *_figures(run),
            *(Cell(shown(told[key]) if key in told else "") for key in keys),
            Cell(duration(seconds) if seconds else "", sort=f"{seconds or ''}"),
            *([Cell(cost(run.info))] if paid else []),
            Cell(run.status),
            Cell(str(run.info.device or "")),
        ]
        rows.append(Line(cells))
    return Content(columns, rows)


def _chosen(run: Facts, metric: str) -> str:
    """The metric of the chosen checkpoint."""
    values = [value for step, value in run.curves.get(metric, []) if step == run.chosen_step]
    return f"{values[0]:.3f}" if values else ""


def _figures(run: Facts) -> list[Cell]:
    """The test metrics with their intervals."""
    ends = intervals(run.scored.probability, run.scored.label) if run.scored else {}
    cells = []
    for name in _TABLED:
        text = f"{run.scores[name]:.3f}" if name in run.scores else ""
        if text and name in ends and name in _WITH_INTERVALS:
            text += f" [{ends[name][0]:.3f}, {ends[name][1]:.3f}]"
        cells.append(Cell(text))
    return cells


def _link(run: Facts, output: Path) -> str:
    """The run's own page, or its directory, as seen from this one."""
    page = run.run.path / "report.html"
    target = page if page.is_file() else run.run.path
    return quote(os.path.relpath(target, output.absolute().parent))


def _accuracy(comparison: Comparison) -> Picture | None:
    dots = []
    for number, (name, run) in enumerate(zip(comparison.names, comparison.runs, strict=True)):
        if ends := run.scores.get("accuracy_ci95"):
            place = number % SERIES
            dots.append(plots.Dot(name, run.scores["accuracy"], (ends[0], ends[1]), place))
    caption = (
        "Share of test reviews with the right label, and its 95 % interval. Intervals that overlap"
        " do not say that two runs are alike: on the same reviews, the tests below tell more."
    )
    return plots.dots("accuracy", "accuracy", dots, caption) if dots else None


def _training(comparison: Comparison, metric: str) -> Picture | None:
    """A metric of all runs by step, smoothed where it is a batch's."""
    curves = []
    for number, (name, run) in enumerate(zip(comparison.names, comparison.runs, strict=True)):
        points = run.curves.get(metric, [])
        curves.append(Curve(name, points, number % SERIES))
    # Of single validations there is nothing to follow.
    if max(len(curve.points) for curve in curves) < 2:
        return None
    unit = "nats a review" if metric.endswith("/loss") else "share"
    said = "moving average" if metric.startswith("train/") else "of the val split"
    return plots.overlaid(metric, unit, curves, f"{metric} by step: {said}.")


def _reliability(comparison: Comparison) -> Picture | None:
    found = []
    for name, run in zip(comparison.names, comparison.runs, strict=True):
        if run.scored is not None and len(run.scored):
            after = bins(run.scored.probability, run.scored.label)
            found.append((f"{name}, ECE {ece(after):.3f}", after))
    if not found:
        return None
    caption = (
        "Share of right labels among test reviews of like confidence, after temperature scaling"
        " where a run has it. Below the dashed line a model is surer than it is right."
    )
    return plots.reliability("reliability", found, caption, whiskers=False)
