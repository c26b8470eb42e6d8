"""The least policies of docs/ are enough for every command, and nothing in them is superfluous. The
user's holds for the commands, the role's for SageMaker."""

import ast
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore import xform_name

import imdb_cls
import launch
from imdb_cls.config import WandbConfig
from imdb_cls.errors import UserError
from imdb_cls.training.loggers import wandb_key
from launch.aws.client import AWS
from launch.aws.store import Channel, Store
from launch.rehearsal import server
from launch.rehearsal.account import ROLE_KEY
from launch.rehearsal.aws import LocalAWS
from launch.rehearsal.host import Host
from launch.training import tracking
from launch.training.follow import describe, describe_all
from tests.support.called import Said, call
from tests.support.doubles import Actor, Door, Submit
from tests.support.hosted import Account
from tests.support.local_aws import (
    BUCKET,
    REGION,
    ROLE,
    GuardedAWS,
    make_endpoint_and_batch,
    minimal_request,
    parsed,
)
from tests.support.policies import DOCS, Need, Policy, documented

# What SageMaker does of itself, and the local AWS does not.
IMAGES = {
    f"ecr:{action}": "SageMaker pulls the image, which the local AWS has no registry for"
    for action in (
        *("GetAuthorizationToken", "BatchCheckLayerAvailability", "GetDownloadUrlForLayer"),
        "BatchGetImage",
    )
}
LOGS = "arn:aws:logs:*:*:log-group:/aws/sagemaker/"
FILES = f"arn:aws:s3:::{BUCKET}/imdb_cls"
OF_TRAINING = {
    **IMAGES,
    f"logs:DescribeLogStreams {LOGS}TrainingJobs*": "SageMaker looks for a stream of its own",
    f"s3:DeleteObject {FILES}/jobs/*": "SageMaker deletes checkpoints that the job has deleted",
    f"s3:AbortMultipartUpload {FILES}/jobs/*": "an upload of SageMaker's own that breaks off",
}
OF_SERVING = {
    **IMAGES,
    f"logs:DescribeLogStreams {LOGS}*": "SageMaker looks for a stream of its own",
    f"s3:AbortMultipartUpload {FILES}/endpoints/*": "an upload of SageMaker's own that breaks off",
    f"s3:AbortMultipartUpload {FILES}/batch/*": "an upload of SageMaker's own that breaks off",
    "cloudwatch:PutMetricData": "SageMaker counts requests, the local AWS does not",
}
OF_SCALING = {
    "cloudwatch:DescribeAlarms": "Application Auto Scaling asks for it, of whoever sets a policy",
    "iam:CreateServiceLinkedRole arn:aws:iam::*:role/aws-service-role/"
    "sagemaker.application-autoscaling.amazonaws.com/*": "made with an account's first target",
}


def guarded(aws: LocalAWS, file: str) -> tuple[Policy, Policy]:
    """Has a local AWS allow what the policies of a file do: the role's and the user's."""
    assert isinstance(aws, GuardedAWS)
    aws.roles, aws.users = documented(file, BUCKET, ROLE)
    return aws.roles, aws.users


def done(said: Said) -> Said:
    assert (said.code, said.err) == (0, ""), said
    return said


