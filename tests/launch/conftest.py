"""A local AWS of the rehearsal, which every AWS client of the test is led to."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.loaders import JSONFileLoader
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from imdb_cls.config import CONF_DIR, Config, parse
from launch.rehearsal.aws import LocalAWS
from launch.rehearsal.training_jobs import TrainingJob
from tests.conftest import once

if TYPE_CHECKING:
    from tests.support.doubles import Door, Following
    from tests.support.hosted import Account, Shared

REGION = "us-east-1"
BUCKET = "sagemaker-us-east-1-123456789012"
ROLE = "arn:aws:iam::123456789012:role/sagemaker-training"
# What a developer may have set, and no test may see.
_OURS = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "SAGEMAKER_ROLE", "SAGEMAKER_BUCKET", "WANDB_API_KEY")


_loaded = functools.cache(JSONFileLoader().load_file)


@pytest.fixture(scope="session", autouse=True)
def schemas_are_checked_once() -> Iterator[None]:
    """With every request the SDK validates its own config nine times, and each time the schema
    itself, which takes longest and comes to the same."""
    from jsonschema import Draft202012Validator

    check, checked = Draft202012Validator.check_schema, dict[int, object]()

    def check_once(schema: object) -> None:
        if id(schema) not in checked:
            check(schema)
            checked[id(schema)] = schema  # kept, so that its id stays its own

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Draft202012Validator, "check_schema", staticmethod(check_once))
        yield


@contextlib.contextmanager
def local_aws() -> Iterator[LocalAWS]:
    """A local AWS with BUCKET and ROLE, and an environment that leads to it alone."""
    with LocalAWS() as local, pytest.MonkeyPatch.context() as patch:
        for name in (*_OURS, *(n for n in os.environ if n.startswith("AWS_ENDPOINT_URL"))):
            patch.delenv(name, raising=False)
        for name, value in local.environment(REGION).items():
            patch.setenv(name, value)
        # Every client reads the description of its service, megabytes of JSON: once is enough.
        patch.setattr(JSONFileLoader, "load_file", lambda self, path: _loaded(path))
        # boto3.client() keeps a session of its own otherwise.
        patch.setattr(boto3, "DEFAULT_SESSION", None)
        local.prepare(REGION, BUCKET, ROLE)
        yield local


@pytest.fixture
def aws() -> Iterator[LocalAWS]:
    """A local AWS of the test's own. Set its `training.runner` to carry jobs out."""
    with local_aws() as local:
        yield local


Put = Callable[..., None]


@pytest.fixture
def put(aws: LocalAWS) -> Put:
    """Puts an object into BUCKET."""
    client = aws.client("s3", REGION)

    def run(key: str, content: bytes | str) -> None:
        body = content.encode() if isinstance(content, str) else content
        client.put_object(Bucket=BUCKET, Key=key, Body=body)

    return run


@functools.cache
def composed(*choices: str) -> DictConfig:
    """conf/train.yaml with +backend=sagemaker and these group=option choices."""
    OmegaConf.register_new_resolver("run_dir", lambda resume, fresh: fresh, replace=True)
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        return compose("train", ["+backend=sagemaker", *choices])


def parsed(*overrides: str) -> Config:
    """The config of `imdb_cls.train +backend=sagemaker …`, checked."""
    groups = ("data", "model", "trainer", "logger", "experiment")
    choices = [o for o in overrides if o.partition("=")[0] in groups]
    config = OmegaConf.create(composed(*choices))
    OmegaConf.set_struct(config, False)
    config.merge_with_dotlist([o for o in overrides if o not in choices])
    return parse(config)


def minimal_request(name: str = "job-1", **others: Any) -> dict[str, Any]:
    """What CreateTrainingJob takes, and little more."""
    return {
        "TrainingJobName": name,
        "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/imdb_cls/jobs"},
        "CheckpointConfig": {"S3Uri": f"s3://{BUCKET}/imdb_cls/jobs/{name}/checkpoints"},
        "ResourceConfig": {
            "InstanceType": "ml.g5.xlarge",
            "InstanceCount": 1,
            "VolumeSizeInGB": 30,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        **others,
    }


def completed(job: TrainingJob, seconds: float = 90.0) -> None:
    """A runner: a job that trains for `seconds` and completes."""
    for phase in ("Downloading", "Training", "Uploading"):
        job.enter(phase)
    job.trained = seconds
    job.enter("Completed")


@pytest.fixture
def door(aws: LocalAWS, monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    """The way to the local AWS of the test."""
    from tests.support.doubles import Door

    found = Door(aws)
    found.open()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{found.port}")
    yield found
    found.shut()


@pytest.fixture(scope="session")
def sent_off(shared: Path, tiny: list[str]) -> Path:
    """run/ of a job that was sent off, and its request.json. Tests copy it."""
    from imdb_cls.train import main
    from tests.support.doubles import words_of

    def make(path: Path) -> None:
        with local_aws() as aws, pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["train.py", *words_of(tiny, path / "run")])
            patch.setenv("HYDRA_FULL_ERROR", "1")
            main()
            (job,) = aws.training.jobs.all()
            (path / "request.json").write_text(json.dumps(job.request))

    return once(shared, "sent-off", make)


@pytest.fixture
def following(
    door: Door, sent_off: Path, trained: Path, tmp_path: Path, python: list[str]
) -> Iterator[Following]:
    """A job that `send` begins and that trains until `actor.may_end` is set."""
    from tests.support.doubles import Actor, Following

    shutil.copytree(sent_off, tmp_path / "job")
    shutil.copytree(trained, tmp_path / "left" / "run")
    actor = Actor(door.aws, tmp_path / "left" / "run")
    actor.idle.set()
    yield Following(door, actor, tmp_path / "job" / "run", python)
    actor.may_end.set()
    assert actor.idle.wait(30)


@pytest.fixture
def account(
    aws: LocalAWS,
    trained: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Account:
    """An account for endpoints and batch jobs. They answer nothing unless `answering` says so."""
    from tests.support.hosted import account_of

    return account_of(aws, trained, tmp_path, capfd, monkeypatch)


@pytest.fixture(scope="session")
def server(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """What answers for the trained tiny model: one process for all tests of a worker."""
    from tests.support.hosted import shared_server

    yield from shared_server(trained, tmp_path_factory.mktemp("server"))


@pytest.fixture
def answering(account: Account, server: Shared) -> Account:
    """The account with endpoints that answer."""
    account.aws.endpoints.starter = lambda archive: server
    return account
