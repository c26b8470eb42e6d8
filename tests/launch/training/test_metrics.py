"""Every logged value reaches CloudWatch once, exact, under the name that it has everywhere."""

import csv
import math
import random
import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from imdb_cls.errors import UserError
from imdb_cls.names import LOGGED
from imdb_cls.training.loggers.lines import line
from launch import jobs
from launch.aws.client import AWS
from launch.rehearsal.aws import LocalAWS
from launch.training import metrics
from launch.training.metrics import Row
from tests.support.local_aws import REGION
from tests.support.runs import rows

REGEXES = {d["Name"]: re.compile(d["Regex"]) for d in metrics.definitions()}
# Those that a float's shortest decimal can look like.
VALUES = (
    *(0.0, -0.0, 1.0, -1.0, 0.5, -0.25, 5e-05, 1e-07, -3.2e-12, 1e16, 1e22, 1.5e300, 5e-324),
    *(123456789.0, 0.1 + 0.2, 1 / 3, 2**60, 1e-4, 9.999e-05, 1.7976931348623157e308),
)


def found(text: str) -> list[tuple[str, float]]:
    """What SageMaker finds in a line: every match of every definition."""
    return [
        (name, float(match[1])) for name, regex in REGEXES.items() for match in regex.finditer(text)
    ]


@pytest.mark.parametrize("value", VALUES)
def test_a_value_is_found_once_and_exactly(value: float) -> None:
    for name in LOGGED:
        ((known, number),) = found(line({name: value}, 40, 1))
        assert known == name
        assert number == value
        assert math.copysign(1, number) == math.copysign(1, value)


def test_of_many_values_on_a_line_each_is_found_once() -> None:
    draw = random.Random(0)
    for _ in range(50):
        logged = {name: draw.uniform(-1, 1) * 10 ** draw.randint(-20, 20) for name in LOGGED}
        assert dict(found(line(logged, 7, 0))) == logged
        assert len(found(line(logged, 7, 0))) == len(LOGGED)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_cloudwatch_does_not_take_is_not_found(value: float) -> None:
    text = line({"train/loss": value, "val/loss": 0.5, "val/ece": value}, 40, 1)
    assert found(text) == [("val/loss", 0.5)]


@pytest.mark.parametrize(
    "text",
    [
        *("retrain/loss=0.5", "train/loss_sum=0.5", "train/loss=0.5x", "train/loss= 0.5"),
        *("train/loss=0.5.1", "train/loss=1e", "x-train/loss=1", "optimizer val/loss is 0.5"),
        "INFO overrides: ['train/loss=0.5']",
    ],
)
def test_what_only_looks_like_a_metric_is_not_found(text: str) -> None:
    assert found(text) == []


def test_the_definitions_keep_to_sagemakers_limits() -> None:
    made = metrics.definitions()
    assert 0 < len(made) <= 40
    assert all(len(d["Regex"]) <= 500 and len(d["Name"]) <= 255 for d in made)
    # One group: SageMaker takes the first one's match for the value.
    assert all(regex.groups == 1 for regex in REGEXES.values())


def test_there_is_a_definition_for_every_name_that_a_run_logs(trained: Path) -> None:
    assert list(REGEXES) == list(LOGGED)
    assert {row["name"] for row in rows(trained)} == set(LOGGED)


def test_of_a_real_run_every_value_of_metrics_csv_is_found_once(trained: Path) -> None:
    """train.log has the lines of stdout behind a time and a level, and whatever else was said."""
    log = (trained / "train.log").read_text(encoding="utf-8").splitlines()
    in_table = Counter((row["name"], float(row["value"])) for row in rows(trained))
    assert len(log) > 5
    assert Counter(pair for text in log for pair in found(text)) == in_table
    printed = [text.partition(" INFO ")[2] for text in log]
    assert Counter(pair for text in printed for pair in found(text)) == in_table


# Reading them back


def put(aws: LocalAWS, job: str, values: list[tuple[str, float, datetime]]) -> None:
    aws.client("cloudwatch", REGION).put_metric_data(
        Namespace="/aws/sagemaker/TrainingJobs",
        MetricData=[
            {
                "MetricName": name,
                "Dimensions": [{"Name": "TrainingJobName", "Value": job}],
                "Timestamp": at,
                "Value": value,
                "StorageResolution": 1,
            }
            for name, value, at in values
        ],
    )


