"""A local AWS of the rehearsal, which every AWS client of the test is led to."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.config import Config as BotoConfig

from imdb_cls.runs.run import Run
from launch import jobs
from launch.aws import client
from launch.hosting import archive
from launch.rehearsal.aws import LocalAWS
from launch.training import follow
from tests.support import few_wheels
from tests.support.called import Said, call
from tests.support.doubles import Actor, Door, Following, Submit, words_of
from tests.support.hosted import Account, Shared, account_of, shared_server
from tests.support.local_aws import BUCKET, REGION, ROLE, GuardedAWS, Put, local_aws, put_code
from tests.support.once import once
from tests.support.ordinary_user import as_ordinary_user
from tests.support.planted import plant
from tests.support.policies import of_users
from tests.support.processes import processes_of
from tests.support.rehearsed import REHEARSED, SMALL, outside


@pytest.fixture
def put(aws: LocalAWS) -> Put:
    """Puts an object into BUCKET."""
    s3 = aws.client("s3", REGION)

    def run(key: str, content: bytes | str) -> None:
        body = content.encode() if isinstance(content, str) else content
        s3.put_object(Bucket=BUCKET, Key=key, Body=body)

    return run


@pytest.fixture
def guard(aws: GuardedAWS) -> Iterator[None]:
    """The user may do what docs/ says, and tries nothing else."""
    policy = aws.users = of_users(BUCKET, ROLE)
    yield
    assert policy.refused == []


@pytest.fixture
def unguarded(guard: None, aws: GuardedAWS) -> None:
    """For places that the account does not have."""
    aws.users = None


@pytest.fixture
def door(guard: None, aws: LocalAWS, monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    """The way to the local AWS of the test, whose account has had a job before."""
    put_code()
    found = Door(aws)
    found.open()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{found.port}")
    monkeypatch.setattr(jobs, "_POLL_S", 0.05)
    monkeypatch.setattr(follow, "_QUIET_LOOKS", 2)
    yield found
    found.shut()


@pytest.fixture
def submit(tiny: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Submit:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    def run(*overrides: str, name: str = "run") -> Said:
        return call("imdb_cls.train", *words_of(tiny, tmp_path / name, *overrides))

    return run


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asks AWS twice, and no more."""
    few = BotoConfig(retries={"mode": "standard", "total_max_attempts": 2})
    monkeypatch.setattr(client, "_CLIENT", client._CLIENT.merge(few))


@pytest.fixture(scope="session")
def sent_off(shared: Path, tiny: list[str]) -> Path:
    """run/ of a job that was sent off, and its request.json. Tests copy it."""

    def make(path: Path) -> None:
        with local_aws() as aws:
            assert call("imdb_cls.train", *words_of(tiny, path / "run")).code == 0
            (job,) = aws.training.jobs.all()
            (path / "request.json").write_text(json.dumps(job.request))

    return once(shared, "sent-off", make)


@pytest.fixture
def following(
    door: Door, sent_off: Path, trained: Path, tmp_path: Path, python: list[str]
) -> Iterator[Following]:
    """A job that `send` begins and that trains until `actor.may_end` is set."""
    shutil.copytree(sent_off, tmp_path / "job")
    shutil.copytree(trained, tmp_path / "left" / "run")
    actor = Actor(door.aws, tmp_path / "left" / "run")
    actor.idle.set()
    yield Following(door, actor, tmp_path / "job" / "run", python)
    actor.may_end.set()
    assert actor.idle.wait(30)


@pytest.fixture
def account(
    guard: None,
    aws: LocalAWS,
    fast_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Account:
    """An account for endpoints and batch jobs. They answer nothing unless `answering` says so."""
    return account_of(aws, fast_run, tmp_path, monkeypatch)


@pytest.fixture(scope="session")
def server(fast_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """What answers for the trained tiny model: one process for all tests of a worker."""
    yield from shared_server(fast_run, tmp_path_factory.mktemp("server"))


@pytest.fixture
def answering(account: Account, server: Shared) -> Account:
    """The account with endpoints that answer."""
    account.aws.endpoints.starter = lambda archive: server
    return account


@pytest.fixture(scope="session")
def rehearsal(shared: Path, tiny: list[str], tiny_model: Path) -> Path:
    """run/ of the one rehearsal that most tests read: a spot job without a network, interrupted, of
    an ordinary user with secrets all around. seen.json says what became of the rest, and why the
    job had a network after all, if it had."""

    def make(path: Path) -> None:
        home, here, temporary = (path / name for name in ("home", "here", "tmp"))
        for directory in (home, here, temporary):
            directory.mkdir()
        variables = plant(home, here) | {
            "TMPDIR": str(temporary),
            "IMDB_CLS_CACHE": str(path / "cache"),
            # The checkout is another user's.
            **{"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory"},
            "GIT_CONFIG_VALUE_0": "*",
            # Any import of it leaves a list of the machine's fonts in the home.
            "MPLCONFIGDIR": str(path / "fonts"),
        }
        (path / "fonts").mkdir()
        shutil.copytree(tiny_model, path / "model")
        skip = few_wheels.why_not(path / "few.txt", path / "cache")
        words = [
            *(sys.executable, "-c", few_wheels.TRAIN, str(path / "few.txt")),
            *(*tiny, *SMALL, *REHEARSED, f"hydra.run.dir={path}/run"),
            f"model.pretrained.name={path}/model",
            *("backend.spot=true", "backend.interrupt_at_step=10", "backend.max_seconds=200"),
            "backend.instance_type=[ml.p3.2xlarge,ml.g5.xlarge]",
            "backend.rehearse_without=[ml.p3.2xlarge]",
            f"backend.network_isolation={str(not skip).lower()}",
        ]
        begin = as_ordinary_user(path)
        before = outside(home, here, temporary)
        done = subprocess.run(
            [*begin, *words],
            capture_output=True,
            text=True,
            cwd=here,
            env={**os.environ, **variables},
            timeout=240,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr
        after = outside(home, here, temporary)
        seen = {
            "skip": skip,
            "changed": sorted(dict(before.items() ^ after.items())),
            "processes": processes_of(temporary),
            "said": done.stdout,
            "errors": done.stderr,
        }
        (path / "seen.json").write_text(json.dumps(seen))

    return once(shared, "rehearsal", make)


@pytest.fixture(scope="session")
def packed(fast_run: Path, shared: Path) -> Path:
    """Its archive."""

    def make(path: Path) -> None:
        archive.build(Run.open(fast_run), path / "model.tar.gz")

    return once(shared, "packed", make) / "model.tar.gz"
