"""Follows jobs: their phase, their log to its last line, their cost so far."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from rich.live import Live
from rich.text import Text

from imdb_cls.terminal import PlainConsole, clock
from launch.aws.client import AWS, explained, unless_gone
from launch.aws.instances import find
from launch.aws.waiting import look_until_over

_LOG_GROUP = "/aws/sagemaker/TrainingJobs"
OVER = ("Completed", "Failed", "Stopped", "Deleting")
# Lines may arrive after the job is over, so it is looked at until this many looks find none.
_QUIET_LOOKS = 5
# If these are the same in a list of jobs, the job has not changed.
_MOVING = ("LastModifiedTime", "TrainingJobStatus", "SecondaryStatus")

Description = dict[str, Any]


def describe(aws: AWS, job: str) -> Description:
    with explained(f"looking at {job}"):
        return dict(aws.client("sagemaker").describe_training_job(TrainingJobName=job))


def describe_all(aws: AWS, known: dict[str, Description]) -> dict[str, Description]:
    """How several jobs stand. One call lists them all; only those that have changed are described.

    Args:
        known: by name, how each job stood at the last look; empty for a job without one.
    """
    changed = dict.fromkeys(known)
    if len(known) > 1 and all(known.values()):
        earliest = min(job["CreationTime"] for job in known.values())
        with explained("looking at the jobs"):
            found = aws.listed(
                "sagemaker",
                "list_training_jobs",
                "TrainingJobSummaries",
                CreationTimeAfter=earliest - timedelta(seconds=1),
                PaginationConfig={"PageSize": 100},
            )
        for job in found:
            before = known.get(job["TrainingJobName"])
            if before and all(job.get(key) == before.get(key) for key in _MOVING):
                del changed[job["TrainingJobName"]]
    return {**known, **{job: describe(aws, job) for job in changed}}


@dataclass
class Log:
    """The log of a job. Each line is given once, host by host."""

    aws: AWS
    job: str
    _tokens: dict[str, str] = field(default_factory=dict)

    def new_lines(self) -> Iterator[str]:
        """The lines since the last call. Those of several hosts begin with the host's name."""
        where = {"logGroupName": _LOG_GROUP, "logStreamNamePrefix": f"{self.job}/"}
        with explained("reading the log"):
            # An account has the group from its first job on.
            found = unless_gone(
                partial(self.aws.listed, "logs", "describe_log_streams", "logStreams"), **where
            )
        streams = sorted(stream["logStreamName"] for stream in found or [])
        hosts = {stream: stream.split("/")[-1].rsplit("-", 1)[0] for stream in streams}
        for stream in streams:
            mark = f"[{hosts[stream]}] " if len(set(hosts.values())) > 1 else ""
            for event in self._events(stream):
                yield mark + event["message"].rstrip("\n")

    def _events(self, stream: str) -> Iterator[dict[str, Any]]:
        while True:
            token = self._tokens.get(stream)
            with explained("reading the log"):
                page = self.aws.client("logs").get_log_events(
                    logGroupName=_LOG_GROUP,
                    logStreamName=stream,
                    startFromHead=True,
                    **({"nextToken": token} if token else {}),
                )
            yield from page["events"]
            # The service repeats the token when there are no more lines.
            self._tokens[stream] = page["nextForwardToken"]
            if page["nextForwardToken"] == token:
                return


def follow(
    aws: AWS, job: str, console: PlainConsole, poll_seconds: float, price: float | None
) -> Description:
    """Shows a job until it is over and its log is complete. Returns its last description.

    Raises:
        UserError: AWS refuses to tell, because a login has expired for instance.
        ConnectionLost: AWS did not answer for half an hour.
    """
    log, quiet, phase, description = Log(aws, job), 0, "", Description()

    def look() -> bool:
        nonlocal quiet, phase, description
        description = describe(aws, job)
        if not console.is_terminal and phase != description["SecondaryStatus"]:
            phase = description["SecondaryStatus"]
            console.print(status_line(job, description, price))
        quiet += 1
        for line in log.new_lines():
            console.print(line)
            quiet = 0
        if description["TrainingJobStatus"] not in OVER:
            quiet = 0
        live.update(Text(status_line(job, description, price)), refresh=True)
        return quiet >= _QUIET_LOOKS

    with Live(console=console, transient=True, auto_refresh=False) as live:
        look_until_over(look, poll_seconds, console.print, "the job goes on, ")
    return description


def status_line(job: str, description: Description, price: float | None) -> str:
    """`imdb-cls-…: Training, 3:12, $0.20 so far`: the time since it was submitted."""
    parts = [f"{job}: {description['SecondaryStatus']}", clock(seconds_since(description))]
    if (paid := cost(description, price)) is not None:
        parts.append(f"${paid:.2f} so far")
    return ", ".join(parts)


def seconds_since(description: Description) -> float:
    """Seconds from the submission of a job to now, or to its end."""
    end = description.get("TrainingEndTime") or datetime.now(UTC)
    return float((end - description["CreationTime"]).total_seconds())


def trained_seconds(description: Description) -> float:
    """Seconds that are billed, or would be billed if the job ended now."""
    if "BillableTimeInSeconds" in description:
        return float(description["BillableTimeInSeconds"])
    begun = description.get("TrainingStartTime")
    if begun is None:
        return 0.0
    end = description.get("TrainingEndTime") or datetime.now(UTC)
    return max(0.0, float((end - begun).total_seconds()))


def price_of(description: Description, price: float | None) -> float | None:
    """USD an hour for one instance: `price`, unless SageMaker has chosen one of several types."""
    selected = description["ResourceConfig"].get("SelectedInstanceType")
    return find(selected).price if selected else price


def cost(
    description: Description, price: float | None, seconds: float | None = None
) -> float | None:
    """USD for the billed seconds of every instance, or for so many `seconds`, at `price` an hour as
    `price_of` takes it; None where no price is known. SageMaker discounts those of a spot job."""
    resources, price = description["ResourceConfig"], price_of(description, price)
    if price is None:
        return None
    count = int(resources.get("SelectedInstanceCount") or resources.get("InstanceCount", 1))
    paid = trained_seconds(description) if seconds is None else seconds
    return paid * count * price / 3600
