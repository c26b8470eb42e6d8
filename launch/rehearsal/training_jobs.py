"""Training jobs of the local AWS."""

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from launch.aws.instances import asked
from launch.rehearsal.account import LocalAccount, Refused
from launch.rehearsal.resources import Kind, Request, Resource, ResourceStore

# What SageMaker says of a job that it finds no machine for.
_NO_MACHINE = (
    "CapacityError: Unable to provision requested ML compute capacity. Please retry using a"
    " different ML instance type."
)

# Secondary statuses: the status while each lasts, and what SageMaker says of it.
_PHASES = {
    "Starting": ("InProgress", "Preparing the instances for training"),
    "Downloading": ("InProgress", "Downloading input data"),
    "Training": ("InProgress", "Training image download completed. Training in progress."),
    "Interrupted": ("InProgress", "Spot instance was interrupted"),
    "Restarting": ("InProgress", "Restarting the job on a new instance"),
    "Uploading": ("InProgress", "Uploading generated training model"),
    "Stopping": ("Stopping", "Stopping the training job"),
    "Completed": ("Completed", "Training job completed"),
    "Failed": ("Failed", "Training job failed"),
    "Stopped": ("Stopped", "Training job stopped"),
    "MaxRuntimeExceeded": ("Stopped", "Training job ran longer than MaxRuntimeInSeconds"),
}


@dataclass
class TrainingJob(Resource):
    kind = Kind(
        *("TrainingJob", "training-job", "training job", "TrainingJobSummaries"),
        missing="Requested resource not found.",
    )
    transitions: list[dict[str, Any]] = field(default_factory=list)
    """Its secondary statuses, in order."""
    trained: float = 0.0
    """Seconds that containers ran."""
    final_metrics: dict[str, tuple[float, float]] = field(default_factory=dict)
    """The last value of each metric, and when it came."""
    stop: threading.Event = field(default_factory=threading.Event)
    """Set once it has to stop."""
    interrupt: threading.Event = field(default_factory=threading.Event)
    """Set once its spot instances are taken away."""
    machine: str | None = None
    """The instance type that it runs on."""

    def __post_init__(self) -> None:
        self.enter("Starting")

    def take_machine(self, without: Collection[str]) -> bool:
        """Takes the first of its instance types but for some. Otherwise the job is over."""
        types = asked(self.request["ResourceConfig"])
        self.machine = next((name for name in types if name not in without), None)
        if self.machine is None:
            self.enter("Failed", _NO_MACHINE)
        return self.machine is not None

    @property
    def hosts(self) -> list[str]:
        return [f"algo-{i + 1}" for i in range(self.request["ResourceConfig"]["InstanceCount"])]

    @property
    def output(self) -> str:
        """Where in S3 its archives go."""
        return f"{self.request['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{self.name}/output"

    @property
    def checkpoints(self) -> str:
        """Where in S3 its checkpoints go."""
        return str(self.request["CheckpointConfig"]["S3Uri"])

    def taken(self) -> Refused:
        message = f"Training job names must be unique: {self.name} exists already."
        return Refused(message, "ResourceInUse")

    def enter(self, phase: str, reason: str | None = None) -> None:
        """Begins a secondary status."""
        now, (status, message) = time.time(), _PHASES[phase]
        if self.transitions:
            self.transitions[-1]["EndTime"] = now
        self.transitions.append({"Status": phase, "StartTime": now, "StatusMessage": message})
        self.reason = reason or self.reason
        self.modified, self.status = now, status

    def describe(self) -> Request:
        answer = super().describe() | {
            "SecondaryStatus": self.transitions[-1]["Status"],
            "SecondaryStatusTransitions": self.transitions,
            "ModelArtifacts": {"S3ModelArtifacts": f"{self.output}/model.tar.gz"},
            "FinalMetricDataList": [
                {"MetricName": name, "Value": value, "Timestamp": at}
                for name, (value, at) in self.final_metrics.items()
            ],
        }
        resources = self.request["ResourceConfig"]
        if self.machine and "InstanceType" not in resources:
            answer["ResourceConfig"] = {
                **resources,
                "SelectedInstanceType": self.machine,
                "SelectedInstanceCount": resources["InstanceCount"],
            }
        begun = [t["StartTime"] for t in self.transitions if t["Status"] == "Downloading"]
        if begun:
            answer["TrainingStartTime"] = begun[0]
        if self.over:
            answer["TrainingEndTime"] = self.modified
            answer["TrainingTimeInSeconds"] = answer["BillableTimeInSeconds"] = round(self.trained)
        return answer


class TrainingJobs:
    """`runner` carries a job out; while it is None, jobs stay as they are when they are made."""

    def __init__(self, account: LocalAccount) -> None:
        self.account, self.jobs = account, ResourceStore(TrainingJob)
        self.runner: Callable[[TrainingJob], None] | None = None

    def create(self, request: Request, region: str) -> Request:
        self.account.check_role(request.get("RoleArn", ""), region)
        is_listed = "InstancePreferences" in request["ResourceConfig"]
        one = request["ResourceConfig"].get("InstanceType")
        if is_listed == bool(one) or (is_listed and request.get("EnableManagedSpotTraining")):
            raise Refused(
                "InstancePreferences is mutually exclusive with InstanceType and with"
                " EnableManagedSpotTraining"
            )
        job = self.jobs.make(request, region)
        if self.runner:
            self.account.start(self.runner, job)
        return {"TrainingJobArn": job.arn}

    def stop(self, request: Request, region: str) -> Request:
        job = self.jobs.named(request, region)
        if job.over:
            raise job.not_stoppable()
        job.stop.set()
        return {}

    def search(self, request: Request, region: str) -> Request:
        """Finds jobs by a tag that they have, and by a part of their names."""
        filters = request["SearchExpression"]["Filters"]
        wanted = {one["Name"]: one.get("Value", "") for one in filters}
        part = wanted.pop("TrainingJobName", "")
        found = [
            {"TrainingJob": job.describe()}
            for job in self.jobs.all()
            if job.region == region
            and part in job.name
            and wanted.keys() <= {f"Tags.{tag['Key']}" for tag in job.request.get("Tags", [])}
        ]
        return {"Results": found[::-1]}
