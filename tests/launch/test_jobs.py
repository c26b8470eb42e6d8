"""python -m launch.jobs, beside attach."""

import os
import subprocess
from pathlib import Path

import pytest

from imdb_cls.runs.run import Run
from tests.support.called import Said
from tests.support.doubles import Following
from tests.support.local_aws import REGION, make_endpoint_and_batch, minimal_request
from tests.support.runs import read


def test_fetch_waits_for_nobody_and_can_be_repeated(following: Following) -> None:
    following.send()
    line = following.jobs("fetch", str(following.run)).line
    assert f"is not over (Training): python -m launch.jobs attach {following.run}" in line
    following.actor.may_end.set()
    assert following.jobs("attach", str(following.run)).code == 0
    (following.run / "metrics.json").unlink()
    again = following.jobs("fetch", str(following.run))
    assert (again.code, again.err) == (0, "")
    assert following.has_it_all()


def test_list_shows_every_job_of_a_run_whatever_its_name(following: Following) -> None:
    following.send()
    client = following.door.aws.client("sagemaker", REGION)
    request = read(following.run.parent, "request.json")
    client.create_training_job(**request | {"TrainingJobName": "mine"})
    client.create_training_job(**minimal_request("of-others"))
    said = following.jobs("list")
    assert (said.code, said.err) == (0, "")
    rows = [line.split() for line in said.out.splitlines()[2:]]
    assert [name for name, *_ in rows] == ["mine", following.name]
    for _, run, machine, status, *_ in rows:
        assert (run, machine) == (request["Environment"]["IMDB_CLS_RUN"], "ml.p3.2xlarge")
        assert status in {"Starting", "Downloading", "Training"}
    assert "until it ends" in said.out
    assert "no training jobs with 'of-others'" in following.jobs("list", "name=of-others").out


def test_list_says_what_a_job_has_cost_and_what_went_wrong(following: Following) -> None:
    following.actor.end, following.actor.reason = "Failed", "CapacityError: Unable to provision."
    following.actor.may_end.set()
    following.send()
    assert following.actor.idle.wait(30)
    (line,) = (x for x in following.jobs("list").out.splitlines() if following.name in x)
    assert "Failed" in line
    assert "$0.10" in line  # 90 s of a p3
    assert "CapacityError: Unable to provision: take backend.instance_type=" in line
    assert "until it ends" not in line


def test_list_shows_endpoints_and_transform_jobs_too(following: Following) -> None:
    make_endpoint_and_batch(following.door.aws)
    lines = following.jobs("list").out.splitlines()
    assert lines[0] == f"no training jobs of runs in {REGION}"
    (batch,) = (line for line in lines if "imdb-cls-batch-" in line)
    assert "2 x ml.m5.xlarge" in batch
    (endpoint,) = (line for line in lines if line.startswith("ours"))
    assert "1 x ml.m5.large" in endpoint
    assert "$0.115/hour" in endpoint
    for line in (batch, endpoint):
        assert "2026-11-22/22-41-00" in line


def test_list_says_what_one_may_not_list(following: Following) -> None:
    following.door.refuse("ListEndpoints", "AccessDeniedException", times=9)
    said = following.jobs("list")
    assert (said.code, said.err) == (0, "")
    assert "endpoints: listing endpoints: not allowed" in said.out


def test_a_lost_directory_loses_nothing(following: Following, tmp_path: Path) -> None:
    """Attach, stop and fetch take the name of a job, too."""
    following.send()
    lost = following.run.rename(tmp_path / "lost")
    line = following.jobs("fetch", following.name).line
    assert f"is not over (Training): python -m launch.jobs attach {following.name}" in line
    following.actor.may_end.set()
    place = tmp_path / "made" / "again"
    for command in ("attach", "fetch"):
        said = following.jobs(command, following.name, f"output={place}")
        assert (said.code, said.err) == (0, "")
        assert f"run directory: {place}" in said.out
    assert following.has_it_all(place)
    before, after = read(lost, "run.json"), read(place, "run.json")
    for fact in ("fingerprint", "resolved", "seed", "job_name", "backend"):
        assert after[fact] == before[fact], fact
    job = {**before["job"], "ceiling_usd": None}
    assert after["job"] == {**after["job"], **job}
    # It is a run of this machine: nothing in it leads into the container.
    assert "/opt/ml" not in (place / "config.yaml").read_text()
    assert Run.open(place, complete=True).config().cache_dir == os.environ["IMDB_CLS_CACHE"]


def test_a_job_that_left_no_run_says_so(following: Following, tmp_path: Path) -> None:
    request = read(following.run.parent, "request.json")
    client = following.door.aws.client("sagemaker", REGION)
    client.create_training_job(**request)
    following.job.enter("Failed", "CapacityError: no p3")
    line = following.jobs("fetch", following.name, f"output={tmp_path}/new").line
    assert f"{following.name} left no run: CapacityError: no p3" in line
    assert not (tmp_path / "new").exists()


def test_a_job_that_is_over_is_not_stopped(following: Following) -> None:
    following.actor.may_end.set()
    following.send()
    assert following.actor.idle.wait(30)
    for word in (str(following.run), following.name):
        line = following.jobs("stop", word).line
        over = f"is in status Completed already: python -m launch.jobs fetch {word}"
        assert f"{following.name} {over}" in line
    assert "StopTrainingJob" not in following.door.seen


def test_a_job_of_somebody_else_is_left_alone(following: Following) -> None:
    client = following.door.aws.client("sagemaker", REGION)
    client.create_training_job(**minimal_request("of-others"))
    for command in ("attach", "stop", "fetch"):
        assert "of-others is not the job of a run" in following.jobs(command, "of-others").line


def test_metrics_of_a_job_that_has_none_is_one_line(following: Following) -> None:
    request = read(following.run.parent, "request.json")
    following.door.aws.client("sagemaker", REGION).create_training_job(**request)
    line = following.jobs("metrics", str(following.run)).line
    assert f"CloudWatch has no metrics of {following.job.name}" in line
    assert not (following.run / "cloudwatch.csv").exists()


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["atach", "x"], "Did you mean 'attach'?"),
        ([], "allowed are list, attach, stop, fetch, metrics"),
        (["attach"], "attach takes one run directory, or the name of a job"),
        (["attach", "no-such-run"], "no-such-run: no such directory"),
        (["stop", "{local}"], "ran on this machine: there is no job"),
        (["list", "last=0"], "last=0"),
        (["list", "lst=3"], "Did you mean 'last'?"),
        (["list", "region=us-east-11"], "SageMaker knows no such region. Did you mean"),
    ],
)
def test_wrong_words_are_one_line(
    trained: Path, python: list[str], words: list[str], part: str
) -> None:
    given = [word.replace("{local}", str(trained)) for word in words]
    done = subprocess.run(
        [*python, "-m", "launch.jobs", *given], capture_output=True, text=True, timeout=60
    )
    said = Said(done.returncode, done.stdout, done.stderr)
    assert part in said.line
    assert said.out == ""
