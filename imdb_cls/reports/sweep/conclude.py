"""The end of a sweep: sweep.csv, sweep.html and the leaderboard, which can be made again later."""

import csv
from pathlib import Path

from imdb_cls.names import SCALARS
from imdb_cls.reports.sweep.leaderboard import Leaderboard
from imdb_cls.reports.sweep.page import write_page
from imdb_cls.reports.sweep.summary import show
from imdb_cls.runs.overrides import shown
from imdb_cls.runs.results import read
from imdb_cls.storage import replacing
from imdb_cls.terminal import Screen

_METRICS = (
    *(f"val/{name}" for name in SCALARS),
    *(f"test/{name}" for name in SCALARS),
    *("test/accuracy_ci95_low", "test/accuracy_ci95_high"),
)


def conclude(path: Path, screen: Screen) -> bool:
    """Writes sweep.csv and sweep.html, and prints the leaderboard. Gives whether no trial is
    damaged. Raises UserError if `path` is no sweep."""
    board = Leaderboard(read(path))
    write_csv(board, board.results.path / "sweep.csv")
    write_page(board, board.results.path / "sweep.html")
    show(board, screen)
    return all(trial.status != "damaged" for trial in board.results.trials)


def write_csv(board: Leaderboard, path: Path) -> None:
    """Writes the trials in the order of the leaderboard, every value with all its digits."""
    keys = [key for key in board.results.keys if key != "seed"]
    last = ("seconds", "cost_usd", "rehearsed", "reason", "directory")
    with replacing(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("trial", "status", *keys, "seed", *_METRICS, *last))
        for trial in (trial for row in board.rows for trial in row.trials):
            # As Hydra would read it again.
            exact = {
                key: repr(value) if isinstance(value, float) else shown(value)
                for key, value in trial.differs.items()
            }
            told, metrics = map(exact.get, keys), map(trial.metrics.get, _METRICS)
            spent = (trial.seconds, trial.cost, str(trial.rehearsed).lower())
            ending = (trial.reason, trial.path)
            rows.writerow((trial.name, trial.status, *told, trial.seed, *metrics, *spent, *ending))
