"""Runs to report, made once for all workers."""

from pathlib import Path

import pytest

from imdb_cls.reports.run.page import write
from imdb_cls.runs.run import Run
from tests.support.made_runs import made_run
from tests.support.once import once


@pytest.fixture(scope="session")
def reported(trained: Path, shared: Path) -> Run:
    """A run with its report.html. Tests read it and change nothing in it."""

    def make(path: Path) -> None:
        write(made_run(trained, path / "run"))

    return Run(once(shared, "reported", make) / "run")