def described(begun: datetime, ended: datetime | None = None) -> dict[str, Any]:
    return {"CreationTime": begun} | ({"TrainingEndTime": ended} if ended else {})


def test_the_metrics_of_a_job_are_read_back_by_name_and_time(aws: LocalAWS) -> None:
    begun = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)
    later = begun + timedelta(seconds=7)
    put(aws, "job-1", [("val/loss", 0.25, later), ("train/loss", 0.7, begun)])
    put(aws, "job-1", [("train/loss", 1 / 3, later)])
    put(aws, "job-2", [("train/loss", 9.0, begun)])
    assert metrics.read(AWS(REGION), "job-1", described(begun)) == [
        Row(begun.isoformat(), "train/loss", 0.7, 1),
        Row(later.isoformat(), "train/loss", 1 / 3, 1),
        Row(later.isoformat(), "val/loss", 0.25, 1),
    ]


def test_values_of_one_second_are_read_back_as_their_mean_and_counted(aws: LocalAWS) -> None:
    begun = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)
    put(aws, "job-1", [("train/loss", 1.0, begun), ("train/loss", 2.0, begun)])
    (row,) = metrics.read(AWS(REGION), "job-1", described(begun, begun + timedelta(minutes=1)))
    assert (row.value, row.samples) == (1.5, 2)


def test_a_job_without_metrics_has_none(aws: LocalAWS) -> None:
    assert metrics.read(AWS(REGION), "job-1", described(datetime.now(UTC))) == []


def test_who_may_not_read_metrics_is_told_so_in_one_line(
    aws: LocalAWS, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(UserError, match="reading metrics: no AWS credentials"):
        metrics.read(AWS(REGION), "job-1", described(datetime.now(UTC)))


def test_the_csv_holds_every_value_exactly(tmp_path: Path) -> None:
    written = [Row("2026-01-01T00:00:00+00:00", "val/loss", v, 1) for v in VALUES]
    metrics.write(written, tmp_path / "m.csv")
    with (tmp_path / "m.csv").open(newline="", encoding="utf-8") as file:
        read = list(csv.DictReader(file))
    assert list(read[0]) == ["time", "name", "value", "samples"]
    assert [float(row["value"]) for row in read] == list(VALUES)
    assert [path.name for path in tmp_path.iterdir()] == ["m.csv"]


def test_the_table_sums_a_metric_up() -> None:
    values = [
        Row(f"2026-01-01T00:00:0{i}+00:00", "val/loss", v, 1 + i)
        for i, v in enumerate([0.5, 0.125, 0.25])
    ]
    other = Row("2026-01-01T00:00:09+00:00", "val/ece", 9.0, 1)
    assert metrics.shown("val/loss", [*values, other]) == {
        "metric": "val/loss",
        "values": "6",
        "least": "0.125",
        "greatest": "0.5",
        "last": "0.25",
    }


def test_a_local_runs_metrics_are_read_back_exactly(
    aws: LocalAWS,
    train_here: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = train_here("logger=cloudwatch", "logger.cloudwatch.flush_seconds=0.1")
    output = tmp_path / "back.csv"
    jobs.run(jobs.Arguments(words=["metrics", str(run)], output=str(output)))
    assert "val/accuracy" in capsys.readouterr().out
    with output.open(newline="", encoding="utf-8") as file:
        back = [(row["name"], float(row["value"])) for row in csv.DictReader(file)]
    with (run / "metrics.csv").open(newline="", encoding="utf-8") as file:
        logged = [(row["name"], float(row["value"])) for row in csv.DictReader(file)]
    # Of values in one second CloudWatch gives the mean: those that came once are as they were.
    once = {name for name, _ in logged if [n for n, _ in logged].count(name) == 1}
    assert {"test/accuracy", "test/loss"} <= once
    assert {b for b in back if b[0] in once} == {x for x in logged if x[0] in once}
    assert {name for name, _ in back} == {name for name, _ in logged}


def test_a_local_run_that_sent_none_has_none(trained: Path) -> None:
    with pytest.raises(UserError, match=r"without logger=cloudwatch: see .*metrics\.csv"):
        jobs.run(jobs.Arguments(words=["metrics", str(trained)]))
