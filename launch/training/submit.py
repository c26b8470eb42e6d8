"""Sends a job that was planned: uploads what it needs, puts it on record, asks for it."""

import contextlib
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from imdb_cls.errors import UserError
from imdb_cls.runs.info import JobInfo, RunInfo
from imdb_cls.runs.run import RUN_NAME, Run
from launch.aws.client import AWS, ConnectionLost, explained
from launch.training import secret
from launch.training.request import Request
from launch.training.submission import Submission

# An answer to CreateTrainingJob may be lost and asked for again for as long as that.
_LOST_ANSWER = timedelta(minutes=10)


def upload(submission: Submission, aws: AWS) -> int:
    """Puts what the job needs where it finds it. Returns how many files were not there yet."""
    secret.send(submission.resolved.config, aws)
    for channel in submission.channels:
        submission.store.put(channel)
    return len(submission.store.uploaded)


def submit(
    submission: Submission,
    aws: AWS,
    run: Run,
    overrides: list[str],
    before: RunInfo | None = None,
) -> None:
    """Records the run, sends the request.

    Args:
        before: run.json of an attempt at the same run, in whose place this one stands.

    Raises:
        UserError: AWS refuses the job, or does not answer.
        KeyboardInterrupt: the job may have been created.
    """
    job, planned = submission.job, submission.plan
    if before:
        for path in run.path.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    # On record before the job exists: whatever happens now, the run directory knows its name.
    Run.create(
        run.path,
        submission.resolved.config,
        overrides=overrides,
        fingerprint=job.fingerprint,
        resolved=submission.resolved.record,
        device=planned.instance.name,
        precision=planned.precision,
        backend="sagemaker",
        job_name=job.name,
        logger_id=None,
        rehearsal=planned.backend.rehearse,
        sweep=job.sweep,
        previous_jobs=_previous(before) if before else None,
        job=JobInfo(
            region=aws.region,
            instance_type=planned.instance.name,
            instance_count=planned.backend.instance_count,
            spot=planned.backend.spot,
            image=job.image,
            output=f"{job.folder}/{job.name}",
            checkpoints=job.checkpoints,
            price_per_hour=planned.instance.price,
            ceiling_usd=None if planned.ceiling is None else round(planned.ceiling, 4),
        ),
    )
    try:
        _send(submission.request, aws)
    except UserError:
        if before:
            run.record(**before.as_json())
        else:
            with contextlib.suppress(FileNotFoundError):
                run.record_file.unlink()
                run.config_file.unlink()
        raise
    except KeyboardInterrupt:
        print(f"the job may have been created: python -m launch.jobs attach {run.path}", flush=True)
        raise
    except ConnectionLost as error:
        raise UserError(
            f"{error}; the job may have been created all the same:"
            f" python -m launch.jobs attach {run.path}"
        ) from None


def _previous(before: RunInfo) -> list[JobInfo]:
    assert before.job
    return [*(before.previous_jobs or []), replace(before.job, name=before.job_name)]


def _send(made: Request, aws: AWS) -> None:
    client, name = aws.client("sagemaker"), made["TrainingJobName"]
    taken = f"choose another backend.job_name than {name}, or leave it out"
    with explained("submitting the job", ResourceInUse=taken):
        try:
            client.create_training_job(**made)
        except client.exceptions.ResourceInUse:
            there = client.describe_training_job(TrainingJobName=name)
            new = datetime.now(UTC) - there["CreationTime"] < _LOST_ANSWER
            run = there.get("Environment", {}).get(RUN_NAME)
            # Ours: the first answer was lost on its way, and boto3 asked again.
            if not (new and run == made["Environment"][RUN_NAME]):
                raise
