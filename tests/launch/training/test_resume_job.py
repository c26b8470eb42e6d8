"""A run that goes on as a job, from the checkpoints that its last one left in S3."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.called import Said, call
from tests.support.doubles import Actor, Door, Submit
from tests.support.local_aws import BUCKET, REGION, ROLE, shell_words
from tests.support.runs import FILES, files_of, read

Resume = Callable[..., Said]
ENDS = [("Stopped", None), ("MaxRuntimeExceeded", None), ("Failed", "no capacity")]


@pytest.fixture
def actor(door: Door, trained: Path) -> Actor:
    """Carries the jobs out, one after the other."""
    found = Actor(door.aws, trained)
    found.may_end.set()
    door.aws.training.runner = found.run
    return found


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def resume(run: Path) -> Resume:
    """What `imdb_cls.train +backend=sagemaker resume=RUN …` says."""
    words = ("+backend=sagemaker", f"resume={run}", "backend.poll_seconds=0.05")
    return lambda *others: call("imdb_cls.train", *words, *others)


@pytest.mark.parametrize(("end", "reason"), ENDS)
@pytest.mark.parametrize("fetched", [True, False])
def test_it_goes_on_from_the_checkpoints_in_s3(
    door: Door,
    submit: Submit,
    actor: Actor,
    run: Path,
    resume: Resume,
    end: str,
    reason: str | None,
    fetched: bool,
) -> None:
    actor.end, actor.reason = end, reason
    # A name is of one job.
    ended = submit(f"backend.wait={fetched}", "backend.job_name=mine", "backend.spot=true")
    assert actor.idle.wait(30)
    if fetched:
        assert ended.code == 1
        assert f"go on as a job: python -m imdb_cls.train +backend=sagemaker resume={run}" in (
            ended.out
        )
    actor.end, actor.reason = "Completed", None
    said = resume("trainer.max_epochs=3")
    assert (said.code, said.err) == (0, "")
    first, second = (job.request for job in door.aws.training.jobs.all())
    assert second["TrainingJobName"].startswith("imdb-cls-")
    for kept in ("CheckpointConfig", "RoleArn", "EnableManagedSpotTraining", "Environment"):
        assert second[kept] == first[kept]
    record = read(run, "run.json")
    assert record["job_name"] == second["TrainingJobName"]
    assert [job["name"] for job in record["previous_jobs"]] == ["mine"]
    assert record["resolved"]["data_fingerprint"]
    assert files_of(run) == FILES


def test_the_job_gets_the_config_of_the_run_and_what_changes_it(
    door: Door, submit: Submit, actor: Actor, run: Path, resume: Resume
) -> None:
    actor.end = "Stopped"
    assert submit("backend.wait=true", "model.dropout=0.2").code == 1
    actor.end = "Completed"
    assert resume("trainer.max_epochs=3").code == 0
    request = door.aws.training.jobs.all()[1].request
    (drivers, config) = (
        channel["DataSource"]["S3DataSource"]["S3Uri"].removeprefix(f"s3://{BUCKET}/")
        for name in ("sm_drivers", "config")
        for channel in request["InputDataConfig"]
        if channel["ChannelName"] == name
    )
    s3 = door.aws.client("s3", REGION)

    def text(key: str) -> str:
        return str(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode())

    words = shell_words(text(drivers + "sm_train.sh"))
    assert {"--config-name=config", "trainer.max_epochs=3"} <= set(words)
    assert "dropout: 0.2" in text(config + "config.yaml")
    assert "max_epochs: 3" in text(config + "config.yaml")


def test_it_is_paid_for_what_the_run_was_begun_with_unless_told_otherwise(
    door: Door, submit: Submit, actor: Actor, resume: Resume
) -> None:
    actor.end = "Stopped"
    assert submit("backend.wait=true", "backend.instance_type=ml.g5.xlarge").code == 1
    assert resume("backend.instance_type=ml.g5.2xlarge").code == 1
    actor.end = "Completed"
    assert resume().code == 0
    kinds = [j.request["ResourceConfig"]["InstanceType"] for j in door.aws.training.jobs.all()]
    assert kinds == ["ml.g5.xlarge", "ml.g5.2xlarge", "ml.g5.2xlarge"]
    done = resume()
    assert (done.code, len(door.jobs)) == (0, 3)
    assert "is complete already" in done.out


def test_a_run_whose_directory_was_lost_goes_on_as_a_job_of_the_same_kind(
    door: Door, submit: Submit, actor: Actor, run: Path, resume: Resume
) -> None:
    actor.end = "Stopped"
    assert submit("backend.instance_type=ml.g5.xlarge", "backend.spot=true").code == 0
    assert actor.idle.wait(30)
    shutil.rmtree(run)
    (name,) = door.jobs
    assert "Stopped, 90 s billed" in call("launch.jobs", "fetch", name, f"output={run}").out
    actor.end = "Completed"
    said = resume(f"backend.role={ROLE}")
    assert (said.code, said.err) == (0, "")
    first, second = (job.request for job in door.aws.training.jobs.all())
    for kept in ("CheckpointConfig", "ResourceConfig", "EnableManagedSpotTraining"):
        assert second[kept] == first[kept]
    assert files_of(run) == FILES


def test_a_refused_job_leaves_the_run_as_it_was(
    door: Door, submit: Submit, actor: Actor, run: Path, resume: Resume
) -> None:
    actor.end = "Stopped"
    assert submit("backend.wait=true").code == 1
    before = {name: (run / name).read_bytes() for name in files_of(run)}
    door.refuse("CreateTrainingJob", "ResourceLimitExceeded")
    assert "for training job usage" in resume().line
    assert {name: (run / name).read_bytes() for name in files_of(run)} == before


def test_a_job_at_work_is_attached_to_instead(
    door: Door, submit: Submit, run: Path, resume: Resume
) -> None:
    assert submit().code == 0
    for words in ([], ["backend.dry_run=true"]):
        line = resume(*words).line
        assert f"its job is still at work: python -m launch.jobs attach {run}" in line
    assert len(door.jobs) == 1


def test_what_cannot_go_on_as_a_job_is_one_line(
    door: Door, submit: Submit, actor: Actor, run: Path, resume: Resume, trained: Path
) -> None:
    actor.end = "Stopped"
    assert submit("backend.wait=true").code == 1
    account = (f"backend.role={ROLE}", f"backend.bucket={BUCKET}")
    local = call("imdb_cls.train", "+backend=sagemaker", f"resume={trained}", *account)
    assert "it ran on this machine: go on here, without +backend" in local.line
    assert "the run's checkpoints are in us-east-1" in resume("backend.region=eu-west-1").line
    assert "a resumed run keeps its own config" in resume("model.learning_rate=1").line
    record = read(run, "run.json")
    for fact, part in (("resumed_here", "it went on on this machine"), ("rehearsal", "rehearsal")):
        (run / "run.json").write_text(json.dumps(record | {fact: True}))
        assert part in resume().line
    assert len(door.jobs) == 1


def test_attach_after_it_went_on_here_says_so(
    submit: Submit, actor: Actor, run: Path, tiny: list[str]
) -> None:
    actor.end = "Stopped"
    assert submit("backend.wait=true").code == 1
    assert call("imdb_cls.train", f"resume={run}").code == 0
    for command in ("attach", "fetch"):
        line = call("launch.jobs", command, run).line
        assert f"{run} went on on this machine, and what its job left is older" in line
        assert "launch.jobs" not in line
