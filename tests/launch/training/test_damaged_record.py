"""A damaged record of a job makes no second one, and neither follows nor stops another's."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from launch.hosting.names import digest
from tests.support.called import Said, call
from tests.support.doubles import Door
from tests.support.local_aws import REGION
from tests.support.runs import read

EVER = [("job", None), ("job.region", None), ("job.output", None), ("job_name", "other")]


@pytest.fixture
def run(door: Door, sent_off: Path, tmp_path: Path) -> Path:
    """A run that lies elsewhere than where it began. AWS may have got the request for its job, or
    not; there is another job of the name other."""
    shutil.copytree(sent_off, tmp_path / "job")
    record, request = read(tmp_path / "job" / "run", "run.json"), read(sent_off, "request.json")
    record["job"] |= {"request": request, "request_digest": digest(request)}
    write(tmp_path / "job" / "run", record)
    client = door.aws.client("sagemaker", REGION)
    client.create_training_job(**request | {"TrainingJobName": "other"})
    return tmp_path / "job" / "run"


def write(run: Path, record: Any) -> None:
    (run / "run.json").write_text(json.dumps(record))


def command(name: str, run: Path) -> Said:
    if name == "resume":
        return call("imdb_cls.train", "+backend=sagemaker", f"resume={run}")
    return call("launch.jobs", name, run)


@pytest.mark.parametrize("name", ["attach", "stop", "fetch", "metrics", "resume"])
@pytest.mark.parametrize(
    ("fact", "value", "settled"),
    [
        *((fact, value, settled) for fact, value in EVER for settled in (False, True)),
        ("started", None, False),
        ("job.request", None, False),
        ("job.request.TrainingJobName", "other", False),
        ("job.request.Environment", {}, False),
        ("job.request.ResourceConfig.InstanceCount", 9, False),
    ],
)
def test_a_record_that_is_not_the_one_that_was_written_is_one_line(
    door: Door, run: Path, name: str, fact: str, value: Any, settled: bool
) -> None:
    record = read(run, "run.json")
    if settled:
        del record["job"]["request"], record["job"]["request_digest"]
    *groups, last = fact.split(".")
    place = record
    for group in groups:
        place = place[group]
    place[last] = value
    write(run, record)
    before = (run / "run.json").read_bytes()
    line = command(name, run).line
    assert f"{run}/run.json is damaged: " in line
    assert "python -m launch.jobs list shows the jobs" in line
    assert door.jobs == ["other"]
    assert not door.aws.training.jobs.get("other", REGION).stop.is_set()
    assert (run / "run.json").read_bytes() == before


def test_a_whole_record_is_given_up_wherever_the_run_lies(door: Door, run: Path) -> None:
    name = read(run, "run.json")["job_name"]
    assert f"{name} was never made, and is given up" in command("stop", run).out
    assert door.jobs == ["other"]


def test_a_clock_that_is_wrong_takes_no_job_for_anothers(
    door: Door, run: Path, sent_off: Path
) -> None:
    """AWS refuses what is signed a quarter of an hour too early or too late."""
    record = read(run, "run.json")
    record["started"] = (datetime.now(UTC) + timedelta(minutes=15)).isoformat()
    write(run, record)
    request = read(sent_off, "request.json")
    door.aws.client("sagemaker", REGION).create_training_job(**request)
    assert "is being stopped" in command("stop", run).out
    assert read(run, "run.json")["job_name"] == record["job_name"]


@pytest.mark.usefixtures("impatient")
def test_a_job_that_is_stopped_is_no_error_where_the_answer_was_lost(
    door: Door, run: Path, sent_off: Path
) -> None:
    door.aws.client("sagemaker", REGION).create_training_job(**read(sent_off, "request.json"))
    job = door.aws.training.jobs.all()[-1]
    stop = door.aws._operations["StopTrainingJob"]

    def at_once(request: dict[str, Any], region: str) -> dict[str, Any]:
        answer = stop(request, region)
        job.enter("Stopped")
        return answer

    door.aws._operations["StopTrainingJob"] = at_once
    door.losing, door.lost = "StopTrainingJob", "cut"
    said = command("stop", run)
    assert (said.code, said.err) == (0, "")
    assert door.seen.count("StopTrainingJob") == 2
