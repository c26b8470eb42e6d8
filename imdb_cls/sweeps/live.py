"""A live table of trials that run at the same time. In a pipe it is a line for each change."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass

from rich.live import Live
from rich.table import Table

from imdb_cls.runs.overrides import shown
from imdb_cls.runs.results import SweepResults, read
from imdb_cls.runs.sweep import Sweep
from imdb_cls.terminal import Screen, clock

_PERIOD_S = 1.0
_OVER = ("completed", "failed", "pruned", "stopped", "waiting")


@dataclass(frozen=True)
class Row:
    trial: str
    overrides: str
    phase: str
    best: str
    """The best value of the sweep's metric so far."""
    elapsed: str
    cost: str


@contextlib.contextmanager
def live_table(screen: Screen, metric: str) -> Iterator[Callable[[list[Row]], None]]:
    """Gives what shows one row for each trial, for as long as this lasts."""
    if screen.console.is_terminal:
        with Live(console=screen.console, auto_refresh=False) as live:
            yield lambda rows: live.update(_table(rows, metric, screen), refresh=True)
        return
    phases: dict[str, str] = {}

    def say(rows: list[Row]) -> None:
        for row in rows:
            if phases.get(row.trial) != row.phase:
                phases[row.trial] = row.phase
                figures = [f"{metric} {row.best}" * bool(row.best), row.elapsed, row.cost]
                shown = ", ".join([row.phase, *filter(None, figures)])
                screen.say(f"trial {row.trial} ({row.overrides}): {shown}")

    yield say


def _table(rows: list[Row], metric: str, screen: Screen) -> Table:
    # Trials at work come first; the others are shown as far as the terminal has room.
    room = max(5, screen.console.height - 6)
    shown = sorted(rows, key=lambda row: row.phase in _OVER)[:room]
    table = Table(box=None, pad_edge=False)
    table.add_column("trial", no_wrap=True)
    table.add_column("overrides", overflow="fold", ratio=1)
    table.add_column("phase", no_wrap=True)
    with_cost = any(row.cost for row in rows)
    for name in (metric, "elapsed", *["cost"] * with_cost):
        table.add_column(name, justify="right", no_wrap=True)
    for row in sorted(shown, key=rows.index):
        table.add_row(*astuple(row)[: len(table.columns)])
    if len(shown) < len(rows):
        table.add_row("…", f"{len(rows) - len(shown)} more")
    return table


@contextlib.contextmanager
def watched(sweep: Sweep, screen: Screen) -> Iterator[None]:
    """Shows what the directories of a sweep's trials tell, once a second, for as long as this
    lasts."""
    over = threading.Event()
    metric = str(sweep.info()["metric"])

    def look() -> None:
        with live_table(screen, metric) as show:
            while True:
                last = over.wait(_PERIOD_S)
                show(_rows(read(sweep.path)))
                if last:
                    return

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _rows(results: SweepResults) -> list[Row]:
    return [
        Row(
            trial.name,
            " ".join(f"{results.names[key]}={shown(v)}" for key, v in trial.differs.items()),
            trial.status,
            "" if trial.best is None else f"{trial.best:.4f}",
            "" if trial.seconds is None else clock(trial.seconds),
            "",
        )
        for trial in results.trials
    ]
