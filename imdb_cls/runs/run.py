"""The run directory: what a run leaves behind, and what every later command reads.

config.yaml  run.json  metrics.json  metrics.csv  predictions.parquet  predictions_val.parquet
report.html  train.log  model/  checkpoints/
"""

import contextlib
import hashlib
import os
import shlex
import sys
from collections.abc import Collection, Iterator
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from imdb_cls.config import Config, parse
from imdb_cls.errors import UserError, missing, translated
from imdb_cls.runs import seals
from imdb_cls.runs.fingerprint import code, git_commit, versions
from imdb_cls.runs.info import RunInfo, plain_values
from imdb_cls.runs.leftovers import is_partial, remove_leftovers
from imdb_cls.runs.metrics import read_metrics
from imdb_cls.runs.yaml_files import read_yaml, to_yaml
from imdb_cls.storage import held, write_json, write_text
from imdb_cls.typed import read_object

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
        """Begins a run in an empty directory, or, `anew`, in the place of the run that is there:
        writes config.yaml and run.json (status running). `facts` are what else is known of it, as
        RunInfo names it. Raises UserError if the directory holds something already."""
        run = cls(path)
        if not anew:
            run.check_free(config)
        run.path.mkdir(parents=True, exist_ok=True)
        if not anew:
            write_text(run.config_file, to_yaml(config))
        info = RunInfo(
            status="running",
            command=shlex.join(["python", "-m", "imdb_cls.train", *sys.argv[1:]]),
            started=now(),
            seed=config.seed,
            code=code(),
            sha256=run.seal_of(config),
            versions=versions(),
            git_commit=git_commit(),
            **facts,
        )
        try:
            write_json(run.record_file, plain_values(info))
        except BaseException:
            if not anew:
                run.config_file.unlink()
            raise
        if anew:
            write_text(run.config_file, to_yaml(config))
        return run

    @classmethod
    def open(cls, path: str | Path, complete: bool = False) -> "Run":
        """Opens an existing run, and deletes what killed processes were writing in it; with
        `complete`, only one that has its model. Raises UserError if there is no run, or it is
        half-written."""
        run = cls(Path(path).expanduser().absolute())
        if not run.path.is_dir():
            raise UserError(f"{path}: {missing(run.path, 'directory')}")
        if not os.access(run.path, os.R_OK | os.X_OK):
            raise UserError(f"{path}: Permission denied: its owner must let you read it")
        absent = [f.name for f in (run.record_file, run.config_file) if not f.exists()]
        if absent:
            never = run.config_file.is_file() and run._has_not_begun()
            mend = f"; it was killed before it began: hydra.run.dir={path} begins it again"
            raise UserError(
                f"{path} is not a run directory: {' and '.join(absent)} missing{mend * never}"
            )
        # What is written or tidied up behind them is not the run's: a stranger may have set them.
        for part in (run.log_file, run.model_dir, run.last_checkpoint.parent):
            if part.is_symlink():
                raise UserError(
                    f"{part} is a symbolic link to {part.readlink()}: a run has its files in its"
                    " own directory: put there what it leads to"
                )
        if not held(run.log_file):
            remove_leftovers(run.path)
        try:
            status = run.info().status
        except UserError as error:
            raise UserError(
                f"{error}; its config trains it again: python -m imdb_cls.train --config-dir"
                f" {run.path} --config-name config"
            ) from None
        run.whole(run.config_file)
        if complete and status != "completed":
            raise UserError(
                f"{path} is not complete (status: {status}): finish it with {run.how_to_go_on()}"
            )
        return run

    def is_there(self) -> bool:
        """Whether a run has left something here, even if it cannot be read."""
        return any(p.exists() for p in (self.record_file, self.metrics_file, self.model_dir))

    def how_to_go_on(self) -> str:
        """The command that brings this run to its end."""
        if self.info().is_live_job:
            return f"python -m launch.jobs attach {self.path}"
        return f"python -m imdb_cls.train resume={self.path}"

    def check_free(self, config: Config | None = None) -> None:
        """Raises UserError if something lies here already: a run is never written over another. One
        that was killed before it began may begin again, if this was its config."""
        free = not self.path.is_dir() or self._has_not_begun()
        if free and config and self.config_file.is_file():
            free = self.config_file.read_text("utf-8", "replace") == to_yaml(config)
        if free:
            return
        what, mend = "files", ": choose another directory, or go on with resume=<run directory>"
        if self.record_file.is_file():
            what = "a run"
            with contextlib.suppress(UserError):
                if self.info().is_live_job:
                    what, mend = "a job", f", which may still be running: {self.how_to_go_on()}"
        raise UserError(f"hydra.run.dir={self.path} holds {what} already{mend}")

    def _has_not_begun(self) -> bool:
        """Whether nothing is here but what a process writes before run.json."""
        beginnings = (self.config_file.name, self.log_file.name)
        return all(path.name in beginnings or is_partial(path.name) for path in self.path.iterdir())

    def config(self) -> Config:
        """The run's own config, as resolved when it began."""
        loaded = self.raw_config()
        try:
            return parse(loaded)
        except UserError as error:
            raise UserError(f"{self.config_file}: {error}") from None

    def raw_config(self) -> DictConfig:
        """config.yaml without Hydra's part, unchecked. Raises UserError if it is damaged."""
        values = read_yaml(self.whole(self.config_file))
        # Its last part: without it the file was cut, and defaults would stand in for what is lost.
        if values.pop("hydra", None) is None:
            raise UserError(f"{self.config_file} is damaged: its end, the part hydra, is missing")
        # They were resolved when it was written. Those of a stranger could read our environment.
        if "${" in str(values):
            raise UserError(f"{self.config_file} is damaged: a run's config has no ${{…}} in it")
        with translated(f"{self.config_file} is damaged", OmegaConfBaseException):
            return OmegaConf.create(values)

    def info(self) -> RunInfo:
        """run.json. Raises UserError if it is damaged."""
        return RunInfo.of(self._record(), self.record_file)

    def metrics(self) -> dict[str, Any]:
        """metrics.json. Raises UserError if it is missing or damaged."""
        return read_metrics(self.whole(self.metrics_file))

    def whole(self, file: Path) -> Path:
        """`file` of this run. Raises UserError if it is not as the run left it."""
        return seals.check(self.path, file, self.info())

    @contextlib.contextmanager
    def rewriting(self, *files: Path) -> Iterator[None]:
        """While it lasts these files have no hashes, so that a process which is killed leaves none
        that looks damaged; then they have new ones. Raises UserError if one is damaged before."""
        names = [self.whole(file).relative_to(self.path).as_posix() for file in files]
        known = self.info().sha256 or {}
        self.record(sha256={name: known[name] for name in known if name not in names})
        try:
            yield
        finally:
            self.record(sha256=(self.info().sha256 or {}) | seals.hashes(self.path, names))

    def seal_of(self, config: Config) -> dict[str, str]:
        """`sha256` of run.json for a run that is to have this config. The one that it has now is
        right, too, until the other is written."""
        digest = hashlib.sha256(to_yaml(config).encode()).hexdigest()
        now = seals.hashes(self.path, [seals.CONFIG]).values()
        return {seals.CONFIG: " ".join(dict.fromkeys([*now, digest]))}

    def best(self, metric: str) -> float:
        """`metric`, such as val/loss, at the best checkpoint."""
        found = self.metrics().get("val", {}).get(metric.removeprefix("val/"))
        if found is None:
            raise UserError(f"{self.metrics_file} is damaged: it lacks {metric}")
        return float(found)

    def record(self, **facts: Any) -> None:
        """Adds facts, as RunInfo names them, to run.json, which is whole at every moment."""
        assert facts.keys() <= {item.name for item in fields(RunInfo)}
        known = self._record() if self.record_file.exists() else {}
        write_json(self.record_file, known | plain_values(facts))

    def record_of(self, other: "Run", but: Collection[str]) -> None:
        """Adds what another record of the same run says, `but` for some facts. Its config.yaml may
        have other paths: the hash of the one here stays."""
        theirs = other._record() if other.record_file.is_file() else {}
        if "sha256" in theirs:
            theirs["sha256"] |= seals.hashes(self.path, [seals.CONFIG])
        self.record(**{name: value for name, value in theirs.items() if name not in but})

    def _record(self) -> dict[str, Any]:
        return read_object(self.record_file)


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
