"""python -m launch.jobs, beside attach."""

import subprocess
from pathlib import Path

import pytest

from tests.support.called import Said
from tests.support.doubles import Following
from tests.support.local_aws import REGION
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


def test_list_shows_the_jobs_of_the_account(following: Following) -> None:
    following.send()
    said = following.jobs("list")
    assert (said.code, said.err) == (0, "")
    row = next(line for line in said.out.splitlines() if following.job.name in line)
    assert row.split()[1] == "Training"
    assert "no jobs with 'of-others'" in following.jobs("list", "name=of-others").out


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
        (["attach"], "attach takes one run directory"),
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
