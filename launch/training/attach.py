"""Follows the job of a run to its end, and completes the run directory."""

import contextlib
import sys

from botocore.exceptions import ClientError

from imdb_cls.errors import UserError, printable
from imdb_cls.runs.run import Run
from imdb_cls.terminal import Screen
from imdb_cls.training.complete import complete
from launch.aws.client import AWS, connect, explained
from launch.aws.waiting import look_until_over
from launch.training.ending import lacked_machine, own_lines, reason_of
from launch.training.fetch import check_newest, fetch
from launch.training.follow import OVER, Description, Log, follow
from launch.training.reconcile import alone, look, lost, on_record, reconcile, release

_AS_JOB = "python -m imdb_cls.train +backend=sagemaker"
# So many of the last lines of a failed job's log are shown again below the cause.
_LAST_LINES = 20


class NoMachine(UserError):
    """No machine of a job's type could be had."""


def open_remote(path: str) -> tuple[Run, AWS]:
    """The run directory of a job, and AWS where the job is. Raises UserError if there is no run, it
    has no job, or its job was a rehearsal's."""
    run = Run.open(path)
    info = run.info()
    if info.job_name is None:
        raise UserError(f"{path} ran on this machine: there is no job")
    if info.rehearsal:
        raise UserError(f"{path} was a rehearsal: its AWS ended with it")
    return run, connect(on_record(run)[1].region)


def attach(run: Run, aws: AWS, screen: Screen, poll_seconds: float, others: bool = False) -> float:
    """Follows the job of a run to its end and fetches what it left. Returns `metric` of the best
    checkpoint; ends the process with 1 if the job did not complete, with 130 on Ctrl-C.

    Args:
        others: whether the caller tries other instance types.

    Raises:
        NoMachine: none could be had, and there are others.
        UserError: AWS refuses, an expired login for instance; the job goes on.
    """
    info = run.info()
    job, price = str(info.job_name), info.required_job().price_per_hour

    def is_made() -> bool:
        """Sends the job if it never was."""
        if reconcile(run, aws) is None:
            raise UserError(f"{lost(run)}: {_AS_JOB} resume={run.path}")
        return True

    check_newest(run)
    try:
        look_until_over(is_made, poll_seconds, screen.say)
        description = follow(aws, job, screen.console, poll_seconds, price)
    except KeyboardInterrupt:
        _detached(run, aws, job, screen)
        sys.exit(130)
    except UserError as error:
        if not run.info().is_live_job:
            raise
        again = f"python -m launch.jobs attach {run.path}"
        said = str(error) if again in str(error) else f"{error}; the job is not touched: {again}"
        raise type(error)(said) from None
    try:
        fetch(run, aws, description)
    except UserError as error:
        raise UserError(f"{error}; once more: python -m launch.jobs fetch {run.path}") from None
    except KeyboardInterrupt:
        if not info.rehearsal:
            screen.say(f"not fetched; once more: python -m launch.jobs fetch {run.path}")
        sys.exit(130)
    if others and lacked_machine(description):
        raise NoMachine(reason_of(description))
    return ended(run, aws, description, screen)


def ended(run: Run, aws: AWS, description: Description, screen: Screen) -> float:
    """Says how a fetched job ended. Returns `metric`. If the job failed or was stopped, it shows
    the cause and the last lines, and ends the process with exit code 1."""
    job = run.info().required_job()
    paid = "" if job.cost_usd is None else f", ${job.cost_usd:.2f}"
    paid += f"; spot has saved ${job.saved_usd:.2f}" if job.saved_usd else ""
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
    reason = printable(reason_of(description))
    print(f"error: {description['TrainingJobName']}: {reason}", file=sys.stderr)
    lines: list[str] = []
    with contextlib.suppress(UserError):  # without its log the cause still helps
        lines = own_lines(Log(aws, description["TrainingJobName"]).new_lines())
    if lines:
        last = map(printable, lines[-_LAST_LINES:])
        print("the end of its log:", *last, sep="\n  ", file=sys.stderr)
    if not run.info().rehearsal:
        types = job.next_types if lacked_machine(description) else None
        other = f" 'backend.instance_type=[{','.join(types)}]'" if types else ""
        screen.say(f"go on as a job: {_AS_JOB} resume={run.path}{other}")
    screen.say(f"go on here: python -m imdb_cls.train resume={run.path}")
    sys.exit(1)


def _detached(run: Run, aws: AWS, job: str, screen: Screen) -> None:
    if run.info().rehearsal:
        stop(aws, job)
        screen.say("stopped: a rehearsal ends with its command")
        return
    screen.say(f"detached; the job goes on. Follow it: python -m launch.jobs attach {run.path}")
    screen.say(f"Stop it: python -m launch.jobs stop {run.path}")


def stop(aws: AWS, job: str) -> None:
    client = aws.client("sagemaker")
    with explained(f"stopping {job}"):
        try:
            client.stop_training_job(TrainingJobName=job)
        except ClientError:
            # The answer to an earlier attempt may have been lost.
            there = client.describe_training_job(TrainingJobName=job)
            if there["TrainingJobStatus"] not in ("Stopping", "Stopped"):
                raise


def stop_run(run: Run, aws: AWS, screen: Screen) -> None:
    """Stops the job of a run, or gives up one that was never made. Raises UserError if it is over
    already."""
    with alone(run):
        there, info = look(run, aws), run.info()
        if there is None and info.is_unsettled:
            release(run)
            return screen.say(f"{info.job_name} was never made, and is given up")
    if there is None:
        raise UserError(f"{lost(run)}: {_AS_JOB} resume={run.path}")
    return stop_live(aws, there, run.path, screen)


def stop_live(aws: AWS, there: Description, word: object, screen: Screen) -> None:
    """
    Args:
        word: the run directory, or the name of the job.

    Raises:
        UserError: it is over.
    """
    job, fetched = there["TrainingJobName"], f"python -m launch.jobs fetch {word}"
    if there["TrainingJobStatus"] in OVER:
        raise UserError(f"{job} is in status {there['TrainingJobStatus']} already: {fetched}")
    stop(aws, job)
    screen.say(f"{job} is being stopped; then: {fetched}")
