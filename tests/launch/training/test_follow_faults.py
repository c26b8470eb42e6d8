"""What can go wrong while a job runs: it is said, and neither the job nor its result is lost."""

import os
import signal
from pathlib import Path

import pytest

from tests.support.doubles import LINES, Following
from tests.support.processes import rest_of, until
from tests.support.runs import FILES, files_of, read


def test_attach_follows_to_the_end_and_fetches(following: Following, trained: Path) -> None:
    following.send()
    with following.attach() as process:
        begun = until(process, LINES[1])
        following.actor.may_end.set()
        rest = rest_of(process)
    assert process.returncode == 0, rest
    shown = (begun + rest).splitlines()
    log = [line for line in shown if not line.startswith((following.job.name, "run directory"))]
    assert [line.rstrip() for line in log] == [*LINES, "the last line"]
    assert "Completed, 90 s billed, $0.10" in rest
    assert following.has_it_all()
    assert read(following.run, "metrics.json") == read(trained, "metrics.json")


CAPACITY = "CapacityError: Unable to provision requested ML compute capacity."
CAUSE = "AlgorithmError: UserError: data.text=txt: no such column, exit code: 1"


@pytest.mark.parametrize("reason", [CAPACITY, CAUSE])
def test_a_failed_job_says_why_and_what_it_left_is_here(following: Following, reason: str) -> None:
    following.actor.end, following.actor.reason = "Failed", reason
    following.actor.may_end.set()
    following.send()
    said = following.jobs("attach", str(following.run))
    assert said.code == 1
    first, *rest = said.err.splitlines()
    meant = read(following.run, "run.json")["reason"]
    assert meant.startswith(reason.rstrip("."))
    assert first == f"error: {following.job.name}: {meant}"
    assert [line.strip() for line in rest][1:] == [*LINES, "the last line"]
    assert f"+backend=sagemaker resume={following.run}" in said.out
    assert "Failed, 90 s billed" in said.out
    record = read(following.run, "run.json")
    assert (record["status"], record["reason"]) == ("failed", meant)
    assert record["finished"] is not None
    checkpoints = {name for name in FILES if name.startswith("checkpoints/")}
    left = {"run.json", "config.yaml", "train.log", "metrics.csv"}
    assert files_of(following.run) == left | checkpoints


def test_a_stopped_job_brings_its_checkpoint(following: Following) -> None:
    following.send()
    with following.attach() as process:
        until(process, LINES[1])
        stopped = following.jobs("stop", str(following.run))
        rest = rest_of(process)
    assert (stopped.code, stopped.err) == (0, "")
    assert f"launch.jobs fetch {following.run}" in stopped.out
    assert process.returncode == 1
    assert "Stopped, 90 s billed" in rest
    assert read(following.run, "run.json")["status"] == "stopped"
    assert "checkpoints/last.ckpt" in files_of(following.run)
    line = following.jobs("stop", str(following.run)).line
    assert "is in status Stopped" in line


def test_an_expired_login_is_resumed_with_attach(following: Following) -> None:
    following.send()
    with following.attach() as process:
        until(process, LINES[1])
        following.door.refuse("DescribeTrainingJob", "ExpiredTokenException", times=1000)
        rest = rest_of(process)
    assert process.returncode == 2
    assert "error: " in rest.splitlines()[-1]
    assert "log in again" in rest.splitlines()[-1]
    assert f"python -m launch.jobs attach {following.run}" in rest.splitlines()[-1]
    assert not following.job.stop.is_set()

    following.door.refusals.clear()
    following.actor.may_end.set()
    assert following.jobs("attach", str(following.run)).code == 0
    assert following.has_it_all()


def test_a_lost_connection_is_waited_for(following: Following) -> None:
    following.send()
    with following.attach() as process:
        until(process, LINES[1])
        following.door.shut()
        assert "AWS cannot be reached" in until(process, "; the job goes on, trying again")
        following.actor.may_end.set()
        following.door.open()
        rest = until(process, "connected again") + rest_of(process)
    assert process.returncode == 0, rest
    assert rest.splitlines().count("the last line") == 1
    assert following.has_it_all()


def test_throttled_looks_are_repeated(following: Following) -> None:
    following.actor.may_end.set()
    following.door.refuse("DescribeTrainingJob", "ThrottlingException", times=3)
    following.door.refuse("GetLogEvents", "ThrottlingException", times=3)
    following.send()
    said = following.jobs("attach", str(following.run))
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines().count("the last line") == 1
    assert [times for *_, times in following.door.refusals] == [0, 0]
    assert following.has_it_all()


def test_ctrl_c_detaches_and_never_stops_the_job(following: Following) -> None:
    following.send()
    with following.attach() as process:
        until(process, LINES[1])
        os.kill(process.pid, signal.SIGINT)
        rest = rest_of(process)
    assert process.returncode == 130
    assert f"python -m launch.jobs attach {following.run}" in rest
    assert "Traceback" not in rest
    assert "StopTrainingJob" not in following.door.seen
    following.actor.may_end.set()
    assert following.jobs("attach", str(following.run)).code == 0
    assert following.has_it_all()
