"""Every knob is in its place in the request, and every argument survives."""

import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import botocore.session
import pytest

from imdb_cls.config.overrides import quoted
from imdb_cls.runs.run import Run
from launch.aws import limits
from launch.aws.images import Image
from launch.hosting.account import account_of
from launch.training import metrics, request
from launch.training.request import Job
from tests.support.configs import composed
from tests.support.local_aws import BUCKET, REGION, ROLE, parsed, shell_words
from tests.support.policies import DOCS

Make = Callable[..., dict[str, Any]]
MLFLOW = "arn:aws:sagemaker:us-east-1:123456789012:mlflow-app/app-1"


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """The request of these overrides, with the script that the job runs under `script`."""
    session = boto3.Session(
        aws_access_key_id="none", aws_secret_access_key="none", region_name=REGION
    )
    code = tmp_path_factory.mktemp("code")
    (code / "requirements.txt").write_text("torch\n")

    def run(*overrides: str, words: tuple[str, ...] = ("seed=1",), processes: int = 1) -> Any:
        job = a_job(code, *overrides, words=words, processes=processes)
        script = []

        def place(name: str, directory: Path) -> str:
            if name == "sm_drivers":
                script.append((directory / "sm_train.sh").read_text(encoding="utf-8"))
            return f"s3://{BUCKET}/{name}/"

        made = request.build(job, session, place)
        limits.check_request(made)
        return {**made, "script": script[0]}

    return run


def a_job(
    code: Path, *overrides: str, words: tuple[str, ...] = ("seed=1",), processes: int = 1
) -> Job:
    config = parsed(*overrides)
    assert config.backend is not None
    uri = "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-training:2.5.1"
    place: Any = {"role": ROLE, "bucket": BUCKET, "region": REGION, "dry_run": True}
    resolved: Any = SimpleNamespace(config=config, fingerprint="0123456789abcdef")
    return Job(
        name=config.backend.job_name or "job-1",
        run=Run("outputs/2026-11-22/22-41-00"),
        resolved=resolved,
        backend=config.backend,
        account=account_of(replace(config.backend, **place)),
        image=Image(uri, "as given", "3.11"),
        max_seconds=config.backend.max_seconds,
        processes=processes,
        overrides=list(words),
        channels={"reviews": f"s3://{BUCKET}/reviews/"},
        code=code,
    )


def test_the_defaults_are_the_originals(make: Make) -> None:
    made = make()
    assert made["TrainingJobName"] == "job-1"
    assert made["RoleArn"] == ROLE
    assert made["ResourceConfig"] == {
        "InstanceType": "ml.p3.2xlarge",
        "InstanceCount": 1,
        "VolumeSizeInGB": 30,
    }
    assert made["StoppingCondition"] == {"MaxRuntimeInSeconds": 36000}
    assert made["RetryStrategy"] == {"MaximumRetryAttempts": 2}
    assert made["EnableManagedSpotTraining"] is False
    assert made["EnableNetworkIsolation"] is False
    assert "VpcConfig" not in made
    assert made["OutputDataConfig"] == {
        "S3OutputPath": f"s3://{BUCKET}/imdb_cls/jobs",
        "CompressionType": "GZIP",
    }
    assert made["CheckpointConfig"] == {
        "S3Uri": f"s3://{BUCKET}/imdb_cls/jobs/job-1/checkpoints",
        "LocalPath": "/opt/ml/checkpoints",
    }
    assert made["Environment"]["IMDB_CLS_RUN"] == "2026-11-22/22-41-00"
    assert made["Environment"]["AWS_DEFAULT_REGION"] == REGION
    assert made["HyperParameters"] == {}
    assert made["AlgorithmSpecification"]["MetricDefinitions"] == metrics.definitions()


def test_every_knob_is_in_its_place(make: Make) -> None:
    key = "arn:aws:kms:us-east-1:123456789012:key/"
    made = make(
        *("backend.instance_type=ml.g5.12xlarge", "backend.instance_count=3"),
        *("backend.volume_gb=77", "backend.max_seconds=1234", "backend.prefix=/a/b/"),
        *("backend.network_isolation=true", "backend.tags={team: nlp}"),
        *("backend.subnets=[subnet-1,subnet-2]", "backend.security_groups=[sg-1]"),
        *(f"backend.volume_kms_key={key}v", f"backend.output_kms_key={key}o"),
        *("backend.keep_alive_seconds=1800", "backend.job_name=mine"),
        *("backend.max_pending_seconds=3600", "backend.internal_retries=0"),
        processes=4,
    )
    assert made["ResourceConfig"] == {
        "InstanceType": "ml.g5.12xlarge",
        "InstanceCount": 3,
        "VolumeSizeInGB": 77,
        "VolumeKmsKeyId": f"{key}v",
        "KeepAlivePeriodInSeconds": 1800,
    }
    assert made["StoppingCondition"] == {
        "MaxRuntimeInSeconds": 1234,
        "MaxPendingTimeInSeconds": 3600,
    }
    assert "RetryStrategy" not in made
    assert made["EnableNetworkIsolation"] is True
    assert made["VpcConfig"] == {
        "Subnets": ["subnet-1", "subnet-2"],
        "SecurityGroupIds": ["sg-1"],
    }
    assert made["OutputDataConfig"]["KmsKeyId"] == f"{key}o"
    assert made["OutputDataConfig"]["S3OutputPath"] == f"s3://{BUCKET}/a/b/jobs"
    assert made["CheckpointConfig"]["S3Uri"] == f"s3://{BUCKET}/a/b/jobs/mine/checkpoints"
    assert {"Key": "team", "Value": "nlp"} in made["Tags"]


