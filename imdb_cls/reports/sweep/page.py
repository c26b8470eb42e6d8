"""sweep.html: a sweep on one page that needs no network."""

import os
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from imdb_cls.reports import page
from imdb_cls.reports.formats import dollars, duration, moment, predict_command, whole_seconds
from imdb_cls.reports.page import Column, Table, setting_column
from imdb_cls.reports.svg import FAINT, series
from imdb_cls.reports.sweep import plots
from imdb_cls.reports.sweep.importance import importances
from imdb_cls.reports.sweep.leaderboard import Leaderboard, Row, counted, total
from imdb_cls.reports.sweep.paired import paired_test
from imdb_cls.reports.sweep.summary import endings
from imdb_cls.runs.overrides import shown
from imdb_cls.runs.results import SweepResults, TrialResult
from imdb_cls.runs.run import Run

# The most parameters with a plot of their own. The plot of all parameters at once has the others.
_MOST_PLOTS = 12
# Columns for trials and for rows of them.
_SPENT: list[Column[Any]] = [
    Column("seconds", lambda row: whole_seconds(row.seconds)),
    Column("cost", lambda row: dollars(row.cost), optional=True),
    Column("saved by spot", lambda row: dollars(row.saved), optional=True),
]


def write_page(board: Leaderboard, path: Path) -> None:
    """Writes the page, whole or not at all."""
    results = board.results
    test, best = paired_test(board), board.best_trial
    shares = importances(results)
    parameters = [plots.parameter(results, key) for key in results.keys[-_MOST_PLOTS:]]
    metrics = dict.fromkeys((results.metric, "val/loss", "train/loss"))
    curves = [plots.curves(board.rows, metric) for metric in metrics]
    content = {
        "results": results,
        "facts": [(name, value) for name, value in _facts(results) if value],
        "any_pruned": any(trial.status == "pruned" for trial in results.trials),
        "board": _board(board),
        "best": predict_command(best.path) if best and best.path else "",
        "test": str(test) if test else "",
        "valued": sum(results.metric in row.metrics for row in board.rows),
        "by_parameter": [plot for plot in parameters if plot],
        "parallel": plots.parallel(results),
        "curves": [plot for plot in curves if plot],
        "legend": _legend(board),
        "importance": "" if isinstance(shares, str) else plots.importances(shares),
        "no_importance": shares if isinstance(shares, str) else "",
        "reasons": endings(results, ("failed", "pruned", "stopped", "interrupted", "damaged")),
        "trials": _trials(board),
    }
    page.write(path, Path(__file__).parent, content)


def _facts(results: SweepResults) -> list[tuple[str, str]]:
    """Names and values; empty if they are not known."""
    took = ""
    if results.started and results.finished:
        ends = [datetime.fromisoformat(end) for end in (results.started, results.finished)]
        took = duration((ends[1] - ends[0]).total_seconds())
    where = {"local": "this machine", "sagemaker": "SageMaker", "rehearsal": "a rehearsal"}
    rehearsed = sum(trial.rehearsed for trial in results.trials)
    return [
        ("status", results.status),
        ("trials", counted(results.trials) or "none yet"),
        ("started", moment(results.started)),
        ("took", took),
        ("search", results.search),
        ("on", where.get(results.backend, results.backend)),
        ("cost", dollars(total([trial.cost for trial in results.trials]))),
        ("saved by spot", dollars(total([trial.saved for trial in results.trials]))),
        ("rehearsed, so nothing was paid", str(rehearsed or "")),
    ]


def _board(board: Leaderboard) -> Table[Row]:
    columns: list[Column[Row]] = [
        Column("trials", lambda row: row.label, "words"),
        # The figures come first: on a phone one scrolls to the parameters.
        Column(board.results.metric, board.value),
        Column(board.test_metric, board.test_value, "test"),
        *(setting_column(key, name) for key, name in board.keys.items()),
        *_SPENT,
        Column("status", lambda row: row.status, "words"),
    ]
    return Table(board.rows, columns, best_first=board.best_trial is not None)


def _trials(board: Leaderboard) -> Table[TrialResult]:
    results = board.results
    metrics = dict.fromkeys((results.metric, "val/loss", board.test_metric, "test/loss"))
    trials = [trial for row in board.rows for trial in row.trials]
    columns: list[Column[TrialResult]] = [
        Column("trial", lambda trial: trial.name, "words", link=_link),
        *(Column(m, partial(_metric, m), "test" * m.startswith("test/")) for m in metrics),
        *(setting_column(key, results.names[key]) for key in results.keys),
        *_SPENT,
        Column("status", lambda trial: trial.status + ", rehearsed" * trial.rehearsed, "words"),
    ]
    return Table(trials, columns)


def _metric(name: str, trial: TrialResult) -> str:
    return f"{trial.metrics[name]:.4f}" if name in trial.metrics else ""


def _link(trial: TrialResult) -> str | None:
    """The trial's own page, or its directory."""
    if trial.path is None:
        return None
    report = Run(trial.path).report_file
    return f"{quote(os.fsencode(trial.path.name))}/" + report.name * report.is_file()


def _legend(board: Leaderboard) -> list[tuple[str, str]]:
    """The rows whose curves have a colour."""
    legend, names = [], board.results.names
    for place, row in enumerate(board.rows[: plots.HIGHLIGHTED]):
        told = " ".join(f"{names[key]}={shown(value)}" for key, value in row.differs.items())
        label = f"trial{'s' * (len(row.trials) > 1)} {row.label}"
        legend.append((f"{label}: {told}" if told else label, series(place)))
    if len(board.rows) > plots.HIGHLIGHTED:
        legend.append(("the others", FAINT))
    return legend
