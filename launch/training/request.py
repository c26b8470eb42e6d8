"""The CreateTrainingJob request of a run, as the SageMaker SDK makes it."""

import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imdb_cls.config import BackendConfig
from imdb_cls.container import ROOT
from imdb_cls.runs.info import RunInfo
from imdb_cls.runs.run import RUN_NAME, SWEEP_NAME, Run
from imdb_cls.training.loggers import wandb_key
from imdb_cls.training.loggers.mlflow_address import experiment
from imdb_cls.training.resolve import ResolvedConfig
from launch.aws.images import Image
from launch.aws.limits import Request
from launch.hosting.account import Account
from launch.training import instance_types, metrics
from launch.training.code import INSTALLER

# The tag of every job of ours.
TAG = "imdb_cls"
_ENVIRONMENT = {"PYTHONUNBUFFERED": "1", "PIP_QUIET": "1", "PIP_ROOT_USER_ACTION": "ignore"}


@dataclass(frozen=True)
class Job:
    """Everything that a request is made of."""

    name: str
    run: Run
    resolved: ResolvedConfig
    backend: BackendConfig
    account: Account
    image: Image
    max_seconds: int
    processes: int
    """On one host, one for each device."""
    overrides: list[str]
    """The overrides of imdb_cls.train in the job."""
    channels: dict[str, str]
    """Their URIs by name, without the code's."""
    code: Path
    """The directory of the code."""
    sweep: str | None = None
    before: RunInfo | None = None
    """The record of an earlier job of the same run, to go on from its checkpoints."""

    @property
    def checkpoints(self) -> str:
        """The URI of its checkpoints."""
        earlier = self.before and self.before.job and self.before.job.checkpoints
        return earlier or self.account.store.folder("jobs", self.name, "checkpoints")


def _command(job: Job) -> str:
    """The shell command of the job, without the overrides."""
    hosts, install = job.backend.instance_count, ""
    if job.backend.index_secret:
        given = shlex.join([str(job.backend.index_url), job.backend.index_secret])
        install = f"python {INSTALLER.name} {given} && "
    # With exec SageMaker signals Python itself. A shell would not pass the signal on, and a spot
    # interruption would leave no checkpoint.
    if hosts == job.processes == 1:
        return f"{install}exec python -m imdb_cls.train"
    where = (
        f"--nnodes={hosts} --node_rank=$SM_CURRENT_HOST_RANK"
        " --master_addr=$SM_MASTER_ADDR --master_port=$SM_MASTER_PORT"
        if hosts > 1
        else "--standalone"
    )
    # NCCL is told which network leads to the other hosts.
    network = "export NCCL_SOCKET_IFNAME=$SM_NETWORK_INTERFACE_NAME && " if hosts > 1 else ""
    run = f"exec python -m torch.distributed.run {where} --nproc_per_node={job.processes}"
    return f"{install}{network}{run} -m imdb_cls.train"


def shown_command(job: Job) -> str:
    return f"{_command(job)} {shlex.join(job.overrides)}"


class _Captured(Exception):
    """Carries a request away from the SDK at the moment it would be sent."""


