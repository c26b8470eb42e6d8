"""RUN/endpoint.json: which endpoint a run has; and which endpoint a command is about."""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from imdb_cls.errors import UserError
from imdb_cls.runs.run import Run
from imdb_cls.storage import write_json
from launch.endpoints import names
from launch.hosting.account import of_job

FILE = "endpoint.json"


@dataclass(frozen=True)
class Record:
    region: str
    name: str
    arn: str
    config: str
    created: str
    """When the endpoint was first asked for."""


@dataclass(frozen=True)
class Target:
    """The endpoint that a command is about."""

    name: str
    region: str | None
    """None: the one that this machine has as its default."""
    run: Run | None
    """None: the endpoint was given by its name."""

    @property
    def word(self) -> str:
        """What a command calls it."""
        return str(self.run.path) if self.run else self.name


def write(run: Run, record: Record) -> None:
    write_json(run.path / FILE, asdict(record))


def read(run: Run) -> Record | None:
    """Raises UserError if the file is damaged."""
    file = run.path / FILE
    if not file.is_file():
        return None
    try:
        return Record(**json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, TypeError):
        raise UserError(f"{file} is damaged: remove it, and deploy the run again") from None


def forget(run: Run) -> None:
    (run.path / FILE).unlink(missing_ok=True)


def target(word: str, region: str | None) -> Target:
    """The endpoint of a run directory, as recorded or as it would be called; or, if `word` is no
    directory, the endpoint of that name.

    Raises:
        UserError: it is neither.
    """
    if not Path(word).expanduser().is_dir() and re.fullmatch(r"[a-zA-Z0-9-]{1,63}", word):
        return Target(word, region, None)
    run = Run.open(word)
    record = read(run)
    if record and region in (None, record.region):
        return Target(record.name, record.region, run)
    return Target(names.of_run(run), region or of_job(run)[0], run)
