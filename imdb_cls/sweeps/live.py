"""A live table of trials that run at the same time. In a pipe it is a line for each change."""

import contextlib
import threading
from collections.abc import Iterator
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


class LiveTable:
    """Shows one row for each trial until it is closed."""

    def __init__(self, screen: Screen, metric: str) -> None:
        self.screen, self.metric = screen, metric
        self._live = Live(console=screen.console, auto_refresh=False)
        self._phases: dict[str, str] = {}

    def __enter__(self) -> "LiveTable":
        if self.screen.console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self.screen.console.is_terminal:
            self._live.stop()

    def show(self, rows: list[Row]) -> None:
        if self.screen.console.is_terminal:
            self._live.update(self._table(rows), refresh=True)
            return
        for row in rows:
            if self._phases.get(row.trial) != row.phase:
                self._phases[row.trial] = row.phase
                figures = [f"{self.metric} {row.best}" * bool(row.best), row.elapsed, row.cost]
                shown = ", ".join([row.phase, *filter(None, figures)])
                self.screen.say(f"trial {row.trial} ({row.overrides}): {shown}")

    def _table(self, rows: list[Row]) -> Table:
        # Trials at work come first; the others are shown as far as the terminal has room.
        room = max(5, self.screen.console.height - 6)
        shown = sorted(rows, key=lambda row: row.phase in _OVER)[:room]
        table = Table(box=None, pad_edge=False)
        table.add_column("trial", no_wrap=True)
        table.add_column("overrides", overflow="fold", ratio=1)
        table.add_column("phase", no_wrap=True)
        table.add_column(self.metric, justify="right", no_wrap=True)
        table.add_column("elapsed", justify="right", no_wrap=True)
        with_cost = any(row.cost for row in rows)
        if with_cost:
            table.add_column("cost", justify="right", no_wrap=True)
        for row in sorted(shown, key=rows.index):
            table.add_row(*(astuple(row) if with_cost else astuple(row)[:-1]))
        if len(shown) < len(rows):
            table.add_row("…", f"{len(rows) - len(shown)} more", *[""] * 3)
        return table


@contextlib.contextmanager
def watched(sweep: Sweep, screen: Screen) -> Iterator[None]:
    """Shows what the directories of a sweep's trials tell, once a second, for as long as this
    lasts."""
    over = threading.Event()
    metric = str(sweep.info()["metric"])

    def look() -> None:
        with LiveTable(screen, metric) as table:
            while True:
                last = over.wait(_PERIOD_S)
                table.show(_rows(read(sweep.path)))
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
