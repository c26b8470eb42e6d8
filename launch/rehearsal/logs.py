"""What becomes of the lines that a container prints: log events, and metrics if a regex matches."""

import contextlib
import re
import time
from datetime import UTC, datetime

from launch.rehearsal.account import LocalAccount
from launch.rehearsal.training_jobs import TrainingJob

_GROUP = "/aws/sagemaker/TrainingJobs"


class LogStream:
    """A stream of CloudWatch's, made if there is none."""

    def __init__(
        self, account: LocalAccount, region: str, group: str, stream: str = "AllTraffic/rehearsal"
    ) -> None:
        self._logs = account.client("logs", region)
        self._where = {"logGroupName": group, "logStreamName": stream}
        exists = self._logs.exceptions.ResourceAlreadyExistsException
        with contextlib.suppress(exists):
            self._logs.create_log_group(logGroupName=group)
        with contextlib.suppress(exists):
            self._logs.create_log_stream(**self._where)

    def write(self, lines: list[str]) -> None:
        now = int(time.time() * 1000)
        # CloudWatch Logs takes no empty message.
        events = [{"timestamp": now, "message": line or " "} for line in lines]
        if events:
            self._logs.put_log_events(**self._where, logEvents=events)


class JobLog(LogStream):
    """The log of one host of a job, and the metrics in it."""

    def __init__(self, account: LocalAccount, job: TrainingJob, host: str) -> None:
        stream = f"{job.name}/{host}-{int(time.time() * 1000)}"
        super().__init__(account, job.region, _GROUP, stream)
        self._job, self._cloudwatch = job, account.client("cloudwatch", job.region)
        defined = job.request["AlgorithmSpecification"].get("MetricDefinitions", [])
        self._metrics = [(metric["Name"], re.compile(metric["Regex"])) for metric in defined]

    def write(self, lines: list[str]) -> None:
        super().write(lines)
        now = time.time()
        found = [
            (name, float(match[1]))
            for line in lines
            for name, regex in self._metrics
            for match in regex.finditer(line)
        ]
        self._job.final_metrics |= {name: (value, now) for name, value in found}
        data = [
            {
                "MetricName": name,
                "Dimensions": [{"Name": "TrainingJobName", "Value": self._job.name}],
                "Timestamp": datetime.fromtimestamp(now, UTC),
                "Value": value,
                "StorageResolution": 1,
            }
            for name, value in found
        ]
        if data:
            self._cloudwatch.put_metric_data(Namespace=_GROUP, MetricData=data)
