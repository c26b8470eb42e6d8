"""The trials of a sweep as jobs: side by side, attached to again, and paid for once."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from imdb_cls.runs.results import read as results
from launch.rehearsal.training_jobs import TrainingJob
from launch.training import reconcile
from tests.support.called import Said, call
from tests.support.doubles import Actor, Door
from tests.support.hosted import Killed, kill
from tests.support.local_aws import BUCKET, ROLE
from tests.support.runs import FILES, files_of, read
from tests.support.sweeps import statuses

Sweep = Callable[..., Said]


@dataclass
class Stage:
    """Carries out every job with an Actor of its own, and counts them."""

    door: Door
    left: Path
    ends: dict[str, tuple[str, str]] = field(default_factory=dict)
    """How and why the job of a trial ends that does not complete, by the trial's name."""
    gate: threading.Event = field(default_factory=threading.Event)
    """No job ends before it is set."""
    opens_at: int = 99
    """It is set as soon as so many jobs run at once."""
    at_once: int = 0
    most: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, job: TrainingJob) -> None:
        trial = job.request["Environment"]["IMDB_CLS_RUN"].rpartition("/")[2]
        with self._lock:
            self.at_once += 1
            self.most = max(self.most, self.at_once)
            if self.at_once == self.opens_at:
                self.gate.set()
        end, reason = self.ends.get(trial, ("Completed", None))
        Actor(self.door.aws, self.left, end, reason, self.gate).run(job)
        with self._lock:
            self.at_once -= 1

    @property
    def jobs(self) -> list[TrainingJob]:
        return self.door.aws.training.jobs.all()


@pytest.fixture
def stage(door: Door, trained: Path) -> Stage:
    found = Stage(door, trained)
    found.gate.set()
    door.aws.training.runner = found.run
    return found


def words(tiny: list[str], place: Path, *overrides: str) -> list[str]:
    account = [f"backend.role={ROLE}", f"backend.bucket={BUCKET}", "backend.poll_seconds=0.05"]
    return ["-m", *tiny, "+backend=sagemaker", *account, f"hydra.sweep.dir={place}", *overrides]


@pytest.fixture
def sweep(tiny: list[str], tmp_path: Path) -> Sweep:
    """Runs `imdb_cls.train -m +backend=sagemaker …` in tmp_path/sweep, in this process."""
    return lambda *overrides: call("imdb_cls.train", *words(tiny, tmp_path / "sweep", *overrides))


def test_jobs_run_side_by_side_and_leave_whole_runs(
    stage: Stage, sweep: Sweep, tmp_path: Path
) -> None:
    stage.gate.clear()
    stage.opens_at = 2
    logger = ("logger=wandb", "logger.wandb.mode=offline")
    done = sweep("seed=1,2,3", "backend.max_parallel=2", *logger)
    assert (done.code, done.err) == (0, "")
    assert (len(stage.jobs), stage.most) == (3, 2)
    place = tmp_path / "sweep"
    assert statuses(place) == dict.fromkeys("012", "completed")
    assert all(files_of(place / n) == FILES for n in "012")
    # Said before anything was sent, for all of them together.
    assert done.out.startswith("price: 3 trials x $38.25 = at most $114.75\n")
    assert "trial 2 (seed=3): waiting\n" in done.out
    assert "trial 0 (seed=1): completed, val/accuracy 0." in done.out
    # One group in wandb, and a name that tells the sweep in the job.
    name = "/".join(place.parts[-2:])
    assert "logger.wandb.group=" in done.out
    assert {job.request["Environment"]["IMDB_CLS_SWEEP"] for job in stage.jobs} == {name}
    assert {read(place / n, "run.json")["sweep"] for n in "012"} == {name}


