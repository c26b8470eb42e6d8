"""sweep.csv: a row a trial."""

import csv
from pathlib import Path

from imdb_cls.names import SCALARS
from imdb_cls.reports.sweep.leaderboard import leaderboard
from imdb_cls.runs.overrides import Value, shown
from imdb_cls.runs.results import SweepResults, Trial
from imdb_cls.storage import replacing

_METRICS = (
    *(f"val/{name}" for name in SCALARS),
    *(f"test/{name}" for name in SCALARS),
    *("test/accuracy_ci95_low", "test/accuracy_ci95_high"),
)


def write_csv(results: SweepResults, path: Path) -> None:
    """The trials in the order of the leaderboard, every value with all its digits."""
    keys = [key for key in results.keys if key != "seed"]
    with replacing(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        last = ("seconds", "cost_usd", "rehearsed", "reason", "directory")
        rows.writerow(("trial", "status", *keys, "seed", *_METRICS, *last))
        for row in leaderboard(results):
            rows.writerows(_cells(trial, keys) for trial in row.trials)


def _cells(trial: Trial, keys: list[str]) -> list[str | float | None]:
    return [
        trial.name,
        trial.status,
        *(exact(trial.differs[key]) if key in trial.differs else None for key in keys),
        trial.seed,
        *(trial.metrics.get(name) for name in _METRICS),
        trial.seconds,
        trial.cost,
        "true" if trial.rehearsed else "false",
        trial.reason,
        str(trial.path) if trial.path else None,
    ]


def exact(value: Value) -> str:
    """As Hydra would read it again."""
    return repr(value) if isinstance(value, float) else shown(value)
