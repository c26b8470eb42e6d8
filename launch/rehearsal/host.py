"""Carries a training job out on this machine, as SageMaker's instances do: channels, containers,
log, metrics, checkpoints, results. Linux namespaces stand for Docker."""

import itertools
import json
import re
import tarfile
import threading
import time
from pathlib import Path
from typing import Any

from imdb_cls.errors import UserError
from launch.aws.s3 import download_tree, split_uri, upload_tree
from launch.rehearsal import environment
from launch.rehearsal.aws import LocalAWS
from launch.rehearsal.container import Container, namespaces
from launch.rehearsal.job import TrainingJob
from launch.rehearsal.logs import LogWriter

# SageMaker's: seconds between SIGTERM and SIGKILL.
_GRACE_S = 120.0
_LOOK_S = 0.05
# Beside the attempts at a job: where in S3 its checkpoints go.
_CHECKPOINTS = "checkpoints.uri"


class Host:
    """
    Args:
        directory: where the files of all jobs lie.
        interrupt_at_step: interrupts a spot job once, when it prints this step.
    """

    def __init__(
        self, directory: Path, aws: LocalAWS, region: str, interrupt_at_step: int | None = None
    ) -> None:
        self.directory, self.aws, self.region = directory, aws, region
        self.interrupt_at_step = interrupt_at_step
        self.s3 = aws.client("s3", region)
        self.containers: dict[str, list[Container]] = {}
        """Of each job."""
        self.closed = threading.Event()

    def close(self) -> None:
        """Ends every container at once."""
        self.closed.set()
        for container in itertools.chain(*list(self.containers.values())):
            container.kill()

    def restore(self) -> None:
        """Puts the checkpoints that jobs of an earlier rehearsal left in the directory into S3,
        where SageMaker would have kept them. The latest wins."""
        found = sorted(self.directory.glob(f"*/{_CHECKPOINTS}"), key=lambda p: p.stat().st_mtime)
        for record in found:
            attempts = [path for path in record.parent.iterdir() if path.name.isdecimal()]
            for attempt in sorted(attempts, key=lambda path: int(path.name)):
                for ml in attempt.glob("*/ml"):
                    upload_tree(self.s3, ml / "checkpoints", record.read_text(encoding="utf-8"))

    def run(self, job: TrainingJob) -> None:
        """The whole life of a job. What goes wrong in here is the job's failure."""
        try:
            self._run(job)
        except Exception as error:
            job.enter("Failed", f"InternalServerError: {type(error).__name__}: {error}")

    def _run(self, job: TrainingJob) -> None:
        interrupt_at = self.interrupt_at_step
        record = self.directory / job.name / _CHECKPOINTS
        record.parent.mkdir(parents=True)
        record.write_text(self._checkpoints(job), encoding="utf-8")
        for attempt in itertools.count():
            base = self.directory / job.name / str(attempt)
            job.enter("Downloading")
            hosts = [f"algo-{i + 1}" for i in range(job.request["ResourceConfig"]["InstanceCount"])]
            try:
                for host in hosts:
                    self._provide(job, base / host, host, hosts)
            except UserError as error:
                job.enter("Failed", f"ClientError: {error}")
                return
            job.enter("Training")
            started = time.monotonic()
            end = self._train(job, base, hosts, interrupt_at)
            job.trained += time.monotonic() - started
            for host in hosts:
                upload_tree(self.s3, base / host / "ml" / "checkpoints", self._checkpoints(job))
            if end.interrupted:
                job.enter("Interrupted")
                job.enter("Restarting")
                interrupt_at = None
                continue
            if self.closed.is_set():
                job.enter("Stopped")
                return
            job.enter("Uploading")
            self._upload_results(job, [base / host / "ml" for host in hosts])
            self._conclude(job, end, [base / host / "ml" for host in hosts])
            return

    def _provide(self, job: TrainingJob, base: Path, host: str, hosts: list[str]) -> None:
        """Everything below /opt/ml before the container starts."""
        ml = base / "ml"
        for name in ("input/config", "input/data", "model", "output/data", "checkpoints"):
            (ml / name).mkdir(parents=True)
        for name in ("tmp", "home"):
            (base / name).mkdir()
        names = "".join(f"127.0.0.1 {name}\n" for name in ("localhost", *hosts))
        (base / "hosts").write_text(names, encoding="utf-8")
        config = ml / "input" / "config"
        request = job.request
        channels = {}
        for channel in request.get("InputDataConfig", []):
            source = channel["DataSource"]["S3DataSource"]
            target = ml / "input" / "data" / channel["ChannelName"]
            if not download_tree(self.s3, source["S3Uri"], target):
                raise UserError(
                    f"Data download failed: no S3 objects found under {source['S3Uri']}"
                )
            channels[channel["ChannelName"]] = {
                "TrainingInputMode": channel.get("InputMode", "File"),
                "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
                "RecordWrapperType": "None",
            }
        download_tree(self.s3, self._checkpoints(job), ml / "checkpoints")
        resources: dict[str, Any] = {
            "current_host": host,
            "current_instance_type": request["ResourceConfig"]["InstanceType"],
            "current_group_name": "homogeneousCluster",
            "hosts": hosts,
            "network_interface_name": "lo",
        }
        for name, content in (
            ("hyperparameters", request.get("HyperParameters", {})),
            ("inputdataconfig", channels),
            ("resourceconfig", resources),
        ):
            (config / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")

    def _train(
        self, job: TrainingJob, base: Path, hosts: list[str], interrupt_at: int | None
    ) -> "_End":
        """Runs the containers until all have ended, one has failed, or they are told to stop."""
        request, end = job.request, _End()
        isolated = bool(request.get("EnableNetworkIsolation"))
        binaries = environment.make(base / "env")
        containers = []
        interrupt = threading.Event()

        def watch(line: str) -> None:
            step = re.match(r"step=(\d+) ", line)
            if step and interrupt_at is not None and int(step[1]) >= interrupt_at:
                interrupt.set()

        program = [
            *request["AlgorithmSpecification"].get("ContainerEntrypoint", []),
            *request["AlgorithmSpecification"].get("ContainerArguments", []),
        ]
        for host in hosts:
            log = LogWriter(self.aws, self.region, job, host, watch)
            variables = {
                **environment.variables(binaries, base / host),
                **({} if isolated else self.aws.environment(self.region)),
                **request.get("Environment", {}),
                "TRAINING_JOB_NAME": job.name,
                "TRAINING_JOB_ARN": job.arn,
            }
            begin = namespaces(isolated)
            readonly = environment.packages()
            containers.append(
                Container(begin, base / host, host, readonly, program, variables, log)
            )
        self.containers[job.name] = containers
        limit = request["StoppingCondition"].get("MaxRuntimeInSeconds", 86400)
        deadline, told = time.monotonic() + limit - job.trained, None
        while any(container.running for container in containers):
            late = time.monotonic() > deadline
            failed = any(container.code for container in containers)
            if told is None and (job.stop.is_set() or interrupt.is_set() or late or failed):
                told = time.monotonic()
                end.stopped, end.late = job.stop.is_set(), late
                end.interrupted = interrupt.is_set() and not (end.stopped or late or failed)
                if end.stopped:
                    job.enter("Stopping")
                for container in containers:
                    container.terminate()
            if told is not None and time.monotonic() - told > _GRACE_S:
                for container in containers:
                    container.kill()
            time.sleep(_LOOK_S)
        for container in containers:
            container.finish()
        end.codes = [container.code or 0 for container in containers]
        return end

    def _conclude(self, job: TrainingJob, end: "_End", roots: list[Path]) -> None:
        if end.stopped:
            return job.enter("Stopped")
        if end.late:
            return job.enter("MaxRuntimeExceeded")
        if not any(end.codes):
            return job.enter("Completed")
        reasons = [root / "output" / "failure" for root in roots]
        said = next((r.read_text(encoding="utf-8") for r in reasons if r.is_file()), "")
        code = next(code for code in end.codes if code)
        return job.enter("Failed", f"AlgorithmError: {said or 'no cause given'}, exit code: {code}")

    def _upload_results(self, job: TrainingJob, roots: list[Path]) -> None:
        """model.tar.gz and output.tar.gz, of all hosts together."""
        output = job.request["OutputDataConfig"]["S3OutputPath"].rstrip("/")
        for name, folder in (("model", "model"), ("output", "output/data")):
            archive = self.directory / job.name / f"{name}.tar.gz"
            files = {
                path.relative_to(root / folder).as_posix(): path
                for root in roots
                for path in sorted((root / folder).rglob("*"))
                if path.is_file()
            }
            if not files and name == "output":
                continue
            with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
                for member, path in files.items():
                    tar.add(path, member)
            bucket, key = split_uri(f"{output}/{job.name}/output/{name}.tar.gz")
            self.s3.upload_file(str(archive), bucket, key)

    def _checkpoints(self, job: TrainingJob) -> str:
        return str(job.request["CheckpointConfig"]["S3Uri"])


class _End:
    """How the containers of a job ended."""

    def __init__(self) -> None:
        self.codes: list[int] = []
        self.stopped = self.late = self.interrupted = False
