"""metrics.csv: every logged value in a row of its own."""

import csv
import time
from pathlib import Path

from imdb_cls.storage import replacing
from imdb_cls.training.loggers.base import ScalarLogger

COLUMNS = ("step", "epoch", "name", "value", "time")


class TableLogger(ScalarLogger):
    """Appends a row for each value. A value is Python's shortest exact decimal, so that reading it
    gives the very number that was logged; time is in seconds since 1970."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def write(self, metrics: dict[str, float], step: int, epoch: int) -> None:
        fresh = not self.path.exists()
        with self.path.open("a", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            if fresh:
                rows.writerow(COLUMNS)
            for name, value in metrics.items():
                rows.writerow((step, epoch, name, repr(float(value)), f"{time.time():.3f}"))

    def forget_after(self, step: int) -> None:
        """Drops the rows of later steps, which a resumed run is about to log again."""
        with self.path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
        # The last row may have been cut off.
        kept = [row for row in rows[1:] if len(row) == len(COLUMNS) and int(row[0]) <= step]
        with replacing(self.path) as new, new.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([COLUMNS, *kept])