def test_a_failed_job_is_tried_again_from_its_checkpoint_and_no_other_is(
    stage: Stage, sweep: Sweep, tmp_path: Path
) -> None:
    stage.ends["1"] = ("Failed", "AlgorithmError: out of memory, exit code: 1")
    done = sweep("seed=1,2")
    assert (done.code, done.err) == (1, "")
    assert "trial 1 failed: AlgorithmError: out of memory" in done.out
    assert statuses(tmp_path / "sweep") == {"0": "completed", "1": "failed"}
    stage.ends.clear()
    again = sweep("seed=1,2")
    assert (again.code, again.err) == (0, "")
    _, failed, retried = stage.jobs
    assert retried.request["CheckpointConfig"] == failed.request["CheckpointConfig"]
    assert retried.name != failed.name
    (before,) = read(tmp_path / "sweep" / "1", "run.json")["previous_jobs"]
    assert (before["name"], before["status"]) == (failed.name, "Failed")
    assert files_of(tmp_path / "sweep" / "1") == FILES
    assert sweep("seed=1,2").code == 0
    assert len(stage.jobs) == 3


def test_what_is_not_waited_for_is_attached_to_later(
    stage: Stage, sweep: Sweep, tmp_path: Path
) -> None:
    stage.gate.clear()
    left = sweep("seed=1,2", "backend.max_parallel=1", "backend.wait=false")
    assert (left.code, left.err, len(stage.jobs)) == (0, "", 1)
    assert "1 trials are not submitted yet: the same command goes on" in left.out
    assert results(tmp_path / "sweep").status == "running"
    assert statuses(tmp_path / "sweep") == {"0": "running", "1": "waiting"}
    threading.Timer(1, stage.gate.set).start()
    done = sweep("seed=1,2")
    assert (done.code, done.err, len(stage.jobs)) == (0, "", 2)
    assert "1 have ended or are at work, $38.25" in done.out
    assert statuses(tmp_path / "sweep") == {"0": "completed", "1": "completed"}


