"""Real reviews, a real DistilBERT of two small layers, every path in a temporary directory."""

import gc
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, settings

from tests.support import warm
from tests.support.models import make_tiny
from tests.support.once import once
from tests.support.processes import SHOWING, Command
from tests.support.rehearsed import SMALL
from tests.support.runs import Train

if TYPE_CHECKING:
    from launch.rehearsal.aws import LocalAWS

gc.disable()  # until all tests are collected
# Before any library loads. One thread a process: the tests run side by side.
for name in ("OMP", "OPENBLAS", "MKL", "BLIS", "NUMBA", "NUMEXPR"):
    os.environ.setdefault(f"{name}_NUM_THREADS", "1")
os.environ.setdefault("VECLIB_MAXIMUM_THREADS", "1")
# What a shell runs in the background ignores SIGINT, and so would all processes that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
# Of what hypothesis could try, the suite tries the same few examples each time;
# pytest --hypothesis-profile=thorough tries thousands, and others each time.
_ANYWHERE: Any = {
    "deadline": None,
    "database": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}
settings.register_profile("thorough", max_examples=2000, **_ANYWHERE)
settings.register_profile("suite", max_examples=20, derandomize=True, **_ANYWHERE)
settings.load_profile("suite")
# No wandb account, and a cache of our own for all tests.
for name in ("WANDB_API_KEY", "WANDB_MODE", "IMDB_CLS_CACHE"):
    os.environ.pop(name, None)

# Small, but everything a run has: what most tests train.
TINY = (
    *("data=imdb_packaged", "data.train_size=96", "data.val_size=40", "data.test_size=50"),
    *("data.max_length=32", "data.batch_size=16", "data.eval_batch_size=16"),
    *("trainer.max_epochs=2", "trainer.accelerator=cpu", "trainer.precision=32-true"),
    *("trainer.log_every_n_steps=2", "logger=none", "reference=null"),
    *("export=false", "report=false"),
)


def pytest_xdist_setupnodes(config: pytest.Config, specs: list[Any]) -> None:
    """Workers begin as forks of the process that has the libraries loaded."""
    place = config._tmp_path_factory.getbasetemp() / "warm"  # type: ignore[attr-defined]
    for spec in specs:
        spec.python = shlex.join(warm.python(str(place)))


@pytest.hookimpl(tryfirst=True)  # before the directory is deleted
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Says which processes were no forks: each has loaded the libraries for itself."""
    log = session.config._tmp_path_factory.getbasetemp() / "warm.log"  # type: ignore[attr-defined]
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    for line in log.read_text().splitlines() if log.exists() and reporter else ():
        reporter.write_line(f"\n{line[:100]}")


def pytest_collection_finish() -> None:
    """What is imported by now stays: to search it for garbage takes a third of a second, and took
    three while the tests were collected."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One directory for all workers of the session."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base


@pytest.fixture(scope="session")
def cache(shared: Path) -> Path:
    return shared / "cache"


@pytest.fixture(scope="session", autouse=True)
def variables(shared: Path) -> dict[str, str]:
    """The environment that every test begins with."""
    os.environ["IMDB_CLS_CACHE"] = str(shared / "cache")
    os.environ["NETRC"] = str(shared / "no-netrc")
    return dict(os.environ)


@pytest.fixture(autouse=True)
def environment(variables: dict[str, str]) -> Iterator[None]:
    """What code sets in the environment of its process ends with the test, and what it sets in a
    fixture of a module or the session ends with that: a process that a test starts would no longer
    be a fork (tests/support/warm.py)."""
    with mock.patch.dict(os.environ, variables, clear=True):
        yield


@pytest.fixture(scope="session")
def tiny_model(shared: Path) -> Path:
    """A DistilBERT of 2 layers and width 32, in the Hub's layout."""
    return once(shared, "tiny", lambda path: make_tiny(path / "model")) / "model"


@pytest.fixture(scope="session")
def tiny(tiny_model: Path) -> list[str]:
    """Overrides of a run that takes two seconds."""
    return [
        *TINY,
        "model=distilbert",
        "model.pretrained.source=local",
        f"model.pretrained.name={tiny_model}",
        "model.learning_rate=1e-3",
    ]


@pytest.fixture(scope="session")
def python(shared: Path) -> list[str]:
    """What to write for sys.executable where a process need not import torch itself."""
    return warm.python(str(shared / "warm"))


@pytest.fixture(scope="session")
def command(shared: Path, python: list[str]) -> Command:
    """Runs `python -m imdb_cls.<name> …` as a user would: a process of its own, no terminal. With
    variables that libraries read when they load, it loads them all itself."""

    def run(
        name: str,
        *words: object,
        cwd: Path = shared,
        stdin: str | None = None,
        **env: str,
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*python, "-m", f"imdb_cls.{name}", *map(str, words)],
            input=stdin if stdin is not None else "",
            text=True,
            capture_output=True,
            cwd=cwd,
            env={**os.environ, **env},
            timeout=240,
        )

    return run


@pytest.fixture(scope="session")
def trained(shared: Path, tiny: list[str], command: Command) -> Path:
    """A finished run of the tiny model. Tests read it and change nothing in it."""

    def make(path: Path) -> None:
        done = command("train", *tiny, f"hydra.run.dir={path}/run")
        assert done.returncode == 0, done.stderr

    return once(shared, "trained", make) / "run"


@pytest.fixture(scope="session")
def fast_run(trained: Path, shared: Path) -> Path:
    """A run with a fast model. Tests read it and change nothing in it."""
    from tests.support.served import with_fast

    def make(path: Path) -> None:
        with_fast(shutil.copytree(trained, path / "run"))

    return once(shared, "fast", make) / "run"


@pytest.fixture(scope="session")
def local_run(shared: Path, tiny: list[str]) -> Path:
    """A run of this machine, in a process of its own: what rehearsals are compared with. What it
    said lies beside it. Tests read it and change nothing in it."""

    def make(path: Path) -> None:
        done = subprocess.run(
            [
                *(sys.executable, "-c", SHOWING, "imdb_cls.train"),
                *(*tiny, *SMALL, f"hydra.run.dir={path}/run"),
            ],
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert (done.returncode, done.stderr) == (0, "")
        (path / "said").write_text(done.stdout)

    return once(shared, "local", make) / "run"


@pytest.fixture
def aws() -> "Iterator[LocalAWS]":
    """A local AWS of the test's own. Set its `runner` to carry jobs out."""
    from tests.support.local_aws import local_aws

    with local_aws() as local:
        yield local


@pytest.fixture
def train_here(tmp_path: Path, tiny: list[str]) -> Train:
    """Trains the tiny model in this process, with these overrides, into tmp_path/<name>."""
    from imdb_cls.config import parse
    from imdb_cls.training.fit import train
    from tests.support.configs import composed

    def run(*overrides: str, name: str = "run", **options: Any) -> Path:
        config = parse(composed(*tiny, *overrides))
        train(config, tmp_path / name, lambda stand_ins: config, list(overrides), **options)
        return tmp_path / name

    return run