def members(whole: set[str]) -> Iterator[str]:
    """What CreateTrainingJob can be told, as botocore knows it: the members of structures, with a
    dot, but of those that are taken as a whole."""
    model = botocore.session.get_session().get_service_model("sagemaker")
    for name, member in model.operation_model("CreateTrainingJob").input_shape.members.items():
        inner = member.member if member.type_name == "list" else member
        if inner.type_name == "structure" and name not in whole:
            yield from (f"{name}.{part}" for part in inner.members)
        else:
            yield name


def test_the_docs_say_of_every_member_where_it_is_from(make: Make) -> None:
    table = (DOCS / "sagemaker.md").read_text().partition("## Every member of the request")[2]
    said = dict(re.findall(r"^\| `([A-Za-z0-9.]+)` \| (.+) \|$", table, re.MULTILINE))
    assert set(said) == set(members({name for name in said if "." not in name}))
    made = make(
        *("backend.subnets=[subnet-1]", "backend.security_groups=[sg-1]", "backend.spot=true"),
        *("backend.volume_kms_key=alias/v", "backend.output_kms_key=alias/o"),
        *("backend.instance_type=ml.m5.xlarge", "backend.max_pending_seconds=1800"),
        *("logger=mlflow", f"logger.mlflow.tracking_uri={MLFLOW}"),
    )
    warm = make(
        "backend.keep_alive_seconds=60", "backend.instance_type=[ml.p3.2xlarge,ml.g5.xlarge]"
    )
    for name, where in said.items():
        first, _, second = name.partition(".")
        found = [request.get(first, {}) for request in (made, warm)]
        found = [part[0] if isinstance(part, list) else part for part in found]
        is_set = any(second in part if second else first in made for part in found)
        assert is_set != where.startswith("left out"), f"{name}: {where}"


def test_sagemaker_is_told_of_its_own_mlflow(make: Make) -> None:
    asked = ("logger=mlflow", "logger.mlflow.experiment=ours")
    assert make(*asked, f"logger.mlflow.tracking_uri={MLFLOW}")["MlflowConfig"] == {
        "MlflowResourceArn": MLFLOW,
        "MlflowExperimentName": "ours",
        "MlflowRunName": "2026-11-22/22-41-00",
    }
    assert "MlflowConfig" not in make(*asked, "logger.mlflow.tracking_uri=https://ours.org")


def test_wandb_is_disabled_in_the_job_where_it_is_here(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "WANDB_MODE" not in make()["Environment"]
    monkeypatch.setenv("WANDB_DISABLED", "true")
    assert make()["Environment"]["WANDB_MODE"] == "disabled"


@pytest.mark.parametrize(("asked", "waits"), [("null", 7200), ("5000", 5000)])
def test_a_spot_job_waits_as_long_as_it_is_asked_to(make: Make, asked: str, waits: int) -> None:
    made = make(
        *("backend.spot=true", "backend.max_seconds=3600"), f"backend.max_wait_seconds={asked}"
    )
    assert made["EnableManagedSpotTraining"] is True
    assert made["StoppingCondition"] == {
        "MaxRuntimeInSeconds": 3600,
        "MaxWaitTimeInSeconds": waits,
    }


def test_without_a_prefix_the_paths_have_no_empty_part(make: Make) -> None:
    made = make("backend.prefix=''")
    assert made["OutputDataConfig"]["S3OutputPath"] == f"s3://{BUCKET}/jobs"


def test_python_is_the_process_that_is_signalled(make: Make) -> None:
    assert "\nexec python -m imdb_cls.train seed=1\n" in make()["script"]


def test_several_devices_are_started_by_torchrun(make: Make) -> None:
    words = shell_words(make(words=("seed=1", "a=b c"), processes=4)["script"])
    assert words == [
        *("python", "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=4"),
        *("-m", "imdb_cls.train", "seed=1", "a=b c"),
    ]


def test_several_hosts_find_the_first_one_of_them(make: Make) -> None:
    script = make("backend.instance_count=2", words=("seed=$HOME",), processes=1)["script"]
    assert "--nnodes=2" in script
    # Known to the container only: its shell puts them in, and nothing into the overrides.
    for name in ("SM_CURRENT_HOST_RANK", "SM_MASTER_ADDR", "SM_MASTER_PORT"):
        assert f"=${name}" in script
    words = shell_words(script)
    assert "--node_rank=1" in words
    assert "--nproc_per_node=1" in words
    assert words[-1] == "seed=$HOME"


@pytest.mark.parametrize(
    "value",
    [
        *("it's", 'say "a"', "$HOME $(id) `id`", "a\\b", "[1,2]", "{k: v}", "*", "!x", "#", "~"),
        *("ü and 😀", "a;b&&c|d>e", "%s", "-n"),
    ],
)
def test_every_argument_survives_the_shell(tmp_path: Path, value: str) -> None:
    job = a_job(tmp_path, words=("x", value))
    assert shlex.split(request.shown_command(job))[-2:] == ["x", value]


@pytest.mark.parametrize(
    "value", ["plain/path-1.0_x", "it's", "a b", "", "a\\", "\\'", "a\\b", "[x]", "é"]
)
def test_what_the_client_adds_is_read_back_by_hydra_as_it_is(value: str) -> None:
    override = f"logger.wandb.name={quoted(value)}"
    assert composed(override).logger.wandb.name == value
