"""The run directory: what a run leaves behind, and what every later command reads.

config.yaml  run.json  metrics.json  metrics.csv  predictions.parquet  predictions_val.parquet
report.html  train.log  model/  checkpoints/best.ckpt  checkpoints/last.ckpt
"""

import contextlib
import json
import os
import shlex
import sys
import time
from collections.abc import Collection, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

from imdb_cls.config import CONF_DIR, Config, parse
from imdb_cls.errors import UserError, missing, one_line
from imdb_cls.runs.fingerprint import code, git_commit, versions
from imdb_cls.runs.info import RunInfo, plain_values
from imdb_cls.storage import write_json, write_text

RUN_NAME = "IMDB_CLS_RUN"
SWEEP_NAME = "IMDB_CLS_SWEEP"


class Run:
    """A run directory, new or old."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config_file = self.path / "config.yaml"
        self.record_file = self.path / "run.json"
        self.metrics_file = self.path / "metrics.json"
        self.table_file = self.path / "metrics.csv"
        self.predictions_file = self.path / "predictions.parquet"
        self.val_predictions_file = self.path / "predictions_val.parquet"
        self.report_file = self.path / "report.html"
        self.log_file = self.path / "train.log"
        self.model_dir = self.path / "model"
        self.best_checkpoint = self.path / "checkpoints" / "best.ckpt"
        self.last_checkpoint = self.path / "checkpoints" / "last.ckpt"

    @property
    def name(self) -> str:
        """The name that tells it from other runs, as 2026-11-22/22-41-00. A remote job finds the
        name of its run in a variable."""
        return os.environ.get(RUN_NAME) or "/".join(self.path.absolute().parts[-2:])

    @classmethod
    def create(cls, path: str | Path, config: Config, *, anew: bool = False, **facts: Any) -> "Run":
        """Begins a run in an empty directory: writes config.yaml and run.json (status running).

        Args:
            anew: whether it takes the place of the run that is there.
            facts: what else is known of it, as RunInfo names it.

        Raises:
            UserError: the directory holds something already.
        """
        run = cls(path)
        if not anew:
            run.check_free()
        run.path.mkdir(parents=True, exist_ok=True)
        write_text(run.config_file, to_yaml(config))
        info = RunInfo(
            status="running",
            command=shlex.join(["python", "-m", "imdb_cls.train", *sys.argv[1:]]),
            started=now(),
            seed=config.seed,
            code=code(),
            versions=versions(),
            git_commit=git_commit(),
            **facts,
        )
        write_json(run.record_file, info.as_json())
        return run

    @classmethod
    def open(cls, path: str | Path, complete: bool = False) -> "Run":
        """Opens an existing run; with `complete`, only one that has its model. Raises UserError if
        there is no run, or it is half-written."""
        run = cls(Path(path).expanduser().absolute())
        if not run.path.is_dir():
            raise UserError(f"{path}: {missing(run.path, 'directory')}")
        absent = [f.name for f in (run.record_file, run.config_file) if not f.is_file()]
        if absent:
            raise UserError(f"{path} is not a run directory: {' and '.join(absent)} missing")
        try:
            status = run.info().status
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path}: run.json is damaged ({one_line(error)})") from None
        if complete and (status != "completed" or not (run.model_dir / "config.json").is_file()):
            raise UserError(
                f"{path} is not complete (status: {status}): finish it with {run.how_to_go_on()}"
            )
        return run

    def how_to_go_on(self) -> str:
        """The command that brings this run to its end."""
        if self.info().is_live_job:
            return f"python -m launch.jobs attach {self.path}"
        return f"python -m imdb_cls.train resume={self.path}"

    def check_free(self) -> None:
        """Raises UserError if something lies here already: a run is never written over another."""
        if self.path.is_dir() and any(self.path.iterdir()):
            what = "a run" if self.record_file.is_file() else "files"
            if self._has_live_job():
                raise UserError(
                    f"hydra.run.dir={self.path} holds a job already, which may still be running:"
                    f" {self.how_to_go_on()}"
                )
            raise UserError(
                f"hydra.run.dir={self.path} holds {what} already:"
                " choose another directory, or go on with resume=<run directory>"
            )

    def _has_live_job(self) -> bool:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            return self.info().is_live_job
        return False

    def config(self) -> Config:
        """The run's own config, as resolved when it began."""
        return parse(self.raw_config())

    def raw_config(self) -> DictConfig:
        """config.yaml without Hydra's part, unchecked. Raises UserError if it is damaged."""
        try:
            loaded = OmegaConf.load(self.config_file)
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise UserError(f"{self.config_file} is damaged: {one_line(error)}") from None
        if not isinstance(loaded, DictConfig):
            raise UserError(f"{self.config_file} is damaged: it is not a mapping")
        loaded.pop("hydra", None)
        return loaded

    def info(self) -> RunInfo:
        """run.json. Raises ValueError or KeyError if it is damaged."""
        return RunInfo.of(self._record())

    def metrics(self) -> dict[str, Any]:
        """metrics.json."""
        return dict(json.loads(self.metrics_file.read_text(encoding="utf-8")))

    def best(self, metric: str) -> float:
        """`metric`, such as val/loss, at the best checkpoint."""
        return float(self.metrics()["val"][metric.removeprefix("val/")])

    def record(self, **facts: Any) -> None:
        """Adds facts to run.json, which is whole at every moment.

        Args:
            facts: as RunInfo names them.
        """
        assert facts.keys() <= RunInfo.names()
        known = self._record() if self.record_file.exists() else {}
        write_json(self.record_file, known | plain_values(facts))

    def record_of(self, other: "Run", but: Collection[str]) -> None:
        """Adds what another record of the same run says, `but` for some facts."""
        theirs = other._record() if other.record_file.is_file() else {}
        self.record(**{name: value for name, value in theirs.items() if name not in but})

    def _record(self) -> dict[str, Any]:
        return dict(json.loads(self.record_file.read_text(encoding="utf-8")))


class Clock:
    """Measures the seconds that each part of a run takes, for run.json."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            elapsed = time.perf_counter() - start
            self.seconds[name] = round(self.seconds.get(name, 0.0) + elapsed, 3)


def to_yaml(config: Config) -> str:
    """config.yaml: resolved, and with conf/train.yaml's own `hydra` part, so that
    `--config-dir <run> --config-name config` places and records the run as the first one was."""
    hydra = yaml.safe_load((CONF_DIR / "train.yaml").read_text(encoding="utf-8"))["hydra"]
    values = asdict(config)
    for name in [name for name, value in values["logger"].items() if value is None]:
        del values["logger"][name]
    # Where it ran, and in which sweep, is in run.json: the config trains the same run anywhere.
    del values["backend"], values["sweep"]
    return yaml.safe_dump({**values, "resume": None, "hydra": hydra}, sort_keys=False)


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
