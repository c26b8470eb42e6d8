"""sweep.html: a sweep on one page that needs no network."""

import math
import shlex
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from imdb_cls.reports.page import Cell, Column, Content, Line, duration, environment
from imdb_cls.reports.svg import level_colours
from imdb_cls.reports.sweep import plots
from imdb_cls.reports.sweep.importance import importances
from imdb_cls.reports.sweep.leaderboard import Row, best_trial, counted, leaderboard
from imdb_cls.reports.sweep.paired import paired_test
from imdb_cls.reports.sweep.summary import endings, value_of
from imdb_cls.runs.overrides import shown
from imdb_cls.runs.results import SweepResults, Trial
from imdb_cls.runs.run import Run
from imdb_cls.storage import write_text

# Parameters with a plot of their own; a search space of more has the parallel coordinates.
_MOST_PLOTS = 12


def write_page(results: SweepResults, path: Path) -> None:
    """Writes the page, whole or not at all."""
    template = environment(Path(__file__).parent).get_template("page.html")
    write_text(path, template.render(_facts_of(results)))


def _facts_of(results: SweepResults) -> dict[str, Any]:
    rows = leaderboard(results)
    test = paired_test(rows, results)
    best = best_trial(results)
    shares = importances(results)
    metrics = dict.fromkeys((results.metric, "val/loss", "train/loss"))
    drawn = [plot for plot in (plots.curves(rows, metric) for metric in metrics) if plot]
    return {
        "name": results.name,
        "command": results.command,
        "facts": _facts(results),
        "metric": results.metric,
        "lower": results.lower_is_better,
        "any_completed": bool(results.completed),
        "any_pruned": any(trial.status == "pruned" for trial in results.trials),
        "rows": len(rows),
        "board": _board(rows, results),
        "best": _use(best),
        "tested": test is not None,
        "verdict": str(test) if test else _why_no_test(rows, results),
        "by_parameter": list(
            filter(None, (plots.parameter(results, key) for key in results.keys[-_MOST_PLOTS:]))
        ),
        "parallel": plots.parallel(results),
        "curves": drawn,
        "legend": _legend(rows, results),
        "importance": "" if isinstance(shares, str) else plots.importances(shares),
        "no_importance": shares if isinstance(shares, str) else "",
        "reasons": endings(results, ("failed", "pruned", "stopped", "interrupted")),
        "trials": _all_trials(rows, results),
        "light": level_colours(dark=False),
        "dark": level_colours(dark=True),
    }


def _facts(results: SweepResults) -> list[tuple[str, str]]:
    facts = [("status", results.status), ("trials", counted(results.trials) or "none yet")]
    if results.started:
        facts.append(("started", results.started.replace("T", " ").replace("+00:00", " UTC")))
    if results.started and results.finished:
        ends = [datetime.fromisoformat(end) for end in (results.started, results.finished)]
        facts.append(("took", duration((ends[1] - ends[0]).total_seconds())))
    where = {"local": "this machine", "sagemaker": "SageMaker", "rehearsal": "a rehearsal"}
    facts.append(("search", results.search))
    facts.append(("on", where.get(results.backend, results.backend)))
    costs = [trial.cost for trial in results.trials if trial.cost is not None]
    if costs:
        facts.append(("cost", f"${math.fsum(costs):.2f}"))
    if rehearsed := sum(trial.rehearsed for trial in results.trials):
        facts.append(("rehearsed, so nothing was paid", str(rehearsed)))
    return facts


def _use(best: Trial | None) -> str | None:
    if best is None or best.path is None:
        return None
    return f'python -m imdb_cls.predict run={shlex.quote(str(best.path))} "i liked the movie"'


def _why_no_test(rows: list[Row], results: SweepResults) -> str:
    if sum(results.metric in row.figures for row in rows) < 2:
        return "There are no two rows with completed trials to compare."
    return (
        "The best two rows do not share two seeds, so there is no telling whether their difference"
        " is more than noise: add seed=1,2,3 to the sweep."
    )


def _test_of(results: SweepResults) -> str:
    return results.metric.replace("val/", "test/", 1)


def _board(rows: list[Row], results: SweepResults) -> Content:
    keys = [key for key in results.keys if any(key in row.differs for row in rows)]
    paid = any(row.cost is not None for row in rows)
    # The figures first: on a phone the parameters are those to scroll to.
    columns = [
        Column("trials", "words"),
        Column(results.metric),
        Column(_test_of(results), "test"),
        *(Column(results.names[key]) for key in keys),
        Column("seconds"),
        *([Column("cost")] if paid else []),
        Column("status", "words"),
    ]
    lines = []
    for place, row in enumerate(rows):
        cost = Cell("" if row.cost is None else f"${row.cost:.2f}")
        cells = [
            Cell(row.label),
            Cell(value_of(row, results)),
            Cell(str(row.figures.get(_test_of(results), ""))),
            *(Cell(shown(row.differs[key]) if key in row.differs else "") for key in keys),
            Cell("" if row.seconds is None else f"{row.seconds:.0f}"),
            *([cost] if paid else []),
            Cell(row.status),
        ]
        lines.append(Line(cells, best=place == 0 and bool(row.completed)))
    return Content(columns, lines)


def _legend(rows: list[Row], results: SweepResults) -> list[tuple[str, str]]:
    legend = []
    for place, row in enumerate(rows[: plots.HIGHLIGHTED]):
        told = " ".join(f"{results.names[key]}={shown(v)}" for key, v in row.differs.items())
        label = f"trial{'s' * (len(row.trials) > 1)} {row.label}"
        legend.append((f"{label}: {told}" if told else label, f"series-{place}"))
    if len(rows) > plots.HIGHLIGHTED:
        legend.append(("the others", "faint"))
    return legend


def _all_trials(rows: list[Row], results: SweepResults) -> Content:
    metrics = dict.fromkeys((results.metric, "val/loss", _test_of(results), "test/loss"))
    paid = any(trial.cost is not None for trial in results.trials)
    columns = [
        Column("trial", "words"),
        *(Column(name, "test" if name.startswith("test/") else "") for name in metrics),
        *(Column(results.names[key]) for key in results.keys),
        Column("seconds"),
        *([Column("cost")] if paid else []),
        Column("status", "words"),
    ]
    trials = [trial for row in rows for trial in row.trials]
    return Content(columns, [_trial(trial, results, list(metrics), paid) for trial in trials])


def _trial(trial: Trial, results: SweepResults, metrics: list[str], paid: bool) -> Line:
    link = None
    if trial.path:
        report = Run(trial.path).report_file
        link = f"{quote(trial.path.name)}/" + report.name * report.is_file()
    cost = Cell("" if trial.cost is None else f"${trial.cost:.2f}")
    cells = [
        Cell(trial.name, link=link),
        *(Cell(f"{trial.metrics[m]:.4f}" if m in trial.metrics else "") for m in metrics),
        *(Cell(shown(trial.differs[k]) if k in trial.differs else "") for k in results.keys),
        Cell("" if trial.seconds is None else f"{trial.seconds:.0f}"),
        *([cost] if paid else []),
        Cell(trial.status + ", rehearsed" * trial.rehearsed),
    ]
    return Line(cells)
