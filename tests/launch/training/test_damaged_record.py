"""A damaged record of a job makes no second one, and neither follows nor stops another's."""

import json
import shutil
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
        del record["job"]["request"]
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