def build(job: Job, session: Any, place: Callable[[str, Path], str]) -> Request:
    """Makes the request and does not send it.

    Args:
        session: a boto3 session; it needs no credentials.
        place: takes a channel's name and a directory that the SDK made for it, and gives its URI.
    """
    # The SDK takes 2 seconds and 190 MB to import, so only this function does.
    os.environ["SAGEMAKER_VALIDATE_ROLE"] = "false"  # SageMaker itself says what is wrong with it
    from sagemaker.core.helper.session_helper import Session
    from sagemaker.core.shapes import MetricDefinition
    from sagemaker.core.training import configs
    from sagemaker.train.model_trainer import ModelTrainer

    class Trainer(ModelTrainer):  # type: ignore[misc]
        def create_input_data_channel(
            self, channel_name: str, data_source: Any, *args: Any, **kwargs: Any
        ) -> Any:
            if isinstance(data_source, str) and not data_source.startswith("s3://"):
                data_source = place(channel_name, Path(data_source))
            return super().create_input_data_channel(channel_name, data_source, *args, **kwargs)

    backend = job.backend
    spot = {"max_wait_time_in_seconds": backend.max_wait_seconds or 2 * job.max_seconds}
    trainer = Trainer(
        sagemaker_session=Session(
            boto_session=session,
            default_bucket=job.account.store.bucket,
            # Without this the SDK reports each call to AWS.
            sagemaker_config={
                "SchemaVersion": "1.0",
                "SageMaker": {"PythonSDK": {"Modules": {"TelemetryOptOut": True}}},
            },
        ),
        role=job.account.role,
        base_job_name=job.name[:40],
        training_image=job.image.uri,
        source_code=configs.SourceCode(
            source_dir=str(job.code),
            command=_command(job),
            args=job.overrides,
            # The SDK's own installation cannot be given a password.
            requirements=None if backend.index_secret else "requirements.txt",
        ),
        compute=configs.Compute(
            instance_type=backend.instance_types[0],
            instance_count=backend.instance_count,
            volume_size_in_gb=backend.volume_gb,
            volume_kms_key_id=backend.volume_kms_key,
            keep_alive_period_in_seconds=backend.keep_alive_seconds or None,
            enable_managed_spot_training=backend.spot,
        ),
        networking=configs.Networking(
            subnets=backend.subnets or None,
            security_group_ids=backend.security_groups or None,
            enable_network_isolation=backend.network_isolation,
            enable_inter_container_traffic_encryption=False,
        ),
        stopping_condition=configs.StoppingCondition(
            max_runtime_in_seconds=job.max_seconds, **(spot if backend.spot else {})
        ),
        output_data_config=configs.OutputDataConfig(
            s3_output_path=job.account.store.folder("jobs"),
            compression_type="GZIP",
            kms_key_id=backend.output_kms_key,
        ),
        checkpoint_config=configs.CheckpointConfig(
            s3_uri=job.checkpoints, local_path=f"{ROOT}/checkpoints"
        ),
        environment={
            RUN_NAME: job.run.name,
            **({SWEEP_NAME: job.sweep} if job.sweep else {}),
            "AWS_DEFAULT_REGION": job.account.region,
            # The SDK's installation logs in there in the name of the role.
            **({"CA_REPOSITORY_ARN": backend.index_url} if backend.has_code_artifact else {}),
            **wandb_key.job_variables(),
            **_ENVIRONMENT,
        },
        tags=[
            configs.Tag(key=key, value=value)
            for key, value in {**backend.tags, TAG: job.resolved.fingerprint}.items()
        ],
    ).with_metric_definitions(
        [MetricDefinition(name=m["Name"], regex=m["Regex"]) for m in metrics.definitions()]
    )
    inputs = [
        configs.InputData(channel_name=name, data_source=uri) for name, uri in job.channels.items()
    ]

    def capture(params: Request, **kwargs: Any) -> None:
        raise _Captured(params)

    event = "provide-client-params.sagemaker.CreateTrainingJob"
    session.events.register(event, capture)
    try:
        trainer.train(input_data_config=inputs, wait=False, logs=False)
        raise AssertionError("the SDK sent a request without showing it")
    except _Captured as captured:
        # The SDK appends a time stamp to the name.
        made = {**captured.args[0], "TrainingJobName": job.name}
    finally:
        session.events.unregister(event, capture)
    # What the SDK has no argument for.
    if backend.internal_retries:
        made["RetryStrategy"] = {"MaximumRetryAttempts": backend.internal_retries}
    if backend.max_pending_seconds:
        made["StoppingCondition"]["MaxPendingTimeInSeconds"] = backend.max_pending_seconds
    instance_types.prefer(made, backend)
    mlflow = job.resolved.config.logger.mlflow
    if mlflow and str(mlflow.tracking_uri).startswith("arn:"):
        made["MlflowConfig"] = {
            "MlflowResourceArn": mlflow.tracking_uri,
            "MlflowExperimentName": experiment(mlflow),
            "MlflowRunName": (mlflow.name or job.run.name)[:256],
        }
    return made
