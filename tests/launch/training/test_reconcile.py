"""Requests and answers that get lost: there is one job, it is known, and the same command goes on.

The door drops the request, or carries it out and drops the answer."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from launch.aws.client import AWS
from launch.rehearsal.training_jobs import TrainingJob
from launch.training import reconcile
from tests.support.called import Said, call
from tests.support.doubles import Actor, Door, Submit
from tests.support.hosted import Killed
from tests.support.local_aws import REGION, minimal_request
from tests.support.runs import FILES, files_of, read

GoOn = Callable[[], Said]
pytestmark = pytest.mark.usefixtures("impatient")


@pytest.fixture
def run(door: Door, trained: Path, tmp_path: Path) -> Path:
    """The directory that `submit` submits into. A job that was made completes."""

    def complete(job: TrainingJob) -> None:
        actor = Actor(door.aws, trained)
        actor.may_end.set()
        actor.run(job)

    door.aws.training.runner = complete
    return tmp_path / "run"


@pytest.fixture(params=["attach", "the same command"])
def go_on(request: Any, run: Path, submit: Submit) -> GoOn:
    """Goes on with the run, in either way, to its end."""

    def attach() -> Said:
        return call("launch.jobs", "attach", run)

    def again() -> Said:
        said = submit()
        return said if said.code else attach()

    return attach if request.param == "attach" else again


def named(run: Path) -> str:
    """The job that is on record."""
    return str(read(run, "run.json")["job_name"])


def ended_well(said: Said, door: Door, run: Path) -> bool:
    assert (said.code, said.err) == (0, "")
    record = read(run, "run.json")
    assert "request" not in record["job"]
    assert files_of(run) == FILES
    return door.jobs == [record["job_name"]]


def test_a_request_that_never_arrived_is_sent_again_under_its_name(
    door: Door, submit: Submit, run: Path, go_on: GoOn
) -> None:
    door.dropped = 2
    line = submit().line
    assert f"python -m launch.jobs attach {run} finds out and goes on, stop gives it up" in line
    assert door.jobs == []
    name = named(run)
    assert ended_well(go_on(), door, run)
    assert named(run) == name


REFUSALS = ["ResourceLimitExceeded", "ExpiredTokenException", "AccessDeniedException"]


@pytest.mark.parametrize("how", ["cut", "a 500"])
@pytest.mark.parametrize("code", REFUSALS)
def test_a_job_whose_answer_was_lost_is_asked_for_when_the_retry_is_refused(
    door: Door, submit: Submit, run: Path, how: str, code: str
) -> None:
    door.lost = how
    door.refuse("CreateTrainingJob", code)
    said = submit("backend.wait=true")
    assert "submitted imdb-cls-" in said.out
    assert ended_well(said, door, run)


def test_what_cannot_be_asked_stays_on_record(
    door: Door, submit: Submit, run: Path, go_on: GoOn
) -> None:
    door.lost = "cut"
    door.refuse("CreateTrainingJob", "ExpiredTokenException")
    door.refuse("DescribeTrainingJob", "ExpiredTokenException")
    line = submit().line
    assert "have expired" in line
    assert f"python -m launch.jobs attach {run}" in line
    assert door.jobs == [named(run)]
    assert ended_well(go_on(), door, run)


def test_a_refusal_after_a_lost_request_stays_on_record(
    door: Door, submit: Submit, run: Path, go_on: GoOn
) -> None:
    """The first request may arrive late."""
    door.dropped = 1
    door.refuse("CreateTrainingJob", "ResourceLimitExceeded")
    line = submit().line
    assert "for training job usage" in line
    assert f"python -m launch.jobs attach {run}" in line
    name = named(run)
    door.refuse("CreateTrainingJob", "ResourceLimitExceeded")
    again = call("launch.jobs", "attach", run).line
    assert "for training job usage" in again
    assert f"python -m launch.jobs stop {run} gives the job up" in again
    assert ended_well(go_on(), door, run)
    assert named(run) == name


def test_a_refusal_after_throttling_alone_leaves_nothing(
    door: Door, submit: Submit, run: Path
) -> None:
    door.refuse("CreateTrainingJob", "ThrottlingException")
    door.refuse("CreateTrainingJob", "ResourceLimitExceeded")
    assert "for training job usage" in submit().line
    assert not run.exists()
    assert door.jobs == []


def test_a_request_that_arrives_late_makes_no_second_job(
    door: Door, submit: Submit, run: Path, go_on: GoOn
) -> None:
    door.dropped = 2
    assert submit().code == 2
    late = read(run, "run.json")["job"]["request"]
    client = door.aws.client("sagemaker", REGION)
    # AWS has just said that it knows no such job.
    door.after["DescribeTrainingJob"] = lambda: client.create_training_job(**late)
    assert ended_well(go_on(), door, run)


@pytest.mark.parametrize("made", [False, True])
def test_a_command_that_is_killed_while_it_sends_leaves_a_job_that_is_known(
    door: Door,
    submit: Submit,
    run: Path,
    go_on: GoOn,
    monkeypatch: pytest.MonkeyPatch,
    made: bool,
) -> None:
    def killed(*given: Any, **hints: Any) -> None:
        if made:
            create(*given, **hints)
        raise Killed

    create = reconcile.create
    with monkeypatch.context() as patch:
        patch.setattr(reconcile, "create", killed)
        with pytest.raises(Killed):
            submit()
    assert len(door.jobs) == made
    name = named(run)
    assert ended_well(go_on(), door, run)
    assert named(run) == name


def test_ctrl_c_while_it_is_sent_says_how_to_find_out(
    door: Door, submit: Submit, run: Path, go_on: GoOn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*given: Any, **hints: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(reconcile, "create", interrupted)
        said = submit()
    assert (said.code, said.err) == (130, "")
    assert f"python -m launch.jobs attach {run} finds out" in said.out
    assert ended_well(go_on(), door, run)


def test_two_processes_send_one_job(door: Door, submit: Submit, run: Path) -> None:
    door.dropped = 2
    assert submit().code == 2
    with reconcile.alone(reconcile.Run(run)):
        assert "another process is sending its job" in call("launch.jobs", "attach", run).line
        assert "another process is sending its job" in submit().line
        assert "another process is sending its job" in call("launch.jobs", "stop", run).line
    assert door.jobs == []
    assert call("launch.jobs", "attach", run).code == 0
    assert len(door.jobs) == 1


def test_another_account_is_sent_nothing(
    door: Door, submit: Submit, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    door.dropped = 2
    assert submit().code == 2
    monkeypatch.setattr(AWS, "account", lambda self: "999999999999")
    for command in ("attach", "stop"):
        line = call("launch.jobs", command, run).line
        assert "was sent to account 123456789012 in us-east-1, this is 999999999999" in line
    assert door.jobs == []
    assert named(run)


def test_a_name_that_another_job_has_is_not_followed_or_stopped(
    door: Door, submit: Submit, run: Path
) -> None:
    door.dropped = 2
    assert submit("backend.job_name=taken").code == 2
    door.aws.training.runner = None
    door.aws.client("sagemaker", REGION).create_training_job(**minimal_request("taken"))
    line = call("launch.jobs", "stop", run).line
    assert "taken was never made: another job has that name: choose another" in line
    assert not door.aws.training.jobs.get("taken", REGION).stop.is_set()
    assert list(run.iterdir()) == []


def test_a_job_that_was_never_made_can_be_given_up(door: Door, submit: Submit, run: Path) -> None:
    door.dropped = 2
    assert submit().code == 2
    assert "python -m launch.jobs attach" in submit("seed=5").line
    name = named(run)
    said = call("launch.jobs", "stop", run)
    assert (said.code, said.out) == (0, f"{name} was never made, and is given up\n")
    assert submit("seed=5").code == 0
    assert (len(door.jobs), named(run) == name) == (1, False)


def test_a_job_that_aws_has_no_more_blocks_nothing(door: Door, submit: Submit, run: Path) -> None:
    door.aws.training.runner = None
    assert submit().code == 0
    door.aws.training.jobs.delete({"TrainingJobName": named(run)}, REGION)
    line = call("launch.jobs", "attach", run).line
    assert f"AWS has no job {named(run)} any more" in line
    assert f"+backend=sagemaker resume={run}" in line
    assert read(run, "run.json")["status"] == "stopped"


def test_a_live_job_is_not_started_beside_itself(
    door: Door, submit: Submit, run: Path, tiny: list[str]
) -> None:
    door.aws.training.runner = None
    assert submit().code == 0
    here = call("imdb_cls.train", *tiny, f"hydra.run.dir={run}")
    for said in (submit(), submit("seed=5"), submit("backend.dry_run=true"), here):
        assert f"may still be running: python -m launch.jobs attach {run}" in said.line
    assert len(door.jobs) == 1
