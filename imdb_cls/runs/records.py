"""Reads the records of runs and sweeps, those of runs once for as long as they stay the same."""

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from imdb_cls.errors import UserError, missing, one_line
from imdb_cls.names import SCALARS
from imdb_cls.runs import seals
from imdb_cls.runs.info import STATUSES, RunInfo, check_time
from imdb_cls.runs.metrics import Curves, read_curves, read_metrics
from imdb_cls.runs.run import Run
from imdb_cls.runs.yaml_files import read_yaml
from imdb_cls.storage import held, sha256_of
from imdb_cls.terminal import notice
from imdb_cls.typed import filled, read_object

T = TypeVar("T")

# Seconds that may pass between a run's first run.json and the lock on its train.log.
_BEGINNING_S = 2.0


def _parsed_once(parse: Callable[[Path], T], most: int) -> Callable[[Path], T | None]:
    """Reads a file by `parse`, and keeps the results for the latest `most` files for as long as
    they stay the same. Callers must not change a result. It is None if there is no such file."""

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


say_once = functools.cache(notice)
info_of = _parsed_once(lambda path: RunInfo.of(read_object(path), path), 2048)
yaml_of = _parsed_once(read_yaml, 1024)
_metrics_of = _parsed_once(read_metrics, 1024)
_curves_of = _parsed_once(read_curves, 256)
_digest_of = _parsed_once(sha256_of, 8192)


def config_of(run: Run, info: RunInfo) -> dict[str, Any]:
    """config.yaml. Raises UserError if it is damaged or missing."""
    return _there(yaml_of, run, run.config_file, info)


def curves_of(run: Run, info: RunInfo | None = None) -> Curves:
    """metrics.csv: for each name the steps and values in their order; empty if nothing was logged.
    Raises UserError if it is damaged."""
    info = info or run.info()
    known = _curves_of(whole(run, run.table_file, info))
    if known is None:
        return {}
    curves, has_no_end = known
    if has_no_end and info.status != "running":
        raise UserError(f"{run.table_file} is damaged: its end is missing")
    return curves


def curve_of(run: Run, metric: str) -> list[float]:
    """The values of one metric in their order. Raises UserError if metrics.csv is damaged."""
    return [value for _, value in curves_of(run).get(metric, [])]


def metrics_of(run: Run, info: RunInfo) -> dict[str, float]:
    """The metrics of a tested run under the names of metrics.csv, and the ends of accuracy's
    interval. Raises UserError if metrics.json is damaged or missing."""
    content = _there(_metrics_of, run, run.metrics_file, info)
    metrics: dict[str, float] = {}
    for split in ("val", "test"):
        values = content[split]
        metrics |= {f"{split}/{name}": float(values[name]) for name in SCALARS if name in values}
        if ends := values.get("accuracy_ci95"):
            metrics[f"{split}/accuracy_ci95_low"], metrics[f"{split}/accuracy_ci95_high"] = ends
    return metrics


def whole(run: Run, file: Path, info: RunInfo) -> Path:
    return seals.check(run.path, file, info, _digest_of)


def _there(read: Callable[[Path], T | None], run: Run, file: Path, info: RunInfo) -> T:
    found = read(whole(run, file, info))
    if found is None:
        raise UserError(f"{file}: {missing(file, 'file')}")
    return found


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


@dataclass
class _SweepRecord:
    """What may stand in sweep.json."""

    status: str | None = None
    command: str | None = None
    started: str | None = None
    finished: str | None = None
    search: str | None = None
    metric: str | None = None
    direction: str | None = None
    backend: str | None = None
    code: str | None = None
    identity: str | None = None
    planned: list[list[str]] = field(default_factory=list)


def read_sweep(file: Path) -> dict[str, Any]:
    """sweep.json as it stands in the file. Raises UserError for what no sweep of ours writes."""
    values = read_object(file)
    record = filled(_SweepRecord, values, file)
    for name, allowed in (
        ("status", STATUSES),
        ("direction", ("min", "max")),
        ("metric", [f"val/{name}" for name in SCALARS]),
    ):
        value = getattr(record, name)
        if value is not None and value not in allowed:
            raise UserError(
                f"{file} is damaged: {name}={one_line(value, 40)}: allowed are {', '.join(allowed)}"
            )
    for name in ("started", "finished"):
        check_time(getattr(record, name), f"{file}: {name}")
    return values
