"""Follows the job of a run to its end, and completes the run directory."""

import contextlib
import sys

from imdb_cls.errors import UserError, printable
from imdb_cls.runs.run import Run
from imdb_cls.terminal import Screen
from imdb_cls.training.complete import complete
from launch.aws.client import AWS, connect, explained
from launch.training.fetch import fetch
from launch.training.follow import Description, Log, follow

# So many of the last lines of a failed job's log are shown again below the cause.
_LAST_LINES = 20


def open_remote(path: str) -> Run:
    """The run directory of a job. Raises UserError if there is no run, it has no job, or its job
    was a rehearsal's."""
    run = Run.open(path)
    info = run.info()
    if info.job_name is None:
        raise UserError(f"{path} ran on this machine: there is no job")
    if info.rehearsal:
        raise UserError(f"{path} was a rehearsal: its AWS ended with it")
    return run


def aws_of(run: Run) -> AWS:
    return connect(run.info().required_job().region)


def attach(run: Run, aws: AWS, screen: Screen, poll_seconds: float) -> float:
    """Follows the job of a run to its end and fetches what it left. Returns `metric` of the best
    checkpoint; ends the process with 1 if the job did not complete, with 130 on Ctrl-C.

    Raises:
        UserError: AWS refuses, an expired login for instance; the job goes on.
    """
    info = run.info()
    job, price = str(info.job_name), run.info().required_job().price_per_hour
    again = f"the job itself is not touched: python -m launch.jobs attach {run.path}"
    try:
        description = follow(aws, job, screen.console, poll_seconds, price)
    except KeyboardInterrupt:
        _detached(run, aws, job, screen)
        sys.exit(130)
    except UserError as error:
        raise UserError(f"{error}; {again}") from None
    try:
        fetch(run, aws, description)
    except UserError as error:
        raise UserError(f"{error}; once more: python -m launch.jobs fetch {run.path}") from None
    except KeyboardInterrupt:
        if not info.rehearsal:
            screen.say(f"not fetched; once more: python -m launch.jobs fetch {run.path}")
        sys.exit(130)
    return ended(run, aws, description, screen)


def ended(run: Run, aws: AWS, description: Description, screen: Screen) -> float:
    """Says how a fetched job ended. Returns `metric`. If the job failed or was stopped, it shows
    the cause and the last lines, and ends the process with exit code 1."""
    job = run.info().required_job()
    paid = "" if job.cost_usd is None else f", ${job.cost_usd:.2f}"
    screen.say(
        f"{description['TrainingJobName']}: {description['TrainingJobStatus']},"
        f" {job.seconds_billed} s billed{paid}"
    )
    screen.say(f"run directory: {run.path}")
    if description["TrainingJobStatus"] == "Completed":
        if not run.metrics_file.is_file():
            raise UserError(f"the job completed, but left no metrics.json in {job.output}")
        for line in complete(run, screen):
            screen.say(line)
        return run.best(run.config().metric)
    reason = description.get("FailureReason") or description["SecondaryStatus"]
    print(printable(f"error: {description['TrainingJobName']}: {reason}"), file=sys.stderr)
    lines: list[str] = []
    with contextlib.suppress(UserError):  # without its log the cause still helps
        lines = list(Log(aws, description["TrainingJobName"]).new_lines())
    if lines:
        last = map(printable, lines[-_LAST_LINES:])
        print("the end of its log:", *last, sep="\n  ", file=sys.stderr)
    sys.exit(1)


def _detached(run: Run, aws: AWS, job: str, screen: Screen) -> None:
    if run.info().rehearsal:
        stop(aws, job)
        screen.say("stopped: a rehearsal ends with its command")
        return
    screen.say(f"detached; the job goes on. Follow it: python -m launch.jobs attach {run.path}")
    screen.say(f"Stop it: python -m launch.jobs stop {run.path}")


def stop(aws: AWS, job: str) -> None:
    with explained(f"stopping {job}"):
        aws.client("sagemaker").stop_training_job(TrainingJobName=job)
