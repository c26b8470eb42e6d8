"""A sweep on the screen: the leaderboard, and what there is to know beside it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from imdb_cls.reports.formats import dollars, predict_command, setting, whole_seconds
from imdb_cls.reports.sweep.leaderboard import Leaderboard, Row, counted, ranges
from imdb_cls.reports.sweep.paired import paired_test
from imdb_cls.runs.results import SweepResults
from imdb_cls.terminal import PlainConsole, Screen, as_table

# A pipe has no width.
_PIPE = 10_000
# Columns of words are aligned to the left, columns of numbers to the right.
_WRAPS = "what differs"
_WORDS = (_WRAPS, "status")


@dataclass(frozen=True)
class Shape:
    """How much room a table takes."""

    boxed: bool = False
    short: bool = False
    """Whether it says how many trials are done, instead of what became of each."""
    together: bool = False
    """Whether what differs stands in one column that wraps, instead of one for each key."""
    seconds: bool = True


# From the widest to the narrowest.
_SHAPES = (
    *(Shape(boxed=True), Shape(boxed=True, short=True), Shape(short=True)),
    *(Shape(short=True, together=True), Shape(short=True, together=True, seconds=False)),
)


def show(board: Leaderboard, screen: Screen) -> None:
    """Prints the leaderboard, as wide as the terminal allows, and the lines below it."""
    results = board.results
    title = f"{results.name}: {counted(results.trials)}"
    if not board.rows:
        screen.say(f"{results.name}: no trials yet")
    elif screen.console.is_terminal:
        screen.console.print(_fitting(board, title, screen.console))
    else:
        wide = PlainConsole(file=screen.console.file, width=_PIPE)
        wide.print(title)
        wide.print(_table(board, "", Shape()))
    for line in _lines(board):
        screen.say(line)


def _fitting(board: Leaderboard, title: str, console: Console) -> Table:
    """The widest table that fits the terminal, or the narrowest there is."""
    options = console.options.update(width=_PIPE)
    for shape in _SHAPES:
        table = _table(board, title, shape)
        room = Measurement.get(console, options, table)
        if (room.minimum if shape.together else room.maximum) <= console.width:
            break
    return table


def _table(board: Leaderboard, title: str, shape: Shape) -> Table:
    cells = [_cells(row, board, shape) for row in board.rows]
    table = as_table(cells, title, shape.boxed)
    for column in table.columns:
        name = str(column.header)
        if name in _WORDS:
            column.justify = "left"
        if name != _WRAPS:
            column.min_width = max(len(name), *(len(row[name]) for row in cells))
    return table


def _cells(row: Row, board: Leaderboard, shape: Shape) -> dict[str, str]:
    differs = {name: setting(row.differs, key) for key, name in board.keys.items()}
    if shape.together and differs:
        differs = {_WRAPS: " ".join(f"{name}={value}" for name, value in differs.items() if value)}
    cells = {
        "trials": row.label,
        **differs,
        board.results.metric: board.value(row),
        board.test_metric: board.test_value(row),
    }
    if shape.seconds:
        cells["seconds"] = whole_seconds(row.seconds)
    if any(other.cost is not None for other in board.rows):
        cells["cost"] = dollars(row.cost)
    if not shape.short:
        return {**cells, "status": row.status}
    several = len(row.trials) > 1
    done = f"{len(row.completed)} of {len(row.trials)}" if several else row.status
    return {**cells, "done": done}


def _lines(board: Leaderboard) -> Iterator[str]:
    """What is said below the table."""
    results = board.results
    yield from endings(results, ("failed", "interrupted", "damaged"))
    if rehearsed := [trial.name for trial in results.trials if trial.rehearsed]:
        yield f"rehearsed, so nothing was paid: trials {ranges(rehearsed)}"
    if test := paired_test(board):
        yield str(test)
    yield f"chosen by {results.metric}; test figures choose nothing"
    for name in ("sweep.csv", "sweep.html"):
        if (results.path / name).is_file():
            yield str(_brief(results.path / name))
    if (best := board.best_trial) and best.path:
        yield f"best: {predict_command(_brief(best.path))}"


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
    """The path from the working directory, if it lies below it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