def test_ctrl_c_detaches_from_all_and_stops_none(
    stage: Stage, tiny: list[str], tmp_path: Path, python: list[str]
) -> None:
    stage.gate.clear()
    place = tmp_path / "sweep"
    process = subprocess.Popen(
        [*python, "-m", "imdb_cls.train", *words(tiny, place, "seed=1,2")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=dict(os.environ),
    )
    until = time.monotonic() + 60
    # It asks for both with one request, once it knows of both.
    while "ListTrainingJobs" not in stage.door.seen and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "detached: 2 jobs go on, and the same command attaches to them" in said
    assert "Traceback" not in said
    assert not any(job.stop.is_set() for job in stage.jobs)
    stage.gate.set()


def test_a_quota_below_max_parallel_is_found_out(
    stage: Stage, sweep: Sweep, tmp_path: Path
) -> None:
    stage.gate.clear()
    begin = stage.run

    def first_takes_all(job: TrainingJob) -> None:
        if len(stage.jobs) == 1:
            stage.door.refuse("CreateTrainingJob", "ResourceLimitExceeded")
            threading.Thread(target=go_on_once_refused).start()
        begin(job)

    def go_on_once_refused() -> None:
        while stage.door.refusals[0][2]:
            time.sleep(0.05)
        stage.gate.set()

    stage.door.aws.training.runner = first_takes_all
    done = sweep("seed=1,2")
    assert (done.code, done.err, stage.most) == (0, "", 1)
    assert "so 1 at once" in done.out
    assert statuses(tmp_path / "sweep") == {"0": "completed", "1": "completed"}


@pytest.mark.usefixtures("impatient")
def test_a_request_that_never_arrived_is_sent_again_under_its_name(
    stage: Stage, sweep: Sweep, tmp_path: Path
) -> None:
    stage.door.dropped = 2
    names = []
    stage.door.after["DescribeTrainingJob"] = lambda: names.append(
        read(tmp_path / "sweep" / "0", "run.json")["job_name"]
    )
    done = sweep("seed=1,2")
    assert (done.code, done.err, len(stage.jobs)) == (0, "", 2)
    assert stage.jobs[0].name == names[0]
    assert statuses(tmp_path / "sweep") == {"0": "completed", "1": "completed"}


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("lost", ["the request", "the answer"])
def test_a_trial_whose_job_may_exist_is_not_sent_under_another_name(
    stage: Stage, sweep: Sweep, tmp_path: Path, lost: str
) -> None:
    """Nothing is known of it after this command; the same command finds out and goes on."""
    stage.door.dropped, stage.door.lost = (1, None) if lost == "the request" else (0, "cut")
    for operation in ("CreateTrainingJob", "DescribeTrainingJob"):
        stage.door.refuse(operation, "ExpiredTokenException")
    line = sweep("seed=1,2").line
    assert "have expired" in line
    assert f"python -m launch.jobs attach {tmp_path}/sweep/0" in line
    name = read(tmp_path / "sweep" / "0", "run.json")["job_name"]
    done = sweep("seed=1,2")
    assert (done.code, done.err, len(stage.jobs)) == (0, "", 2)
    assert stage.jobs[0].name == name
    assert statuses(tmp_path / "sweep") == {"0": "completed", "1": "completed"}


def test_a_job_that_aws_has_no_more_is_sent_anew(
    stage: Stage, sweep: Sweep, tmp_path: Path
) -> None:
    stage.gate.clear()
    assert sweep("seed=1", "backend.wait=false").code == 0
    (first,) = stage.jobs
    stage.door.aws.training.jobs.delete({"TrainingJobName": first.name}, first.region)
    stage.gate.set()
    done = sweep("seed=1")
    assert (done.code, done.err) == (0, "")
    (second,) = stage.jobs
    assert second.request["CheckpointConfig"] == first.request["CheckpointConfig"]
    assert statuses(tmp_path / "sweep") == {"0": "completed"}


@pytest.mark.usefixtures("impatient")
def test_a_retry_that_is_killed_while_it_is_sent_keeps_what_came_before(
    stage: Stage, sweep: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.ends["0"] = ("Failed", "no capacity")
    assert sweep("seed=1").code == 1
    kept = files_of(tmp_path / "sweep" / "0")
    stage.ends.clear()
    with monkeypatch.context() as patch:
        patch.setattr(reconcile, "send", lambda run, aws: kill())
        with pytest.raises(Killed):
            sweep("seed=1")
    assert files_of(tmp_path / "sweep" / "0") == kept
    assert (sweep("seed=1").code, len(stage.jobs)) == (0, 2)
    record = read(tmp_path / "sweep" / "0", "run.json")
    assert record["job_name"] == stage.jobs[1].name
    assert [job["name"] for job in record["previous_jobs"]] == [stage.jobs[0].name]


@pytest.mark.usefixtures("unguarded")
def test_what_no_job_can_do_without_is_one_line_before_anything_starts(
    stage: Stage, sweep: Sweep, tmp_path: Path
) -> None:
    done = sweep("seed=1,2", "backend.bucket=nobodys")
    assert "aws s3 mb s3://nobodys" in done.line
    assert not (tmp_path / "sweep").exists()


def test_a_refusal_ends_the_sweep_at_the_first_job(
    stage: Stage, sweep: Sweep, tmp_path: Path
) -> None:
    stage.door.refuse("CreateTrainingJob", "AccessDeniedException")
    done = sweep("seed=1,2")
    assert "not allowed" in done.line
    assert stage.jobs == []
    assert statuses(tmp_path / "sweep") if (tmp_path / "sweep" / "sweep.csv").exists() else True
    assert not (tmp_path / "sweep" / "0" / "run.json").exists()


def test_a_dry_run_writes_every_request_and_sends_none(
    stage: Stage, sweep: Sweep, tmp_path: Path
) -> None:
    done = sweep("seed=1,2", "backend.dry_run=true")
    assert (done.code, done.err, stage.jobs) == (0, "", [])
    place = tmp_path / "sweep"
    assert files_of(place) == {"0/request.json", "1/request.json"}
    names = {read(place / n, "request.json")["TrainingJobName"] for n in "01"}
    assert len(names) == 2
