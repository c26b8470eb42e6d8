"""A run's metrics in CloudWatch: the expressions that find them in the log, and reading them."""

import csv
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from imdb_cls.config import CloudWatchConfig
from imdb_cls.names import LOGGED
from imdb_cls.runs.run import Run
from imdb_cls.storage import replacing
from imdb_cls.training.loggers.aws import dimensions
from launch.aws.client import AWS, explained

_NAMESPACE = "/aws/sagemaker/TrainingJobs"
# A decimal as Python writes a float. CloudWatch takes no NaN and no infinity; neither matches.
_NUMBER = r"-?[0-9]+(?:\.[0-9]+)?(?:e[-+]?[0-9]+)?"
# CloudWatch keeps values second by second for three hours, then minute by minute for 15 days, then
# in fives for 63. Each period is in seconds.
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
_KEPT = {timedelta(hours=3): 1, timedelta(days=15): 60, timedelta(days=63): 300}


def definitions() -> list[dict[str, str]]:
    """A MetricDefinition for every name, matching the lines of training/loggers/lines.py."""
    return [{"Name": name, "Regex": rf"(?:^|\s){name}=({_NUMBER})(?:\s|$)"} for name in LOGGED]


class Row(NamedTuple):
    """The values of one metric within one period."""

    time: str
    name: str
    value: float
    """The mean of the values."""
    samples: int
    """How many values `value` is the mean of."""


def read(aws: AWS, job: str, description: dict[str, Any]) -> list[Row]:
    """The metrics that SageMaker put into CloudWatch for a job, by name and time."""
    end = description.get("TrainingEndTime") or datetime.now(UTC)
    return _read(aws, _NAMESPACE, {"TrainingJobName": job}, description["CreationTime"], end)


def read_logged(aws: AWS, run: Run, settings: CloudWatchConfig) -> list[Row]:
    """The metrics that logger=cloudwatch put into CloudWatch for a run on this machine."""
    info = run.info()
    start = datetime.fromisoformat(str(info.started))
    end = datetime.fromisoformat(info.finished) if info.finished else datetime.now(UTC)
    return _read(aws, settings.namespace, dimensions(run, "local"), start, end)


def _read(
    aws: AWS, namespace: str, dimensions: dict[str, str], start: datetime, end: datetime
) -> list[Row]:
    age = datetime.now(UTC) - start
    period = next((seconds for longest, seconds in _KEPT.items() if age < longest), 3600)
    where = [{"Name": key, "Value": value} for key, value in dimensions.items()]
    queries = [
        {
            "Id": f"{statistic.lower()}{number}",
            "MetricStat": {
                "Metric": {"Namespace": namespace, "MetricName": name, "Dimensions": where},
                "Period": period,
                "Stat": statistic,
            },
        }
        for number, name in enumerate(LOGGED)
        for statistic in ("Average", "SampleCount")
    ]
    found = defaultdict[str, dict[datetime, float]](dict)
    with explained("reading metrics"):
        results = aws.listed(
            "cloudwatch",
            "get_metric_data",
            "MetricDataResults",
            MetricDataQueries=queries,
            StartTime=start - timedelta(minutes=1),
            EndTime=end + timedelta(minutes=1),
            ScanBy="TimestampAscending",
        )
    for result in results:
        values = zip(result["Timestamps"], result["Values"], strict=True)
        found[result["Id"]].update(values)
    return [
        Row(
            at.astimezone(UTC).isoformat(),
            name,
            value,
            int(found[f"samplecount{number}"].get(at, 1)),
        )
        for number, name in enumerate(LOGGED)
        for at, value in found[f"average{number}"].items()
    ]


def write(rows: list[Row], path: Path) -> None:
    """Writes a csv with the columns of Row."""
    with replacing(path) as new, new.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([Row._fields, *rows])


def shown(name: str, rows: list[Row]) -> dict[str, str]:
    """A metric's row of the table."""
    values = [row.value for row in rows if row.name == name]
    samples = sum(row.samples for row in rows if row.name == name)
    return {
        "metric": name,
        "values": str(samples),
        "least": f"{min(values):.6g}",
        "greatest": f"{max(values):.6g}",
        "last": f"{values[-1]:.6g}",
    }
