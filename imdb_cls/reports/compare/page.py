"""compare.html: several runs on one page that needs no network."""

import os
from pathlib import Path
from urllib.parse import quote

from imdb_cls.reports import page
from imdb_cls.reports.compare.comparison import Compared, Comparison, read
from imdb_cls.reports.compare.significance import pairwise
from imdb_cls.reports.curves import smoothed
from imdb_cls.reports.formats import with_interval
from imdb_cls.reports.page import Column, Content, Picture, Table, setting_column
from imdb_cls.reports.run import plots
from imdb_cls.reports.run.parts import by_confidence, ece
from imdb_cls.reports.run.plots import Curve
from imdb_cls.reports.run.provenance import cost
from imdb_cls.reports.svg import series

_TABLED = ("accuracy", "f1", "auroc", "loss", "ece")
_WITH_INTERVALS = ("accuracy", "f1", "auroc")


def write(paths: list[Path], output: Path) -> Path:
    """Writes the page, whole or not at all. Raises UserError if one of the paths is no run."""
    page.write(output, Path(__file__).parent, _content(read(paths), output))
    return output


def _content(comparison: Comparison, output: Path) -> Content:
    metrics = dict.fromkeys(("train/loss", "val/loss", comparison.metric))
    pictures = [_curves(comparison, metric) for metric in metrics]
    return {
        "table_of_runs": _table(comparison, output),
        "accuracy": _accuracy(comparison),
        "groups": len(comparison.groups),
        "tests": [pairwise(group) for group in comparison.groups if len(group) > 1],
        "curves": [picture for picture in pictures if picture],
        "reliability": _reliability(comparison),
    }


def _table(comparison: Comparison, output: Path) -> Table[Compared]:
    metric = comparison.metric
    columns: list[Column[Compared]] = [
        Column("run", lambda run: run.name, "words", link=lambda run: _link(run, output)),
        Column(metric, lambda run: _chosen(run, metric)),
        *(_tested(name) for name in _TABLED),
        *(setting_column(key, name) for key, name in comparison.keys.items()),
        Column(
            "took",
            lambda run: run.results.took,
            sort=lambda run: str(run.results.info.seconds or ""),
        ),
        Column("cost", lambda run: cost(run.results.info), optional=True),
        Column("status", _status, "words"),
        Column("device", lambda run: run.results.info.device or "", "words"),
    ]
    return Table(comparison.runs, columns)


def _status(run: Compared) -> str:
    return "; ".join([run.results.status, *run.results.damage])


def _link(run: Compared, output: Path) -> str:
    """The run's own page, or its directory, as seen from this one."""
    path, report = run.results.run.path, run.results.run.report_file
    target = report if report.is_file() else path
    return quote(os.fsencode(os.path.relpath(target, output.absolute().parent)))


def _chosen(run: Compared, metric: str) -> str:
    """The metric of the chosen checkpoint."""
    at = run.results.chosen and run.results.chosen[0]
    return next((f"{value:.3f}" for step, value in run.results.curve(metric) if step == at), "")


def _tested(name: str) -> Column[Compared]:
    """A test metric, with its interval."""

    def text(run: Compared) -> str:
        if name not in run.results.scores:
            return ""
        interval = run.results.intervals.get(name) if name in _WITH_INTERVALS else None
        return with_interval(run.results.scores[name], interval)

    return Column(f"test/{name}", text, "test")


def _accuracy(comparison: Comparison) -> Picture | None:
    dots = []
    for number, run in enumerate(comparison.runs):
        scores = run.results.scores
        if ends := scores.get("accuracy_ci95"):
            dots.append(plots.Dot(run.name, scores["accuracy"], (ends[0], ends[1]), series(number)))
    caption = (
        "Share of test reviews with the right label, and its 95 % interval. Intervals that overlap"
        " do not say that two runs are alike: on the same reviews, the tests below tell more."
    )
    return plots.dots("accuracy", "accuracy", dots, caption) if dots else None


def _curves(comparison: Comparison, metric: str) -> Picture | None:
    """A metric of all runs by step, smoothed if it is of single batches."""
    of_batches = metric.startswith("train/")
    curves = []
    for number, run in enumerate(comparison.runs):
        points = run.results.curve(metric)
        curves.append(Curve(run.name, smoothed(points) if of_batches else points, series(number)))
    # A single validation is no curve.
    if max(len(curve.points) for curve in curves) < 2:
        return None
    unit = "nats a review" if metric.endswith("/loss") else "share"
    said = "moving average" if of_batches else "of the val split"
    caption = f"{metric} by step: {said}."
    return plots.curves(metric.replace("/", "-"), metric, unit, curves, caption)


def _reliability(comparison: Comparison) -> Picture | None:
    found = []
    for run in comparison.runs:
        if scored := run.results.scored:
            after = by_confidence(scored)
            found.append((f"{run.name}, ECE {ece(after):.3f}", after))
    if not found:
        return None
    caption = (
        "Share of right labels among test reviews of like confidence, after temperature scaling"
        " where a run has it. Below the dashed line a model is surer than it is right."
    )
    return plots.reliability(found, caption, whiskers=False)
