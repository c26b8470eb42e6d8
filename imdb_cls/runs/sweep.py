"""The directory of a sweep: sweep.json, and the runs of its trials below it."""

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from imdb_cls.config.overrides import without_place
from imdb_cls.errors import UserError
from imdb_cls.runs.fingerprint import code
from imdb_cls.runs.info import RunInfo
from imdb_cls.runs.records import info_of, read_sweep, say_once, whole
from imdb_cls.runs.run import Run
from imdb_cls.storage import lock, write_json
from imdb_cls.terminal import notice

# What lies in the directory of a trial that died while it was being made.
_BEGINNINGS = ("config.yaml", "train.log")
DAMAGED = "damaged"


class Sweep:
    """A directory whose sub-directories are the runs of a sweep's trials, each known by its
    fingerprint, whatever its name."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.record_file = path / "sweep.json"

    @classmethod
    def around(cls, run: Path) -> "Sweep | None":
        """The sweep that a run directory lies in."""
        found = cls(run.absolute().parent)
        return found if found.record_file.is_file() else None

    @property
    def name(self) -> str:
        """What tells it from other sweeps: 2026-11-24/15-04-11."""
        return "/".join(self.path.absolute().parts[-2:])

    def info(self) -> dict[str, Any]:
        """sweep.json. Raises UserError if it is damaged."""
        return read_sweep(self.record_file)

    def record(self, **facts: Any) -> None:
        """Adds facts to sweep.json, which is whole at every moment."""
        known = self.info() if self.record_file.is_file() else {}
        self.path.mkdir(parents=True, exist_ok=True)
        write_json(self.record_file, known | facts)

    def runs(self) -> Iterator[tuple[Run, RunInfo]]:
        """Every run in it, with its run.json. If that or config.yaml is damaged, the run is left
        out, which is said."""
        if not self.path.is_dir():
            return
        for path in sorted(self.path.iterdir(), key=lambda path: (len(path.name), path.name)):
            run = Run(path)
            if path.name.startswith(".") or not run.record_file.is_file():
                continue
            try:
                if info := info_of(run.record_file):
                    whole(run, run.config_file, info)
            except UserError as error:
                say_once(f"left out: {error}")
                continue
            if info:
                yield run, info

    def find(self, fingerprint: str, rehearsed: bool = True) -> Run | None:
        """The run with this fingerprint, a completed one if there is one; `rehearsed` says whether
        the run of a rehearsal counts."""
        found = None
        for run, info in self.runs():
            if info.fingerprint == fingerprint and (rehearsed or not info.rehearsal):
                if info.status == "completed":
                    return run
                found = found or run
        return found

    def place(self, wanted: Path, overrides: list[str]) -> Path:
        """Makes the directory of a new run: the wanted one, or the next free number if another
        trial lies there. A damaged run, which nobody can tell from others, is moved to damaged/.
        One with these overrides that failed before it could train is deleted."""
        same = sorted(without_place(overrides))
        for run, info in self.runs():
            unborn = info.status == "failed" and info.fingerprint is None
            if unborn and sorted(without_place(info.overrides)) == same:
                shutil.rmtree(run.path)
                break
        if wanted.is_dir() and all(
            path.name in _BEGINNINGS or path.name.startswith(".") for path in wanted.iterdir()
        ):
            shutil.rmtree(wanted)
        elif Run(wanted).is_there() and all(run.path != wanted for run, _ in self.runs()):
            self._set_damaged_aside(wanted)
        number = 0
        while True:
            try:
                wanted.mkdir(parents=True)
                return wanted
            except FileExistsError:
                wanted, number = self.path / str(number), number + 1

    def _set_damaged_aside(self, run: Path) -> None:
        target, number = self.path / DAMAGED / run.name, 1
        while target.exists():
            target, number = target.with_name(f"{run.name}-{number}"), number + 1
        target.parent.mkdir(exist_ok=True)
        notice(f"{run} is damaged: it is now {run.rename(target)}, and the trial runs again")

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Raises UserError if another process is at work on it."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / ".lock").open("w") as file:
            if not lock(file):
                raise UserError(f"{self.path}: the sweep is still running in another process")
            yield

    def set_aside(self) -> Path:
        """Renames the directory, so that a new sweep can take its name."""
        number = 1
        while (target := self.path.with_name(f"{self.path.name}-{number}")).exists():
            number += 1
        return self.path.rename(target)


def identity(overrides: list[str], where: str, settings: Any) -> str:
    """Equal for two commands of the same sweep: the overrides, where trials run, how they are
    searched, and the code."""
    content = [sorted(without_place(overrides)), where, settings, code()]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def begun(default: Path, identity: str) -> Sweep | None:
    """The latest sweep with this identity beside the directory that a new one would get."""
    for record in sorted(default.parents[1].glob("*/*/sweep.json"), reverse=True):
        found = Sweep(record.parent)
        try:
            if found.info().get("identity") == identity:
                return found
        except UserError as error:
            say_once(f"left out: {error}")
    return None
