"""RUN/endpoint.json: which endpoint a run has; and which endpoint a command is about."""

import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from imdb_cls.errors import UserError
from imdb_cls.runs.info import check_time
from imdb_cls.runs.run import Run
from imdb_cls.storage import write_json
from imdb_cls.typed import filled, read_object
from launch.endpoints import names
from launch.hosting.account import of_job
from launch.hosting.names import NAME

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
    """None: there is no file. Raises UserError if it is damaged."""
    file = run.path / FILE
    if not os.path.lexists(file):
        return None
    try:
        record = filled(Record, read_object(file), file)
        for name in (record.name, record.config):
            if not re.fullmatch(NAME, name):
                raise UserError(f"{file} is damaged: '{name}' is no name of AWS's")
        check_time(record.created, f"{file}: created")
    except UserError as error:
        raise UserError(
            f"{error}: remove the file; python -m launch.endpoint list shows what is running"
        ) from None
    return record


def forget(run: Run) -> None:
    (run.path / FILE).unlink(missing_ok=True)


def target(word: str, region: str | None) -> Target:
    """The endpoint of a run directory, as recorded or as it would be called; or, if `word` is no
    directory, the endpoint of that name. Raises UserError if it is neither."""
    path = Path(word).expanduser().absolute()
    if not path.is_dir() and re.fullmatch(NAME, word):
        return Target(word, region, None)
    # The record is enough: what is billed can be deleted, whatever has become of the run.
    record = read(Run(path))
    if record and region in (None, record.region):
        return Target(record.name, record.region, Run(path))
    run = Run.open(word)
    return Target(names.of_run(run), region or of_job(run)[0], run)
