"""Reads the files of a run, each once for as long as it stays the same, and whether it is alive."""

import contextlib
import csv
import functools
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from imdb_cls.errors import UserError
from imdb_cls.names import SCALARS
from imdb_cls.runs.info import RunInfo
from imdb_cls.runs.metrics import read_metrics
from imdb_cls.runs.run import Run
from imdb_cls.runs.yaml_files import read_yaml
from imdb_cls.storage import held
from imdb_cls.terminal import notice
from imdb_cls.typed import read_object

Curves = dict[str, list[tuple[int, float]]]
T = TypeVar("T")

# Seconds that may pass between a run's first run.json and the lock on its train.log.
_BEGINNING_S = 2.0


def _parsed_once(most: int) -> Callable[[Callable[[Path], T]], Callable[[Path], T | None]]:
    """A decorator that keeps the results for the latest `most` files, for as long as they stay the
    same. Callers must not change a result. It is None if there is no such file."""

    def decorated(parse: Callable[[Path], T]) -> Callable[[Path], T | None]:
        @functools.lru_cache(most)
        def parsed(path: Path, stamp: tuple[int, int, int]) -> T:
            return parse(path)

        def read(path: Path) -> T | None:
            try:
                stat = path.stat()
            except OSError:
                return None
            return parsed(path, (stat.st_mtime_ns, stat.st_size, stat.st_ino))

        return read

    return decorated


def _left_out_if_damaged(read: Callable[[Path], T | None]) -> Callable[[Path], T | None]:
    """A decorator for files of which a sweep has many. A damaged one is left out, which is said
    once; to a command on the run itself it is an error."""

    def tolerant(path: Path) -> T | None:
        try:
            return read(path)
        except UserError as error:
            say_once(f"left out: {error}")
            return None

    return tolerant


@functools.cache
def say_once(text: str) -> None:
    notice(text)


@_left_out_if_damaged
@_parsed_once(2048)
def info_of(path: Path) -> RunInfo:
    """A run.json."""
    return RunInfo.of(read_object(path), path)


json_of = _left_out_if_damaged(_parsed_once(2048)(read_object))
yaml_of = _left_out_if_damaged(_parsed_once(1024)(read_yaml))
_metrics_of = _left_out_if_damaged(_parsed_once(1024)(read_metrics))


@_parsed_once(256)
def _curves(path: Path) -> Curves:
    curves: Curves = {}
    # A file that is cut in the middle has its first values.
    with contextlib.suppress(OSError, ValueError), path.open(encoding="utf-8", newline="") as file:
        for row in csv.reader(file):
            # The head, or a row that is being written, has no step or no value.
            if len(row) == 5 and row[0].isdecimal():
                curves.setdefault(row[2], []).append((int(row[0]), float(row[3])))
    return curves


def curves_of(path: Path) -> Curves:
    """metrics.csv: for each name the steps and values in their order; empty if there is none."""
    return _curves(path) or {}


def curve_of(path: Path, metric: str) -> list[float]:
    """The values of one metric in their order."""
    return [value for _, value in curves_of(path).get(metric, [])]


def metrics_of(run: Run) -> dict[str, float]:
    """The metrics of metrics.json under the names of metrics.csv, and the ends of accuracy's
    interval."""
    content = _metrics_of(run.metrics_file) or {}
    metrics: dict[str, float] = {}
    for split in ("val", "test"):
        values = content.get(split) or {}
        metrics |= {f"{split}/{name}": float(values[name]) for name in SCALARS if name in values}
        if ends := values.get("accuracy_ci95"):
            metrics[f"{split}/accuracy_ci95_low"], metrics[f"{split}/accuracy_ci95_high"] = ends
    return metrics


def status_of(run: Run, info: RunInfo, sweep_lives: bool) -> str:
    """completed, failed, stopped, pruned, running, or interrupted if it was killed before it could
    record its end."""
    if info.pruned and info.status == "stopped":
        return "pruned"
    if info.status != "running":
        return info.status
    if info.job_name and not info.resumed_here:
        # A rehearsal ends with its command.
        return "running" if sweep_lives or not info.rehearsal else "interrupted"
    begins = time.time() - run.record_file.stat().st_mtime < _BEGINNING_S
    return "running" if begins or held(run.log_file) else "interrupted"


def seconds_of(info: RunInfo, status: str) -> float | None:
    """Seconds that a run took, or has taken so far."""
    if info.seconds is not None:
        return info.seconds
    if status != "running" or not info.started:
        return None
    return (datetime.now(UTC) - datetime.fromisoformat(info.started)).total_seconds()
