"""What a job left comes back into the run directory: all of it, and nothing outside of it."""

import json
import os
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from imdb_cls.errors import UserError
from imdb_cls.runs.run import Run
from launch.aws.client import AWS
from launch.rehearsal.aws import LocalAWS
from launch.rehearsal.training_jobs import TrainingJob
from launch.training.fetch import fetch
from launch.training.follow import describe
from tests.support.fetched import CHECKPOINTS, OUTPUT, Put, archive, begin, fetched, files, recorded
from tests.support.local_aws import REGION, completed


@pytest.fixture
def left(put: Put) -> None:
    """What a whole job leaves."""
    record = {"status": "completed", "overrides": ["in the job"], "fingerprint": "theirs"}
    record |= {"command": "theirs", "seconds": 81.5, "device": "Tesla V100", "logger_id": "abc"}
    record |= {"backend": "?", "job_name": None, "finished": "2026-01-01T00:00:00+00:00"}
    put(f"{OUTPUT}/model.tar.gz", archive("config.json", "model.safetensors"))
    put(f"{OUTPUT}/output.tar.gz", archive("run/metrics.csv", "run/train.log", "run/sub/a.txt"))
    for name in ("best.ckpt", "last.ckpt"):
        put(f"{CHECKPOINTS}/run/checkpoints/{name}", name)
    put(f"{CHECKPOINTS}/run/run.json", json.dumps(record))
    put(f"{CHECKPOINTS}/run/config.yaml", "of the job")


WHOLE = {
    *("config.yaml", "run.json", "metrics.csv", "train.log", "sub/a.txt"),
    *("model/config.json", "model/model.safetensors"),
    *("checkpoints/best.ckpt", "checkpoints/last.ckpt"),
}


@pytest.mark.usefixtures("left")
def test_all_that_a_job_left_comes_back(run: Run, job: TrainingJob) -> None:
    completed(job)
    assert files(fetched(run).path) == WHOLE
    assert (run.model_dir / "config.json").read_text() == "config.json"
    assert run.table_file.read_text() == "run/metrics.csv"
    assert run.best_checkpoint.read_text() == "best.ckpt"


@pytest.mark.usefixtures("left")
def test_the_record_is_the_jobs_with_what_the_client_knows_better(
    run: Run, job: TrainingJob
) -> None:
    completed(job, seconds=90.0)
    before, config = recorded(run), run.config_file.read_text()
    after = recorded(fetched(run))
    for key in ("command", "overrides", "fingerprint", "git_commit", "backend", "job_name"):
        assert after[key] == before[key]
    assert after["rehearsal"] is False
    assert (after["seconds"], after["device"], after["logger_id"]) == (81.5, "Tesla V100", "abc")
    assert after["status"] == "completed"
    assert after["finished"] == "2026-01-01T00:00:00+00:00"
    assert after["job"] == {
        **before["job"],
        "status": "Completed",
        "phase": "Completed",
        "seconds_billed": 90,
        "cost_usd": 0.09,
        "final_metrics": {"val/loss": 0.25},
    }
    assert run.config_file.read_text() == config


@pytest.mark.usefixtures("left")
def test_fetching_twice_is_fetching_once(run: Run, job: TrainingJob) -> None:
    completed(job)
    first = recorded(fetched(run))
    (run.path / "model" / "config.json").write_text("half")
    assert recorded(fetched(run)) == first
    assert files(run.path) == WHOLE
    assert (run.model_dir / "config.json").read_text() == "config.json"


@pytest.mark.usefixtures("left")
def test_fetched_files_have_the_modes_of_the_umask(run: Run, job: TrainingJob, put: Put) -> None:
    """Whatever they were in the container."""
    secret = tarfile.TarInfo("model.safetensors")
    secret.mode, secret.size = 0o600, len(secret.name)
    put(f"{OUTPUT}/model.tar.gz", archive(secret))
    completed(job)
    before = os.umask(0o027)
    try:
        fetched(run)
    finally:
        os.umask(before)
    came = [path for path in run.path.rglob("*") if path != run.config_file]
    modes = {f"{path.stat().st_mode & 0o777:o}" for path in came if path.is_file()}
    assert modes == {"640"}
    assert {f"{path.stat().st_mode & 0o777:o}" for path in came if path.is_dir()} == {"750"}


def test_the_output_may_lie_below_data(run: Run, job: TrainingJob, put: Put) -> None:
    """SageMaker packs /opt/ml/output/data as one or as the other."""
    put(f"{OUTPUT}/output.tar.gz", archive("data/run/metrics.csv"))
    completed(job)
    assert files(fetched(run).path) == {"config.yaml", "run.json", "metrics.csv"}


def test_every_instance_is_paid_for(run: Run, job: TrainingJob) -> None:
    job.request["ResourceConfig"]["InstanceCount"] = 2
    completed(job, seconds=100.0)
    assert recorded(fetched(run))["job"]["cost_usd"] == 0.2


