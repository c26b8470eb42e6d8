"""compare.html: several runs on one page that needs no network."""

import os
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

from imdb_cls.reports import page
from imdb_cls.reports.compare.significance import pairwise
from imdb_cls.reports.curves import smoothed
from imdb_cls.reports.formats import with_interval
from imdb_cls.reports.page import Column, Table, setting_column
from imdb_cls.reports.run import plots
from imdb_cls.reports.run.parts import by_confidence
from imdb_cls.reports.run.provenance import cost, effective
from imdb_cls.reports.run.results import RunResults
from imdb_cls.reports.run.results import read as read_run
from imdb_cls.reports.svg import Plot, series
from imdb_cls.runs.differences import Recipe, differences
from imdb_cls.runs.overrides import Overrides, short_names
from imdb_cls.runs.predictions import Bools
from imdb_cls.runs.run import Run

_TABLED = ("accuracy", "f1", "auroc", "loss", "ece")
_WITH_INTERVALS = ("accuracy", "f1", "auroc")


@dataclass(frozen=True)
class Compared:
    """One of the runs."""

    name: str
    """What tells it from the others."""
    results: RunResults
    differs: Overrides
    """Its values of the keys in which the runs differ."""


def write(paths: list[Path], output: Path) -> Path:
    """Writes the page, whole or not at all. Raises UserError if one of the paths is no run."""
    runs, keys = read(paths)
    groups = groups_of(runs)
    # What chose the checkpoint of the first run.
    metric = runs[0].results.metric
    pictures = [_curves(runs, name) for name in dict.fromkeys(("train/loss", "val/loss", metric))]
    content = {
        "table_of_runs": _table(runs, keys, metric, output),
        "accuracy": _accuracy(runs),
        "groups": len(groups),
        "tests": [pairwise(group) for group in groups if len(group) > 1],
        "curves": [picture for picture in pictures if picture],
        "reliability": _reliability(runs),
    }
    page.write(output, Path(__file__).parent, content)
    return output


def read(paths: list[Path]) -> tuple[list[Compared], dict[str, str]]:
    """The runs, and the keys in which they differ with their short names; seed is the last of them.
    Raises UserError if one of them is no run."""
    results = [read_run(Run.open(path)) for path in paths]
    # As if every key had been typed: what two experiments set in their files is a difference too.
    told, keys = differences(
        [Recipe(effective(r.config), r.info.seed, r.config, code=r.info.code) for r in results]
    )
    # A data.seed that follows the seed says nothing more.
    if all(run.get("data.seed", run.get("seed")) == run.get("seed") for run in told):
        keys = [key for key in keys if key != "data.seed"]
    runs = [Compared(*run) for run in zip(_names(results), results, told, strict=True)]
    return runs, short_names(keys)


def _names(runs: list[RunResults]) -> list[str]:
    """The last two parts of each path, or as many as it takes to tell them apart."""
    paths = [run.run.path.absolute().parts for run in runs]
    for parts in range(2, max(map(len, paths))):
        names = ["/".join(path[-parts:]) for path in paths]
        if max(Counter(names).values()) == 1:
            return names
    return ["/".join(path) for path in paths]


def groups_of(runs: list[Compared]) -> list[dict[str, Bools]]:
    """The tested runs, grouped by their test reviews. A group tells for each run, by its name,
    whether its labels are right: [reviews]."""
    found: dict[tuple[bytes, bytes], dict[str, Bools]] = {}
    for run in runs:
        scored = run.results.scored
        if scored is not None and run.results.scores:
            reviews = scored.index.tobytes(), scored.label.tobytes()
            found.setdefault(reviews, {})[run.name] = scored.correct
    return list(found.values())


def _table(
    runs: list[Compared], keys: dict[str, str], metric: str, output: Path
) -> Table[Compared]:
    columns: list[Column[Compared]] = [
        Column("run", lambda run: run.name, "words", link=lambda run: _link(run, output)),
        Column(metric, lambda run: _chosen(run, metric)),
        *(Column(f"test/{name}", partial(_tested, name), "test") for name in _TABLED),
        *(setting_column(key, name) for key, name in keys.items()),
        Column(
            "took",
            lambda run: run.results.took,
            sort=lambda run: str(run.results.info.seconds or ""),
        ),
        Column("cost", lambda run: cost(run.results.info), optional=True),
        Column("status", lambda run: "; ".join([run.results.status, *run.results.damage]), "words"),
        Column("device", lambda run: run.results.info.device or "", "words"),
    ]
    return Table(runs, columns)


def _link(run: Compared, output: Path) -> str:
    """The run's own page, or its directory, as seen from this one."""
    path, report = run.results.run.path, run.results.run.report_file
    target = report if report.is_file() else path
    return quote(os.fsencode(os.path.relpath(target, output.absolute().parent)))


def _chosen(run: Compared, metric: str) -> str:
    """The metric of the chosen checkpoint."""
    at = run.results.chosen and run.results.chosen[0]
    return next((f"{value:.3f}" for step, value in run.results.curve(metric) if step == at), "")


def _tested(name: str, run: Compared) -> str:
    """A test metric, with its interval."""
    if name not in run.results.scores:
        return ""
    interval = run.results.intervals.get(name) if name in _WITH_INTERVALS else None
    return with_interval(run.results.scores[name], interval)


def _accuracy(runs: list[Compared]) -> Plot | None:
    dots = [
        plots.Dot(run.name, run.results.scores["accuracy"], ends, series(number))
        for number, run in enumerate(runs)
        if (ends := run.results.scores.get("accuracy_ci95"))
    ]
    return plots.dots(
        dots,
        "Share of test reviews with the right label, and its 95 % interval. Intervals that overlap"
        " do not say that two runs are alike: on the same reviews, the tests below tell more.",
    )


def _curves(runs: list[Compared], metric: str) -> Plot | None:
    """A metric of all runs by step, smoothed if it is of single batches."""
    of_batches = metric.startswith("train/")
    points = [run.results.curve(metric) for run in runs]
    if of_batches:
        points = [*map(smoothed, points)]
    # A single validation is no curve.
    if max(map(len, points)) < 2:
        return None
    curves = [plots.Curve(run.name, points[n], series(n)) for n, run in enumerate(runs)]
    unit = "nats a review" if metric.endswith("/loss") else "share"
    said = "moving average" if of_batches else "of the val split"
    name = metric.replace("/", "-")
    return plots.curves(name, metric, unit, curves, f"{metric} by step: {said}.")


def _reliability(runs: list[Compared]) -> Plot | None:
    scored = [(run.name, run.results.scored) for run in runs]
    found = [(name, by_confidence(said)) for name, said in scored if said]
    caption = (
        "Share of right labels among test reviews of like confidence, after temperature scaling"
        " where a run has it. Below the dashed line a model is surer than it is right."
    )
    return plots.reliability(found, caption, whiskers=False) if found else None
