"""What a run has measured: metrics.json, what may stand in it; metrics.csv, all that was logged."""

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from imdb_cls.errors import UserError, one_line, translated
from imdb_cls.names import SCALARS
from imdb_cls.storage import read_file
from imdb_cls.typed import read_object

# Of metrics.csv.
COLUMNS = ("step", "epoch", "name", "value", "time")

Curves = dict[str, list[tuple[int, float]]]


def read_metrics(file: Path) -> dict[str, Any]:
    """metrics.json as it stands in the file. Raises UserError for what no run of ours writes."""
    values = read_object(file)
    for split in ("val", "test"):
        _check_scores(values.get(split), f"{file}: {split}")
    calibration, fast = values.get("calibration", {}), values.get("fast", {})
    _need(isinstance(calibration, dict), f"{file}: calibration", calibration)
    temperature = calibration.get("temperature", 1.0)
    _need(_is_number(temperature) and temperature > 0, f"{file}: temperature", temperature)
    _need(isinstance(fast, dict), f"{file}: fast", fast)
    if fast.get("kind"):
        for name in ("val_agreement", "val_samples"):
            _need(_is_number(fast.get(name)), f"{file}: fast.{name}", fast.get(name))
        _need(isinstance(fast.get("file"), str), f"{file}: fast.file", fast.get("file"))
    tried = fast.get("tried", {})
    _need(isinstance(tried, dict), f"{file}: fast.tried", tried)
    for name, value in {**fast, **tried}.items():
        if name not in ("kind", "file", "tried"):
            _need(_is_number(value), f"{file}: fast.{name}", value)
    return values


def _check_scores(scores: Any, where: str) -> None:
    """A network that diverged has NaN in the place of some."""
    _need(isinstance(scores, dict) and "accuracy" in scores, where, scores)
    for name in (name for name in SCALARS if name in scores):
        value, low = scores[name], -1 if name == "mcc" else 0
        high = math.inf if name == "loss" else 1
        right = _is_number(value) and (math.isnan(value) or low <= value <= high)
        _need(right, f"{where}.{name}", value)
    ends = scores.get("accuracy_ci95", [0, 1])
    right = isinstance(ends, list) and len(ends) == 2 and all(map(_is_number, ends))
    _need(right, f"{where}.accuracy_ci95", ends)
    samples = scores.get("samples", 1)
    _need(type(samples) is int and samples > 0, f"{where}.samples", samples)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _need(right: bool, where: str, value: Any) -> None:
    if not right:
        raise UserError(f"{where}={one_line(repr(value), 60)} is impossible: the file is damaged")


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