@pytest.mark.parametrize(("spot", "saved"), [(True, 0.21), (False, None)])
def test_what_spot_has_saved_is_the_seconds_that_are_not_billed(
    run: Run, job: TrainingJob, spot: bool, saved: float | None
) -> None:
    run.record(job=replace(run.info().required_job(), spot=spot))
    completed(job)
    aws = AWS(REGION)
    seconds = {"TrainingTimeInSeconds": 300, "BillableTimeInSeconds": 90}
    fetch(run, aws, describe(aws, "job-1") | seconds)
    assert recorded(run)["job"]["cost_usd"] == 0.09
    assert run.info().saved_usd == saved


def test_without_a_price_there_is_no_cost(run: Run, job: TrainingJob) -> None:
    run.record(job=replace(run.info().required_job(), price_per_hour=None))
    completed(job)
    assert "cost_usd" not in recorded(fetched(run))["job"]


# Jobs that did not end well


@pytest.mark.parametrize(
    ("phase", "status", "reason"),
    [
        ("Failed", "failed", "AlgorithmError: the cause"),
        ("Stopped", "stopped", None),
        ("MaxRuntimeExceeded", "stopped", None),
    ],
)
def test_a_job_that_did_not_end_well_leaves_its_checkpoints(
    run: Run, job: TrainingJob, put: Put, phase: str, status: str, reason: str | None
) -> None:
    put(f"{CHECKPOINTS}/run/checkpoints/last.ckpt", "last")
    put(f"{CHECKPOINTS}/run/metrics.csv", "step")
    put(f"{CHECKPOINTS}/run/run.json", json.dumps({"status": "running", "logger_id": "abc"}))
    job.enter("Downloading")
    job.trained = 30.0
    job.enter(phase, reason)
    after = recorded(fetched(run))
    assert run.last_checkpoint.read_text() == "last"
    assert run.table_file.read_text() == "step"
    assert not run.model_dir.exists()
    assert (after["status"], after["reason"]) == (status, reason or phase)
    assert after["job"]["phase"] == phase
    assert after["job"]["seconds_billed"] == 30
    assert after["finished"]


def test_a_job_that_never_began_leaves_its_reason(run: Run, job: TrainingJob) -> None:
    job.enter("Failed", "CapacityError: Unable to provision requested ML compute capacity.")
    after = recorded(fetched(run))
    assert files(run.path) == {"config.yaml", "run.json"}
    assert after["reason"].startswith("CapacityError")
    assert (after["job"]["seconds_billed"], after["job"]["cost_usd"]) == (0, 0)


def test_an_empty_model_archive_makes_no_model(run: Run, job: TrainingJob, put: Put) -> None:
    put(f"{OUTPUT}/model.tar.gz", archive())
    job.enter("Failed", "AlgorithmError")
    fetched(run)
    assert not run.model_dir.exists()


def test_a_run_that_went_on_here_is_not_taken_back(run: Run, job: TrainingJob, put: Put) -> None:
    put(f"{CHECKPOINTS}/run/metrics.csv", "older")
    completed(job)
    run.record(resumed_here=True)
    with pytest.raises(UserError, match="went on on this machine"):
        fetched(run)
    assert files(run.path) == {"config.yaml", "run.json"}


WANDB = "wandb/offline-run-20260101_000000-abc/run-abc.wandb"


def test_the_files_of_loggers_go_where_a_run_here_leaves_them(
    aws: LocalAWS,
    job: TrainingJob,
    put: Put,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WANDB_DIR", raising=False)
    run = begin(tmp_path / "runs" / "run", "logger=[wandb,tensorboard]")
    put(f"{OUTPUT}/output.tar.gz", archive("run/metrics.csv", WANDB, "tensorboard/run/abc/events"))
    completed(job)
    fetched(run)
    assert files(tmp_path / "wandb") == {WANDB.removeprefix("wandb/")}
    assert files(tmp_path / "tensorboard") == {"run/abc/events"}
    assert files(run.path) == {"config.yaml", "run.json", "metrics.csv"}


@pytest.mark.parametrize("where", ["variable", "config"])
def test_wandbs_files_go_where_the_user_keeps_them(
    job: TrainingJob, put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    kept = tmp_path / "kept"
    if where == "variable":
        monkeypatch.setenv("WANDB_DIR", str(kept))
    overrides = [f"logger.wandb.dir={kept}"] if where == "config" else []
    run = begin(tmp_path / "runs" / "run", "logger=wandb", *overrides)
    put(f"{OUTPUT}/output.tar.gz", archive(WANDB))
    completed(job)
    fetched(run)
    assert files(kept) == {WANDB}


def test_of_a_job_that_was_cut_off_the_loggers_files_come_back_too(
    job: TrainingJob, put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WANDB_DIR", raising=False)
    run = begin(tmp_path / "runs" / "run", "logger=wandb")
    put(f"{CHECKPOINTS}/{WANDB}", "half a run")
    job.enter("MaxRuntimeExceeded")
    fetched(run)
    assert files(tmp_path / "wandb") == {WANDB.removeprefix("wandb/")}
