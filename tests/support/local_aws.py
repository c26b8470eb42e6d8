"""A local AWS that every AWS client of the process is led to, and what is asked of it."""

import contextlib
import functools
import io
import os
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import boto3
import botocore.client
import botocore.regions
import botocore.session
import pytest
from botocore.endpoint_provider import EndpointProvider
from moto.s3.models import s3_backends

from imdb_cls.config import BackendConfig, Config
from launch.aws.s3 import split_uri
from launch.aws.store import Store
from launch.hosting.names import RUN_TAG
from launch.rehearsal.account import ACCOUNT_ID, ROLE_KEY
from launch.rehearsal.aws import LocalAWS
from launch.rehearsal.training_jobs import TrainingJob
from launch.training.code import code
from tests.support import configs
from tests.support.policies import Policy, needs

REGION = "us-east-1"
BUCKET = "sagemaker-us-east-1-123456789012"
ROLE = "arn:aws:iam::123456789012:role/sagemaker-training"
# What a developer may have set, and no test may see.
_OURS = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "SAGEMAKER_ROLE", "SAGEMAKER_BUCKET", "WANDB_API_KEY")
# What the local AWS asks itself, and makes for itself.
_OWN = (
    *("iam:CreateRole", "iam:GetRole", "s3:CreateBucket"),
    "application-autoscaling:DescribeScalableTargets",
)

Put = Callable[..., None]
"""Puts an object into BUCKET."""

_loader = functools.cache(botocore.session.create_loader)
_make_class = botocore.client.ClientCreator._create_client_class
_classes: dict[str, Any] = {}
_rules: dict[int, Any] = {}


def _class_of(creator: Any, service: str, model: Any) -> Any:
    if service not in _classes:
        _classes[service] = _make_class(creator, service, model)
    return _classes[service]


def _rules_of(ruleset_data: Any, **others: Any) -> Any:
    """The rules of a service's addresses. The loader keeps their description, and its id."""
    if id(ruleset_data) not in _rules:
        _rules[id(ruleset_data)] = EndpointProvider(ruleset_data, **others)
    return _rules[id(ruleset_data)]


class GuardedAWS(LocalAWS):
    """
    Args:
        roles, users: what SageMaker may do in the name of the role, and its user. The rest is
            refused; None allows everything.
    """

    def __init__(self, roles: Policy | None = None, users: Policy | None = None) -> None:
        super().__init__()
        self.roles, self.users = roles, users

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        who, _, _, service, _ = environ["HTTP_AUTHORIZATION"].partition("=")[2].split("/", 4)
        body = b""
        if service != "s3":
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            environ["wsgi.input"] = io.BytesIO(body)
        policy = self.roles if who == ROLE_KEY else self.users
        if policy:
            needed = needs(environ, body)
            if who == ROLE_KEY:
                needed = [need for need in needed if need.action not in _OWN]
            if not policy.allow(needed):
                start_response("403 Forbidden", [("x-amzn-ErrorType", "AccessDeniedException")])
                return [b"<Error><Code>AccessDenied</Code></Error>" if service == "s3" else b"{}"]
        return super().__call__(environ, start_response)


@contextlib.contextmanager
def local_aws() -> Iterator[GuardedAWS]:
    """A local AWS with BUCKET and ROLE, and an environment that leads to it alone."""
    with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as stack:
        # Every session reads the descriptions of its services, megabytes of JSON, and every client
        # makes its class and its rules of them: once is enough.
        patch.setattr(botocore.session, "create_loader", _loader)
        patch.setattr(botocore.client.ClientCreator, "_create_client_class", _class_of)
        patch.setattr(botocore.regions, "EndpointProvider", _rules_of)
        local = stack.enter_context(GuardedAWS())
        for name in (*_OURS, *(n for n in os.environ if n.startswith("AWS_ENDPOINT_URL"))):
            patch.delenv(name, raising=False)
        for name, value in local.environment(REGION).items():
            patch.setenv(name, value)
        # boto3.client() keeps a session of its own otherwise.
        patch.setattr(boto3, "DEFAULT_SESSION", None)
        local.provide(REGION, BUCKET, ROLE)
        yield local


def put_code() -> None:
    """Puts the code into BUCKET, where it is from an account's first job on: to upload its files
    takes seconds."""
    for key, content in _code():
        s3_backends[ACCOUNT_ID]["aws"].put_object(BUCKET, key, content)


@functools.cache
def _code() -> list[tuple[str, bytes]]:
    """The objects of the channel with the code."""
    channel = code()
    _, place = split_uri(Store(None, BUCKET, BackendConfig.prefix, None).uri(channel))
    return [(place + name, path.read_bytes()) for name, path in channel.files.items()]


def parsed(*overrides: str) -> Config:
    """The config of `imdb_cls.train +backend=sagemaker …`, checked."""
    return configs.parsed("+backend=sagemaker", *overrides)


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


def shell_words(script: str) -> list[str]:
    """What a shell makes of the command in the SDK's script."""
    (shown,) = re.findall(
        r"<<'SAGEMAKER_BASE_COMMAND_EOF'\n(.*)\nSAGEMAKER_BASE_COMMAND_EOF", script
    )
    assert shown.count("exec ") == 1
    words = subprocess.run(
        ["bash", "-c", 'CMD=$(cat)\neval "$CMD"'],
        input=shown.replace("exec ", r"printf '%s\0' ", 1),
        env={"HOME": "/root", "PATH": "/usr/bin:/bin", "SM_CURRENT_HOST_RANK": "1"},
        capture_output=True,
        check=True,
        text=True,
    )
    return words.stdout.split("\0")[:-1]


def make_endpoint_and_batch(aws: LocalAWS, archive: str = f"s3://{BUCKET}/model.tar.gz") -> None:
    """An endpoint and a transform job of a run, as the account has them: neither answers."""
    tags = [{"Key": RUN_TAG, "Value": "2026-11-22/22-41-00"}]
    client = aws.client("sagemaker", REGION)
    container = {"Image": "image", "ModelDataUrl": archive}
    client.create_model(ModelName="model", PrimaryContainer=container, ExecutionRoleArn=ROLE)
    variant = {"VariantName": "AllTraffic", "ModelName": "model", "InitialInstanceCount": 1}
    client.create_endpoint_config(
        EndpointConfigName="config",
        ProductionVariants=[{**variant, "InstanceType": "ml.m5.large"}],
    )
    client.create_endpoint(EndpointName="ours", EndpointConfigName="config", Tags=tags)
    place = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/reviews"}}
    client.create_transform_job(
        TransformJobName="imdb-cls-batch-0123456789ab",
        ModelName="model",
        TransformInput={"DataSource": place},
        TransformOutput={"S3OutputPath": f"s3://{BUCKET}/batch"},
        TransformResources={"InstanceType": "ml.m5.xlarge", "InstanceCount": 2},
        Tags=tags,
    )
