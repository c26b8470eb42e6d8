"""The server of a run that tells reviews apart."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.runs import decided
from tests.support.served import Served, Start, starting, with_fast


@pytest.fixture(scope="module")
def run(fast_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that tells reviews apart, with the fast model of those weights."""
    return with_fast(decided(fast_run, tmp_path_factory.mktemp("served") / "run"))


@pytest.fixture(scope="module")
def served(run: Path, python: list[str]) -> Iterator[Served]:
    """One server for most tests: impatient with bodies, so that slow ones cost a second."""
    with starting(python) as start:
        server = start(run, "body_seconds=1", "threads=1")
        yield server
        server.process.terminate()
        said = server.process.communicate(timeout=60)
        # Not a word about all that was asked of it.
        assert (server.process.returncode, said) == (0, ("", ""))


@pytest.fixture
def start(python: list[str]) -> Iterator[Start]:
    """Starts servers for the test alone."""
    with starting(python) as function:
        yield function
