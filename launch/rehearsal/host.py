"""Carries training jobs out on this machine, as SageMaker's instances do."""

import itertools
import re
import time
from collections.abc import Collection
from dataclasses import dataclass
from math import inf
from pathlib import Path

from imdb_cls.errors import UserError
from launch.aws.s3 import upload_tree
from launch.rehearsal import container, files
from launch.rehearsal.account import ROLE_KEY, LocalAccount
from launch.rehearsal.logs import JobLog
from launch.rehearsal.process import Batches, BoundProcess, Process
from launch.rehearsal.training_jobs import TrainingJob

# Seconds that SageMaker lets pass between SIGTERM and SIGKILL.
_GRACE_S = 120.0
_LOOK_S = 0.05


@dataclass
class Host:
    directory: Path
    """Where the files of all jobs lie."""
    account: LocalAccount
    without: Collection[str] = ()
    """The instance types that there are no machines of."""
    interrupt_at: float = inf
    """Interrupts a spot job once, when it prints this step."""

    def __post_init__(self) -> None:
        self._packages = container.packages(self.directory)

    def run(self, job: TrainingJob) -> None:
        """The whole life of a job. Any error in here is the job's failure."""
        try:
            if job.take_machine(self.without):
                self._run(job)
        except UserError as error:
            job.enter("Failed", f"ClientError: {error}")
        except Exception as error:
            job.enter("Failed", f"InternalServerError: {type(error).__name__}: {error}")

    def _run(self, job: TrainingJob) -> None:
        s3, directory = self.account.client("s3", job.region), self.directory / job.name
        files.remember(job, directory)
        for attempt in itertools.count():
            hosts = [directory / str(attempt) / name for name in job.hosts]
            job.enter("Downloading")
            for host in hosts:
                files.provide(s3, job, host)
            job.enter("Training")
            started = time.monotonic()
            end, code = self._train(job, hosts, self.interrupt_at if attempt == 0 else inf)
            job.trained += time.monotonic() - started
            for host in hosts:
                upload_tree(s3, host / "ml/checkpoints", job.checkpoints)
            if self.account.closed.is_set():
                return job.enter("Stopped")
            if end != "Interrupted":
                break
            job.enter("Interrupted")
            job.enter("Restarting")
        job.enter("Uploading")
        files.upload_results(s3, job, hosts)
        reason = f"AlgorithmError: {files.failure(hosts)}, exit code: {code}"
        return job.enter(end, reason if end == "Failed" else None)

    def _train(self, job: TrainingJob, hosts: list[Path], interrupt_at: float) -> tuple[str, int]:
        """Runs the containers of an attempt. Returns the phase that comes of it, and the exit code
        of the first container that failed, or 0."""
        job.interrupt.clear()
        containers = [self._start(job, host, interrupt_at) for host in hosts]
        end = self._wait(job, [one.process for one in containers])
        for one in containers:
            one.join()
        code = next((one.process.returncode for one in containers if one.process.returncode), 0)
        return end or ("Failed" if code else "Completed"), code

    def _start(self, job: TrainingJob, host: Path, interrupt_at: float) -> BoundProcess:
        algorithm = job.request["AlgorithmSpecification"]
        isolated = bool(job.request.get("EnableNetworkIsolation"))
        log = JobLog(self.account, job, host.name)

        def read(batches: Batches) -> None:
            for lines in batches:
                log.write(lines)
                for line in lines:
                    step = re.match(r"step=(\d+) ", line)
                    if step and int(step[1]) >= interrupt_at:
                        job.interrupt.set()

        command = container.command(host, self._packages, isolated)
        for part in ("ContainerEntrypoint", "ContainerArguments"):
            command += algorithm.get(part, [])
        variables = container.environment(host, self._packages)
        if not isolated:
            variables |= self.account.environment(job.region, ROLE_KEY)
        variables |= job.request.get("Environment", {})
        variables |= {"TRAINING_JOB_NAME": job.name, "TRAINING_JOB_ARN": job.arn}
        return BoundProcess(command, variables, read)

    def _wait(self, job: TrainingJob, containers: list[Process]) -> str | None:
        """Waits until all containers have ended. Tells them to, and returns the phase that comes of
        it, when the job is stopped, late or interrupted, or one of them has failed."""
        limit = job.request["StoppingCondition"].get("MaxRuntimeInSeconds", 86400)
        deadline, killed_at, end = time.monotonic() + limit - job.trained, 0.0, None
        while any(one.poll() is None for one in containers):
            now = time.monotonic()
            if self.account.closed.is_set() or (end and now > killed_at):
                for one in containers:
                    one.kill()
            elif end is None and (end := _ending(job, containers, now > deadline)):
                if end == "Stopped":
                    job.enter("Stopping")
                killed_at = now + _GRACE_S
                for one in containers:
                    container.terminate(one)
            time.sleep(_LOOK_S)
        return end


def _ending(job: TrainingJob, containers: list[Process], late: bool) -> str | None:
    """The phase in which running containers have to end; None while they may go on."""
    if job.stop.is_set():
        return "Stopped"
    if late:
        return "MaxRuntimeExceeded"
    if any(one.poll() for one in containers):
        return "Failed"
    return "Interrupted" if job.interrupt.is_set() else None
