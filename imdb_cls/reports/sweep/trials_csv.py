"""sweep.csv: one row for each trial."""

import csv
from pathlib import Path

from imdb_cls.names import SCALARS
from imdb_cls.reports.sweep.leaderboard import Leaderboard
from imdb_cls.runs.overrides import Value, shown
from imdb_cls.storage import replacing

_METRICS = (
    *(f"val/{name}" for name in SCALARS),
    *(f"test/{name}" for name in SCALARS),
    *("test/accuracy_ci95_low", "test/accuracy_ci95_high"),
)


def write_csv(board: Leaderboard, path: Path) -> None:
    """Writes the trials in the order of the leaderboard, every value with all its digits."""
    keys = [key for key in board.results.keys if key != "seed"]
    last = ("seconds", "cost_usd", "rehearsed", "reason", "directory")
    with replacing(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("trial", "status", *keys, "seed", *_METRICS, *last))
        for trial in (trial for row in board.rows for trial in row.trials):
            told = [_exact(trial.differs[key]) if key in trial.differs else None for key in keys]
            metrics = [trial.metrics.get(name) for name in _METRICS]
            spent = (trial.seconds, trial.cost, str(trial.rehearsed).lower())
            ending = (trial.reason, trial.path)
            rows.writerow((trial.name, trial.status, *told, trial.seed, *metrics, *spent, *ending))


def _exact(value: Value) -> str:
    """As Hydra would read it again."""
    return repr(value) if isinstance(value, float) else shown(value)
