"""A job while it goes on: its log to the last line, its phase, its cost so far."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError
from rich.console import Console
from rich.live import Live
from rich.text import Text

from imdb_cls.terminal import clock
from launch.aws.client import AWS, ConnectionLost, explained

_LOG_GROUP = "/aws/sagemaker/TrainingJobs"
OVER = ("Completed", "Failed", "Stopped", "Deleting")
# A log may arrive after the job is over: so many looks in a row must find nothing new.
_QUIET_LOOKS = 5
# Seconds without an answer after which following gives up; the job itself goes on.
_PATIENCE = 1800.0

Description = dict[str, Any]


def describe(aws: AWS, job: str) -> Description:
    with explained(f"looking at {job}"):
        return dict(aws.client("sagemaker").describe_training_job(TrainingJobName=job))


@dataclass
class Log:
    """The lines of a job, host by host, each given once."""

    aws: AWS
    job: str
    _tokens: dict[str, str] = field(default_factory=dict)

    def new_lines(self) -> Iterator[str]:
        """The lines that have come since the last call; with several hosts, behind their names."""
        streams = sorted(self._streams())
        hosts = {stream: stream.split("/")[-1].rsplit("-", 1)[0] for stream in streams}
        for stream in streams:
            mark = f"[{hosts[stream]}] " if len(set(hosts.values())) > 1 else ""
            for event in self._events(stream):
                yield mark + event["message"].rstrip("\n")

    def _streams(self) -> list[str]:
        logs = self.aws.client("logs")
        with explained("reading the log"):
            try:
                pages = logs.get_paginator("describe_log_streams").paginate(
                    logGroupName=_LOG_GROUP, logStreamNamePrefix=f"{self.job}/"
                )
                return [s["logStreamName"] for page in pages for s in page["logStreams"]]
            except ClientError as error:
                if error.response["Error"]["Code"] == "ResourceNotFoundException":
                    return []  # the first job of an account makes the group
                raise

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
            # The same token again: that was all for now.
            self._tokens[stream] = page["nextForwardToken"]
            if page["nextForwardToken"] == token:
                return


def follow(
    aws: AWS, job: str, console: Console, poll_seconds: float, price: float | None
) -> Description:
    """Shows a job until it is over and its log is complete. Returns its last description.

    Raises:
        UserError: AWS refuses to tell, because a login has expired for instance.
        ConnectionLost: AWS did not answer for half an hour.
    """
    log, quiet, lost_at, phase = Log(aws, job), 0, None, ""
    with Live(console=console, transient=True, auto_refresh=False) as live:
        while True:
            try:
                description = describe(aws, job)
                over = description["TrainingJobStatus"] in OVER
                if not console.is_terminal and phase != description["SecondaryStatus"]:
                    phase = description["SecondaryStatus"]
                    console.print(status_line(job, description, price), markup=False)
                quiet += 1
                for line in log.new_lines():
                    console.print(line, markup=False, highlight=False)
                    quiet = 0
                if lost_at is not None:
                    console.print("connected again")
                lost_at = None
            except ConnectionLost as error:
                if lost_at is None:
                    lost_at = time.monotonic()
                    console.print(f"{error}; the job goes on, trying again", markup=False)
                if time.monotonic() - lost_at > _PATIENCE:
                    raise
            else:
                if over and quiet >= _QUIET_LOOKS:
                    return description
                quiet = quiet if over else 0
                live.update(Text(status_line(job, description, price)), refresh=True)
            time.sleep(poll_seconds)


def status_line(job: str, description: Description, price: float | None) -> str:
    """`imdb-cls-…: Training, 3:12, $0.20 so far`: the time since it was submitted."""
    parts = [f"{job}: {description['SecondaryStatus']}", clock(seconds_since(description))]
    if price is not None:
        parts.append(f"${cost(description, price):.2f} so far")
    return ", ".join(parts)


def seconds_since(description: Description) -> float:
    """Seconds from the submission of a job to now, or to its end."""
    end = description.get("TrainingEndTime") or datetime.now(UTC)
    return float((end - description["CreationTime"]).total_seconds())


def trained_seconds(description: Description) -> float:
    """Seconds that are billed, or would be if the job ended now."""
    if "BillableTimeInSeconds" in description:
        return float(description["BillableTimeInSeconds"])
    begun = description.get("TrainingStartTime")
    if begun is None:
        return 0.0
    end = description.get("TrainingEndTime") or datetime.now(UTC)
    return max(0.0, float((end - begun).total_seconds()))


def cost(description: Description, price: float) -> float:
    """USD: the billed seconds, of every instance. A spot job's billed seconds are discounted."""
    count = int(description["ResourceConfig"].get("InstanceCount", 1))
    return trained_seconds(description) * count * price / 3600