@pytest.fixture
def break_off(aws: LocalAWS, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Has S3 refuse the second part of an upload in parts."""
    moto = aws._moto

    def refusing(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        if "partNumber=2" in environ["QUERY_STRING"]:
            start_response("400 Bad Request", [])
            return [b"<Error><Code>BadDigest</Code></Error>"]
        return moto(environ, start_response)

    return lambda: monkeypatch.setattr(aws, "_moto", refusing)


def test_all_that_the_user_may_do_is_done_for_jobs(
    door: Door,
    submit: Submit,
    trained: Path,
    tmp_path: Path,
    break_off: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """That it is enough is held by every test of commands: their local AWS allows no more."""
    _, user = guarded(door.aws, "sagemaker.md")
    door.aws.roles = None  # an actor stands for SageMaker
    door.aws.training.runner = Actor(door.aws, trained).run
    run, wandb = tmp_path / "run", ("logger=wandb", "logger.wandb.key_env=OUR_KEY")
    monkeypatch.setenv("OUR_KEY", "first")
    done(submit(*wandb))
    done(call("launch.jobs", "stop", run))
    assert "Stopped, 90 s billed" in call("launch.jobs", "attach", run).out
    make_endpoint_and_batch(door.aws)
    for command in (["list"], ["metrics", run]):
        done(call("launch.jobs", *command))
    client = AWS(REGION)
    # Two jobs, as of a sweep, are listed.
    door.aws.training.jobs.make(minimal_request("other"), REGION)
    describe_all(client, {job: describe(client, job) for job in door.jobs})
    monkeypatch.setenv("OUR_KEY", "second")
    tracking.send_key(parsed(*wandb, "logger.wandb.key_secret=imdb_cls/wandb"), client)
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(17_000_000)
    break_off()
    with pytest.raises(UserError, match="BadDigest"):
        Store(client, BUCKET, "imdb_cls", None).put(Channel("weights", {"large": large}))
    assert user.refused == []
    assert user.unused() == set()


def test_the_roles_policy_is_enough_for_a_job(
    aws: LocalAWS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3 = aws.client("s3", REGION)
    s3.put_object(Bucket=BUCKET, Key="imdb_cls/inputs/code/0/a.txt", Body=b"a")
    aws.client("secretsmanager", REGION).create_secret(Name="imdb_cls/wandb", SecretString="key")
    host = Host(tmp_path / "jobs", aws)
    script = "echo train/loss=0.5; touch /opt/ml/model/left /opt/ml/checkpoints/left"
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/imdb_cls/inputs/code/0/"}
    request = minimal_request(
        InputDataConfig=[{"ChannelName": "code", "DataSource": {"S3DataSource": source}}],
        AlgorithmSpecification={
            "TrainingImage": "image",
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["bash", "-c"],
            "ContainerArguments": [script],
            "MetricDefinitions": [{"Name": "train/loss", "Regex": "train/loss=([0-9.]+)"}],
        },
    )
    job = aws.training.jobs.make(request, REGION)
    role, _ = guarded(aws, "sagemaker.md")
    host.run(job)
    assert (job.status, job.reason) == ("Completed", None)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, ROLE_KEY)
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    wandb_key.provide(WandbConfig(key_secret="imdb_cls/wandb"))
    assert os.environ["WANDB_API_KEY"] == "key"
    assert role.refused == []
    assert role.unused() == set(OF_TRAINING)


class Answering:
    """Stands for the container of a model."""

    def ask(self, body: bytes, content_type: str, accept: str) -> server.Answer:
        label = {"label": "POSITIVE", "score": 0.9}
        return server.Answer(200, json.dumps([label] * len(json.loads(body)["inputs"])).encode())

    def close(self) -> None:
        pass


def failing(archive: Path) -> server.Server:
    raise server.NotStarted("no module named torch")


def test_both_policies_are_enough_for_endpoints_and_batches(
    account: Account, tmp_path: Path, break_off: Callable[[], None]
) -> None:
    role, user = guarded(account.aws, "serving.md")
    run, reviews = str(account.run), tmp_path / "reviews.csv"
    reviews.write_text("text\ngood\nbad\n")
    account.aws.endpoints.starter = failing
    assert "failed" in account.deploy().line
    account.aws.endpoints.starter = lambda archive: Answering()
    done(account.deploy("max_instances=3"))
    done(account.deploy("max_instances=2", "instance_type=ml.m5.large"))
    done(account.endpoint("predict", run, "good"))
    for command in (["list"], ["status", run], ["delete", run]):
        done(account.endpoint(*command))
    done(account.deploy("kind=async"))
    done(account.endpoint("predict", run, "good"))
    done(account.endpoint("delete", account.name))
    done(account.batch(reviews))
    account.aws.endpoints.starter = None  # a job goes on until it is stopped
    done(account.batch(reviews, "wait=false", "max_concurrency=3"))
    done(account.batch(reviews, "stop=true", "max_concurrency=3"))
    with (account.run / "model" / "more.bin").open("wb") as file:
        file.truncate(17_000_000)
    break_off()
    assert "BadDigest" in account.deploy().line
    assert (user.refused, role.refused) == ([], [])
    assert user.unused() == set(OF_SCALING)
    assert role.unused() == set(OF_SERVING)


SERVICES = (
    *("sagemaker", "sagemaker-runtime", "s3", "logs", "cloudwatch", "application-autoscaling"),
    *("secretsmanager", "sts"),
)
# What launch.jobs clean takes besides the policies.
OF_CLEAN = {"sagemaker:DescribeModel", "sagemaker:ListModels", "s3:DeleteObject"}
# All others are called as their actions are.
ACTIONS = dict.fromkeys(("s3:ListObjectsV2", "s3:HeadBucket"), "s3:ListBucket")
ACTIONS["s3:DeleteObjects"] = "s3:DeleteObject"


def test_every_operation_that_the_code_names_is_allowed() -> None:
    """One that no test calls is found, too."""
    session, known = botocore.session.get_session(), dict[str, str]()
    for service in SERVICES:
        model = session.get_service_model(service)
        for name in model.operation_names:
            action = f"{model.signing_name.replace('monitoring', 'cloudwatch')}:{name}"
            known[xform_name(name)] = known[name] = ACTIONS.get(action, action)
    files = [file for room in (imdb_cls, launch) for file in Path(room.__path__[0]).rglob("*.py")]
    nodes = [
        node
        for file in files
        if "rehearsal" not in file.parts
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    ]
    words = {getattr(node, "attr", getattr(node, "value", None)) for node in nodes}
    called = {known[word] for word in words if isinstance(word, str) and word in known}
    allowed = {
        one.action
        for file in ("sagemaker.md", "serving.md")
        for policy in documented(file, BUCKET, ROLE)
        for one in policy.allowed
    }
    assert {"sagemaker:CreateTrainingJob", "s3:GetObject", "cloudwatch:PutMetricData"} <= called
    assert called <= allowed | OF_CLEAN
    said = (DOCS / "sagemaker.md").read_text()
    assert all(f"`{action}`" in said for action in OF_CLEAN)


@pytest.mark.parametrize(
    ("need", "allowed"),
    [
        (Need("s3:GetObject", f"arn:aws:s3:::{BUCKET}/imdb_cls/inputs/a"), True),
        (Need("s3:GetObject", f"arn:aws:s3:::{BUCKET}/others/a"), False),
        (Need("s3:GetObject", "arn:aws:s3:::other/imdb_cls/inputs/a"), False),
        (Need("s3:DeleteObject", f"arn:aws:s3:::{BUCKET}/imdb_cls/inputs/a"), False),
        (Need("iam:PassRole", ROLE), True),
        (Need("iam:PassRole", f"{ROLE}-2"), False),
        (Need("logs:GetLogEvents", "arn:aws:logs:eu-west-1:1:log-group:/aws/lambda/a"), False),
        (Need("sagemaker:CreateEndpoint"), False),
    ],
)
def test_a_policy_allows_what_stands_in_it(need: Need, allowed: bool) -> None:
    _, user = documented("sagemaker.md", BUCKET, ROLE)
    assert user.allow([need]) == allowed
    assert bool(user.refused) != allowed
