"""A sweep on the screen: the leaderboard, and what there is to know beside it."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from imdb_cls.reports.sweep.leaderboard import Row, best_trial, counted, leaderboard, ranges
from imdb_cls.reports.sweep.paired import paired_test
from imdb_cls.runs.overrides import shown
from imdb_cls.runs.results import SweepResults
from imdb_cls.terminal import Screen, as_table

# A pipe has no width.
_PIPE = 10_000
# Columns of words; those of figures end at the same digit.
_WRAPS = "what differs"
_WORDS = (_WRAPS, "status")


@dataclass(frozen=True)
class Shape:
    """How much room a table takes."""

    boxed: bool = False
    short: bool = False
    """How many trials are done, instead of what became of each."""
    together: bool = False
    """What differs in one column that wraps, instead of one a key."""
    seconds: bool = True


# From the widest on.
_SHAPES = (
    *(Shape(boxed=True), Shape(boxed=True, short=True), Shape(short=True)),
    *(Shape(short=True, together=True), Shape(short=True, together=True, seconds=False)),
)


def show(results: SweepResults, screen: Screen) -> None:
    """The leaderboard, as wide as the terminal allows, and the lines below it."""
    rows = leaderboard(results)
    title = f"{results.name}: {counted(results.trials)}"
    if not rows:
        screen.say(f"{results.name}: no trials yet")
    elif screen.console.is_terminal:
        screen.console.print(_fitting(rows, results, title, screen.console))
    else:
        wide = Console(file=screen.console.file, width=_PIPE, highlight=False)
        wide.print(title, markup=False)
        wide.print(_table(rows, results, "", Shape()))
    for line in lines(results, rows):
        screen.say(line)


def _fitting(rows: list[Row], results: SweepResults, title: str, console: Console) -> Table:
    """The widest table that fits the terminal, or the narrowest there is."""
    options = console.options.update(width=_PIPE)
    for shape in _SHAPES:
        table = _table(rows, results, title, shape)
        room = Measurement.get(console, options, table)
        if (room.minimum if shape.together else room.maximum) <= console.width:
            break
    return table


def _table(rows: list[Row], results: SweepResults, title: str, shape: Shape) -> Table:
    cells = [_cells(row, rows, results, shape) for row in rows]
    table = as_table(cells, title, shape.boxed)
    for column in table.columns:
        name = str(column.header)
        if name in _WORDS:
            column.justify = "left"
        if name != _WRAPS:
            column.min_width = max(len(name), *(len(row[name]) for row in cells))
    return table


def _cells(row: Row, rows: list[Row], results: SweepResults, shape: Shape) -> dict[str, str]:
    keys = [key for key in results.keys if any(key in other.differs for other in rows)]
    differs = {
        results.names[key]: shown(row.differs[key]) if key in row.differs else "" for key in keys
    }
    if shape.together and keys:
        told = " ".join(f"{name}={value}" for name, value in differs.items() if value)
        differs = {_WRAPS: told}
    test = results.metric.replace("val/", "test/", 1)
    cells = {
        "trials": row.label,
        **differs,
        results.metric: value_of(row, results),
        test: str(row.figures.get(test, "")),
    }
    if shape.seconds:
        cells["seconds"] = "" if row.seconds is None else f"{row.seconds:.0f}"
    if any(other.cost is not None for other in rows):
        cells["cost"] = "" if row.cost is None else f"${row.cost:.2f}"
    if not shape.short:
        return {**cells, "status": row.status}
    several = len(row.trials) > 1
    done = f"{len(row.completed)} of {len(row.trials)}" if several else row.status
    return {**cells, "done": done}


def value_of(row: Row, results: SweepResults) -> str:
    """The metric of the sweep; where no trial has completed, the best so far."""
    if results.metric in row.figures:
        return str(row.figures[results.metric])
    reached = [trial.best for trial in row.trials if trial.best is not None]
    best = (min if results.lower_is_better else max)(reached, default=None)
    return "" if best is None else f"{best:.4f} so far"


def lines(results: SweepResults, rows: list[Row]) -> Iterator[str]:
    """What is said below the table."""
    yield from endings(results, ("failed", "interrupted"))
    if rehearsed := [trial.name for trial in results.trials if trial.rehearsed]:
        yield f"rehearsed, so nothing was paid: trials {ranges(rehearsed)}"
    if test := paired_test(rows, results):
        yield str(test)
    yield f"chosen by {results.metric}; test figures choose nothing"
    for name in ("sweep.csv", "sweep.html"):
        if (results.path / name).is_file():
            yield str(_brief(results.path / name))
    if (best := best_trial(results)) and best.path:
        run = shlex.quote(str(_brief(best.path)))
        yield f'best: python -m imdb_cls.predict run={run} "i liked the movie"'


def endings(results: SweepResults, statuses: Sequence[str]) -> list[str]:
    """How trials of these statuses ended and why; those that ended alike on one line."""
    alike: dict[str, list[str]] = {}
    for trial in results.trials:
        if trial.status in statuses:
            reason = (trial.reason or "").removeprefix(f"{trial.status}: ")
            ending = f"{trial.status}: {reason}" if reason else trial.status
            alike.setdefault(ending, []).append(trial.name)
    return [
        f"trial{'s' * (len(names) > 1)} {ranges(names)} {ending}" for ending, names in alike.items()
    ]


def _brief(path: Path) -> Path:
    """From where the user stands, if it lies below."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
