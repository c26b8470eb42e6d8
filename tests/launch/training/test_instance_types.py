"""A list of instance types: SageMaker chooses, or we try one after another; never two at once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from launch.aws.instances import find
from launch.rehearsal.account import Refused
from launch.rehearsal.resources import Request
from launch.rehearsal.training_jobs import TrainingJob
from tests.support.called import Said, call
from tests.support.doubles import Actor, Door, Submit
from tests.support.local_aws import BUCKET, ROLE
from tests.support.runs import FILES, files_of, read

P3, G5, G6 = "ml.p3.2xlarge", "ml.g5.xlarge", "ml.g6.xlarge"
LIST = f"backend.instance_type=[{P3},{G5},{G6}]"
SPOT = "backend.spot=true"
Written = Callable[..., dict[str, Any]]


@pytest.fixture
def actor(door: Door, trained: Path) -> Actor:
    """Carries the jobs out, but has no p3."""
    found = Actor(door.aws, trained, without=(P3,))
    found.may_end.set()
    door.aws.training.runner = found.run
    return found


@pytest.fixture
def written(tiny: list[str], tmp_path: Path) -> Written:
    """The request of a dry run."""

    def run(*overrides: str) -> dict[str, Any]:
        words = [*tiny, "+backend=sagemaker", "backend.dry_run=true", f"backend.role={ROLE}"]
        done = call("imdb_cls.train", *words, f"hydra.run.dir={tmp_path / 'run'}", *overrides)
        assert done.code == 0, done.err
        return {**read(tmp_path / "run", "request.json"), "plan": done.out}

    return run


def jobs_of(door: Door) -> list[TrainingJob]:
    return door.aws.training.jobs.all()


def asked(job: TrainingJob) -> str | list[str]:
    resources = job.request["ResourceConfig"]
    if "InstanceType" in resources:
        return str(resources["InstanceType"])
    return [preference["InstanceType"] for preference in resources["InstancePreferences"]]


def test_the_request_names_all_of_them_and_the_plan_what_each_is(written: Written) -> None:
    auto = ("trainer.accelerator=auto", "trainer.precision=auto")
    made = written(LIST, *auto, "backend.max_seconds=3600")
    assert made["ResourceConfig"] == {
        "InstancePreferences": [{"InstanceType": name} for name in (P3, G5, G6)],
        "InstanceCount": 1,
        "VolumeSizeInGB": 30,
    }
    assert "MaxPendingTimeInSeconds" not in made["StoppingCondition"]
    plan = made["plan"]
    for said in (
        "1 x ml.p3.2xlarge (1 x V100, 16 GB)",
        "1 x ml.g6.xlarge (1 x L4, 24 GB), 30 GB",
        "the first that can be had",
        "16-mixed (auto) on ml.p3.2xlarge, bf16-mixed (auto)",
        "'ml.g5.xlarge for training job usage'",
        "$3.825 or $1.408 or $1.127 an hour",
        "at most     $3.83 (3,600 s)",  # of the dearest
        "2.5.1-transformers4.49.0",
    ):
        assert said in plan, (said, plan)


def test_a_spot_job_asks_for_the_first_and_does_not_wait_for_ever(written: Written) -> None:
    made = written(LIST, SPOT)
    assert made["ResourceConfig"]["InstanceType"] == P3
    assert "InstancePreferences" not in made["ResourceConfig"]
    assert made["StoppingCondition"]["MaxPendingTimeInSeconds"] == 1800
    assert "'ml.g5.xlarge for spot training job usage'" in made["plan"]


def test_sagemaker_takes_the_first_that_can_be_had_and_that_is_what_is_paid(
    door: Door, submit: Submit, actor: Actor, tmp_path: Path
) -> None:
    done = submit(LIST, "backend.wait=true")
    assert (done.code, done.err) == (0, "")
    assert [asked(job) for job in jobs_of(door)] == [[P3, G5, G6]]
    job = read(tmp_path / "run", "run.json")["job"]
    price = find(G5).price
    assert (job["instance_type"], job["price_per_hour"]) == (G5, price)
    assert job["cost_usd"] == round(90 * (price or 0) / 3600, 4)
    assert f"${job['cost_usd']:.2f}" in done.out
    assert files_of(tmp_path / "run") == FILES


def test_for_spot_the_next_one_is_tried_once_there_is_no_machine(
    door: Door, submit: Submit, actor: Actor, tmp_path: Path
) -> None:
    done = submit(LIST, SPOT, "backend.wait=true", "backend.job_name=mine")
    assert (done.code, done.err) == (0, "")
    assert "ml.g5.xlarge is tried: CapacityError" in done.out
    first, second = jobs_of(door)
    assert [asked(first), asked(second)] == [P3, G5]
    assert second.created >= first.modified  # never two at once
    same = ("CheckpointConfig", "Environment", "AlgorithmSpecification")
    for kept in (*same, "RoleArn", "EnableManagedSpotTraining"):
        assert second.request[kept] == first.request[kept]
    tags = [{t["Key"]: t["Value"] for t in job.request["Tags"]} for job in (first, second)]
    assert tags[0]["imdb_cls"] == tags[1]["imdb_cls"]
    record = read(tmp_path / "run", "run.json")
    assert (record["status"], record["job"]["instance_type"]) == ("completed", G5)
    assert [job["name"] for job in record["previous_jobs"]] == ["mine"]
    assert files_of(tmp_path / "run") == FILES


def test_where_none_can_be_had_it_says_what_to_do_and_the_run_can_go_on(
    door: Door, submit: Submit, actor: Actor, tmp_path: Path
) -> None:
    actor.without = (P3, G5, G6)
    done = submit(LIST, SPOT, "backend.wait=true")
    assert done.code == 1
    assert [asked(job) for job in jobs_of(door)] == [P3, G5, G6]
    assert "'ml.g6.xlarge for spot training job usage'" in done.err
    actor.without = ()
    words = ("+backend=sagemaker", f"resume={tmp_path / 'run'}", "backend.poll_seconds=0.05")
    again = call("imdb_cls.train", *words)
    assert (again.code, again.err) == (0, "")
    assert asked(jobs_of(door)[-1]) == P3  # from the first one on


def test_a_list_without_spot_of_which_none_can_be_had_is_one_job(
    door: Door, submit: Submit, actor: Actor
) -> None:
    actor.without = (P3, G5, G6)
    done = submit(LIST, "backend.wait=true")
    assert done.code == 1
    (job,) = jobs_of(door)
    for name in (P3, G5, G6):
        assert f"'{name} for training job usage'" in done.err
    assert job.status == "Failed"


def test_who_attaches_later_is_told_how_to_take_the_next_one(
    door: Door, submit: Submit, actor: Actor, tmp_path: Path
) -> None:
    assert submit(LIST, SPOT).code == 0
    said = call("launch.jobs", "attach", tmp_path / "run")
    assert said.code == 1
    assert f"resume={tmp_path / 'run'} 'backend.instance_type=[{G5},{G6}]'" in said.out


def test_a_service_that_takes_no_list_gets_one_after_another(
    door: Door, submit: Submit, actor: Actor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = door.aws._operations["CreateTrainingJob"]

    def older(request: Request, region: str) -> Request:
        if "InstancePreferences" in request["ResourceConfig"]:
            raise Refused("Unknown parameter in input: InstancePreferences")
        return create(request, region)

    monkeypatch.setitem(door.aws._operations, "CreateTrainingJob", older)
    done = submit(LIST, "backend.wait=true")
    assert (done.code, done.err) == (0, "")
    assert "the next instance type is tried: submitting the job: Unknown parameter" in done.out
    first, second = jobs_of(door)
    assert [asked(first), asked(second)] == [P3, G5]
    assert first.request["StoppingCondition"]["MaxPendingTimeInSeconds"] == 1800
    assert read(tmp_path / "run", "run.json")["job"]["instance_type"] == G5


def test_one_that_the_account_has_no_quota_for_is_passed_over(
    door: Door, submit: Submit, actor: Actor, tmp_path: Path
) -> None:
    door.refuse("CreateTrainingJob", "ResourceLimitExceeded", times=2)
    done = submit(LIST, SPOT, "backend.wait=true")
    assert (done.code, done.err) == (0, "")
    (job,) = jobs_of(door)
    assert asked(job) == G6
    assert "MaxPendingTimeInSeconds" not in job.request["StoppingCondition"]
    record = read(tmp_path / "run", "run.json")
    assert (record["status"], record["job"]["instance_type"]) == ("completed", G6)
    assert "previous_jobs" not in record


def test_another_refusal_is_not_one_of_the_type(
    door: Door, submit: Submit, actor: Actor, tmp_path: Path
) -> None:
    door.refuse("CreateTrainingJob", "ValidationException")
    assert "Planted refusal" in submit(LIST, SPOT).line
    assert jobs_of(door) == []
    assert not (tmp_path / "run" / "run.json").exists()


def test_a_trial_of_a_sweep_takes_the_next_one_too(
    door: Door, tiny: list[str], actor: Actor, tmp_path: Path
) -> None:
    account = [f"backend.role={ROLE}", f"backend.bucket={BUCKET}", "backend.poll_seconds=0.05"]
    words = ["-m", *tiny, "+backend=sagemaker", *account, f"hydra.sweep.dir={tmp_path / 'sweep'}"]
    done = call("imdb_cls.train", *words, LIST, SPOT, "seed=1,2", "backend.max_parallel=1")
    assert (done.code, done.err) == (0, "")
    assert [asked(job) for job in jobs_of(door)] == [P3, P3, G5, G5]
    for trial in ("0", "1"):
        record = read(tmp_path / "sweep" / trial, "run.json")
        assert (record["status"], record["job"]["instance_type"]) == ("completed", G5)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ([LIST, "backend.price_per_hour=1"], "backend.price_per_hour=1.0 is the price of one type"),
        ([f"backend.instance_type=[{P3},{P3}]"], f" names {P3} twice"),
        (["backend.instance_type=[]"], "=[] is no name, nor a list of names"),
        (["backend.instance_type=[a,b,c,d,e,f]"], " names 6: allowed are up to 5"),
        (["backend.instance_type=[ml.g5.xlarge,ml.g5.xlrge]"], "Did you mean 'ml.g5.xlarge'?"),
        (
            ["backend.instance_type=[ml.g5.xlarge,ml.g5.12xlarge]"],
            "these have others: ml.g5.xlarge 1, ml.g5.12xlarge 4. Take types with as many",
        ),
        ([LIST, "trainer.precision=bf16-mixed"], "the V100 of ml.p3.2xlarge has no bf16"),
        ([LIST, "backend.volume_kms_key=k"], "ml.g5.xlarge has disks of its own"),
        ([LIST, "backend.rehearse_without=[a]"], "needs backend.rehearse=true"),
    ],
)
def test_lists_that_cannot_be_asked_for(submit: Submit, overrides: list[str], said: str) -> None:
    done: Said = submit("trainer.accelerator=auto", *overrides)
    assert said in done.line
