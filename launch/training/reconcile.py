"""Brings together what is on record of a run's job and what AWS knows of it.

The record holds the request of a job until AWS is known to have got it. So there is no job that is
not on record, and one that AWS does not know is sent again under its name: that makes no second
one, even if the first request arrives late.
"""

import contextlib
import os
from collections.abc import Iterator
from datetime import datetime, timedelta

from imdb_cls.errors import UserError
from imdb_cls.runs.info import JobInfo
from imdb_cls.runs.run import RUN_NAME, Run
from imdb_cls.storage import lock
from launch.aws.client import AWS, explained, unless_gone
from launch.aws.creating import Unsettled, create
from launch.aws.instances import asked, instead
from launch.hosting.names import digest
from launch.training.follow import Description, describe

# More than the clocks here and in AWS may differ: AWS refuses signatures that are 15 minutes off.
_SKEW = timedelta(minutes=20)


@contextlib.contextmanager
def alone(run: Run) -> Iterator[None]:
    """Raises UserError while another process sends the job of this run."""
    descriptor = os.open(run.path, os.O_RDONLY)
    try:
        if not lock(descriptor):
            raise UserError(
                f"{run.path}: another process is sending its job: then"
                f" python -m launch.jobs attach {run.path}"
            )
        yield
    finally:
        os.close(descriptor)


def on_record(run: Run) -> tuple[str, JobInfo]:
    """The name of a run's job, and what is known of it. Raises UserError if they are damaged:
    another job would be made, followed or stopped."""
    info = run.info()
    name, job = str(info.job_name), info.job
    wrong = ["job"]
    if job:
        wrong = [key for key in ("region", "output") if getattr(job, key) is None]
        if not wrong and not job.output.endswith(f"/{name}"):
            wrong = ["job_name"]
        if job.request is not None:
            kept = (job.request.get("TrainingJobName"), digest(job.request))
            wrong += ["request"] * (kept != (name, job.request_digest or kept[1]))
            wrong += ["started"] * (info.started is None)
        elif job.request_digest:
            wrong += ["request"]
    if job is None or wrong:
        raise UserError(
            f"{run.record_file} is damaged: {wrong[0]} is not what was recorded:"
            " python -m launch.jobs list shows the jobs; attach, fetch and stop take their names"
        )
    return name, job


def send(run: Run, aws: AWS) -> None:
    """Sends the request that is on record.

    Raises:
        UserError: AWS refuses it, and there is no job.
        Unsettled: there may be one, or may be one yet.
    """
    name, job = on_record(run)
    assert job.request is not None
    taken = f"choose another backend.job_name than {name}, or leave it out"
    quota = instead(asked(job.request["ResourceConfig"]), job.spot)
    hints = {"ResourceInUse": taken, "ResourceLimitExceeded": quota}

    def is_there() -> bool:
        there = unless_gone(aws.client("sagemaker").describe_training_job, TrainingJobName=name)
        return there is not None and _is_ours(run, there)

    create(aws, "CreateTrainingJob", job.request, is_there, "submitting the job", **hints)
    _settle(run, job)


def reconcile(run: Run, aws: AWS) -> Description | None:
    """How the job of a run stands. It is sent if AWS knows no such job and its request is on record
    still. None: AWS has it no more.

    Raises:
        UserError: AWS refuses to tell, or refuses the job, or is another account.
    """
    there = look(run, aws)
    _, job = on_record(run)
    if job.request is None:
        return there
    if there is None:
        with alone(run):
            try:
                if run.info().required_job().request is not None:
                    send(run, aws)
            except Unsettled as error:
                raise error.advising(still_unsettled(run)) from None
            except UserError as error:
                give_up = f"python -m launch.jobs stop {run.path} gives the job up"
                raise type(error)(f"{error}; {give_up}") from None
        there = describe(aws, str(run.info().job_name))
    _settle(run, job)
    return there


def look(run: Run, aws: AWS) -> Description | None:
    """How the job of a run stands, as AWS has it; None: there is none.

    Raises:
        UserError: AWS refuses to tell, is another account, or has another run's job of that name.
    """
    name, job = on_record(run)
    with explained(f"looking at {name}"):
        there = unless_gone(aws.client("sagemaker").describe_training_job, TrainingJobName=name)
    if there is None:
        account = aws.account()
        if (job.region, job.account or account) != (aws.region, account):
            raise UserError(
                f"{name} was sent to account {job.account} in {job.region}, this is {account} in"
                f" {aws.region}: log in there, or choose its AWS_PROFILE"
            )
    elif job.request is not None and not _is_ours(run, there):
        release(run)
        raise UserError(
            f"{name} was never made: another job has that name: choose another backend.job_name,"
            " or leave it out"
        )
    return there


def lost(run: Run) -> str:
    """Records that AWS has the job of a run no more, so that the run can go on. Returns why."""
    reason = f"AWS has no job {run.info().job_name} any more"
    run.record(status="stopped", reason=reason)
    return reason


def release(run: Run) -> None:
    """Takes back the record of a job that was never made. What the jobs before it left stays."""
    info = run.info()
    if not info.previous_jobs:
        run.record_file.unlink()
        run.config_file.unlink()
        return
    *earlier, last = info.previous_jobs
    run.record(status="stopped", job=last, job_name=last.name, previous_jobs=earlier)


def still_unsettled(run: Run) -> str:
    """What to do about a job of which nobody knows whether it was made."""
    return (
        f"it may have been created all the same: python -m launch.jobs attach {run.path} finds out"
        " and goes on, stop gives it up"
    )


def _settle(run: Run, job: JobInfo) -> None:
    job.request = job.request_digest = None
    run.record(job=job)


def _is_ours(run: Run, there: Description) -> bool:
    """Whether a job is the one whose request is on record: a name can be chosen twice."""
    info = run.info()
    request, begun = info.required_job().request, datetime.fromisoformat(str(info.started))
    assert request is not None
    theirs = there.get("Environment", {}).get(RUN_NAME)
    is_new = there["CreationTime"] > begun - _SKEW
    return bool(is_new and theirs == request["Environment"][RUN_NAME])
