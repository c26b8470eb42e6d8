"""Writes metrics.csv: every logged value in a row of its own."""

import csv
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from pytorch_lightning import Trainer

from imdb_cls.runs.metrics import COLUMNS, is_row
from imdb_cls.storage import replacing
from imdb_cls.training.loggers.base import ScalarLogger


class TableLogger(ScalarLogger):
    """Appends a row for each value. A value is Python's shortest exact decimal, so that reading it
    gives the very number that was logged; time is in seconds since 1970."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.rows: list[list[str]] = []
        """All that was logged, whatever becomes of the file. last.ckpt has them too."""

    def write(self, metrics: dict[str, float], step: int, epoch: int) -> None:
        now = f"{time.time():.3f}"
        new = [[str(step), str(epoch), name, repr(float(v)), now] for name, v in metrics.items()]
        self.rows += new
        fresh = not self.path.exists()
        with self.path.open("a", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([COLUMNS, *new] if fresh else new)

    def go_on(self, step: int, saved: Iterable[Sequence[str]] | None) -> None:
        """Makes the file anew with the rows up to `step`: a resumed run logs the later ones again.
        `saved` are the rows that the checkpoint has. A checkpoint of an older version has none:
        those of the file are taken, as far as they are rows."""
        if saved is None:
            text = self.path.read_text("utf-8", "replace") if self.path.exists() else ""
            saved = [line.split(",") for line in text.splitlines()]
        self.rows = [list(row) for row in saved if is_row(row) and int(row[0]) <= step]
        with replacing(self.path) as new, new.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([COLUMNS, *self.rows])

    def values_at(self, step: int, prefix: str) -> dict[str, float]:
        """What was logged at a step under names with this prefix, which is left out."""
        return {
            name.removeprefix(prefix): float(value)
            for at, _, name, value, _ in self.rows
            if int(at) == step and name.startswith(prefix)
        }


def table_of(trainer: Trainer) -> TableLogger:
    """The table of a run, which each of its trainers has."""
    return next(logger for logger in trainer.loggers if isinstance(logger, TableLogger))
