"""metrics.csv: every value that a run has logged."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from imdb_cls.errors import UserError, translated
from imdb_cls.storage import read_file

COLUMNS = ("step", "epoch", "name", "value", "time")

Curves = dict[str, list[tuple[int, float]]]


def read_curves(file: Path) -> tuple[Curves, bool]:
    """For each name the steps and values in their order, and whether the last row has no end: it is
    being written, or its process was killed. Raises UserError if the file is damaged."""
    whole, _, rest = read_file(file).decode("utf-8", "replace").rpartition("\n")
    curves: Curves = {}
    rows = csv.reader(io.StringIO(whole or rest, newline=""), quoting=csv.QUOTE_NONE)
    with translated(f"{file} is damaged", csv.Error):
        for number, row in enumerate(rows, start=1):
            head = tuple(row) == COLUMNS or (not whole and ",".join(COLUMNS).startswith(rest))
            if not (head if number == 1 else is_row(row)):
                raise UserError(f"{file} is damaged: line {number} is no row of its columns")
            if number > 1:
                curves.setdefault(row[2], []).append((int(row[0]), float(row[3])))
    return curves, bool(rest) or not whole


def is_row(row: Sequence[str]) -> bool:
    """Whether these are the fields of a row, not of the header or of what is left of a row."""
    try:
        step, epoch, name, value, when = row
        int(step), int(epoch), float(value), float(when)
    except ValueError:
        return False
    return "/" in name
