"""What a job left comes back into the run directory: all of it, and nothing outside of it."""

import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from imdb_cls.errors import UserError
from imdb_cls.runs.info import JobInfo, Resolved
from imdb_cls.runs.run import Run
from imdb_cls.typed import filled
from launch.aws.client import AWS
from launch.rehearsal.aws import LocalAWS
from launch.rehearsal.training_jobs import TrainingJob
from launch.training.fetch import fetch
from launch.training.follow import describe
from tests.support.local_aws import BUCKET, REGION, completed, minimal_request, parsed

Put = Callable[..., None]
OUTPUT = "imdb_cls/jobs/job-1/output"
CHECKPOINTS = "imdb_cls/jobs/job-1/checkpoints"


def archive(*members: str | tarfile.TarInfo) -> bytes:
    """A .tar.gz of files that hold their own names."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for member in members:
            name = member if isinstance(member, str) else member.name
            content = name.encode()
            if isinstance(member, str):
                member = tarfile.TarInfo(name)
                member.size = len(content)
            tar.addfile(member, io.BytesIO(content) if member.isfile() else None)
    return stream.getvalue()


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made


def files(directory: Path) -> set[str]:
    return {p.relative_to(directory).as_posix() for p in directory.rglob("*") if not p.is_dir()}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run directory as it is while the job goes on, in a directory of its own."""
    monkeypatch.chdir(tmp_path)
    return begin(tmp_path / "runs" / "run")


def begin(path: Path, *overrides: str) -> Run:
    return Run.create(
        path,
        parsed(*(overrides or ("logger=none",))),
        overrides=["+backend=sagemaker", "seed=1"],
        fingerprint="ours",
        resolved=filled(Resolved, {"data_fingerprint": "0"}, "", partial=True),
        device="ml.p3.2xlarge",
        precision="16-mixed (auto)",
        backend="sagemaker",
        job_name="job-1",
        logger_id=None,
        rehearsal=False,
        job=filled(
            JobInfo,
            {"region": REGION, "instance_type": "ml.p3.2xlarge", "price_per_hour": 3.6},
            "",
            partial=True,
        ),
    )


def recorded(run: Run) -> dict[str, Any]:
    """run.json"""
    return dict(json.loads(run.record_file.read_text()))


@pytest.fixture
def job(aws: LocalAWS) -> TrainingJob:
    """A job that completed after 90 billed seconds."""
    made = aws.training.jobs.make(minimal_request(), REGION)
    made.final_metrics = {"val/loss": (0.25, made.created)}
    return made


def fetched(run: Run) -> Run:
    aws = AWS(REGION)
    fetch(run, aws, describe(aws, "job-1"))
    assert not [name for name in files(run.path) if name.startswith(".")]
    return run


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


def test_the_output_may_lie_below_data(run: Run, job: TrainingJob, put: Put) -> None:
    """SageMaker packs /opt/ml/output/data as one or as the other."""
    put(f"{OUTPUT}/output.tar.gz", archive("data/run/metrics.csv"))
    completed(job)
    assert files(fetched(run).path) == {"config.yaml", "run.json", "metrics.csv"}


def test_every_instance_is_paid_for(run: Run, job: TrainingJob) -> None:
    job.request["ResourceConfig"]["InstanceCount"] = 2
    completed(job, seconds=100.0)
    assert recorded(fetched(run))["job"]["cost_usd"] == 0.2


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


# What must not get out


@pytest.mark.parametrize("name", ["model", "output"])
@pytest.mark.parametrize(
    "member",
    [
        "../../escaped",
        "run/../../../escaped",
        link("inside", "/etc/passwd"),
        link("inside", "../../../secret"),
        link("inside", "../../../secret", tarfile.LNKTYPE),
        link("device", "", tarfile.CHRTYPE),
        link("pipe", "", tarfile.FIFOTYPE),
    ],
    ids=["up", "up from inside", "link to a path", "link up", "hard link up", "device", "pipe"],
)
def test_an_archive_that_leads_outside_is_refused(
    run: Run, job: TrainingJob, put: Put, member: str | tarfile.TarInfo, name: str, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("secret")
    put(f"{OUTPUT}/{name}.tar.gz", archive("run/first", member, "run/last"))
    completed(job)
    before = files(tmp_path)
    with pytest.raises(UserError) as error:
        fetched(run)
    line = str(error.value)
    assert len(line.splitlines()) == 1
    assert line.startswith(f"{name}.tar.gz is refused")
    assert files(tmp_path) == before
    assert (tmp_path / "secret").read_text() == "secret"


def test_a_link_that_a_later_file_goes_through_is_refused(
    run: Run, job: TrainingJob, put: Put, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    put(f"{OUTPUT}/model.tar.gz", archive(link("d", str(tmp_path / "elsewhere")), "d/file"))
    completed(job)
    with pytest.raises(UserError, match=r"model\.tar\.gz is refused"):
        fetched(run)
    assert files(tmp_path / "elsewhere") == set()


def test_an_absolute_path_stays_inside(
    run: Run, job: TrainingJob, put: Put, tmp_path: Path
) -> None:
    outside = tmp_path / "escaped"
    put(f"{OUTPUT}/model.tar.gz", archive(str(outside)))
    completed(job)
    fetched(run)
    assert not outside.exists()
    assert files(run.model_dir) == {str(outside).lstrip("/")}


@pytest.mark.parametrize("how", ["cut off", "changed", "no archive", "empty"])
def test_a_damaged_archive_is_one_line_and_changes_nothing(
    run: Run, job: TrainingJob, put: Put, how: str
) -> None:
    whole = archive(*(f"file-{i}" for i in range(200)))
    middle = len(whole) // 2
    damaged = {
        "cut off": whole[:middle],
        "changed": whole[:middle] + bytes(50) + whole[middle + 50 :],
        "no archive": b"<html>",
        "empty": b"",
    }[how]
    put(f"{OUTPUT}/model.tar.gz", damaged)
    put(f"{CHECKPOINTS}/run/metrics.csv", "step")
    completed(job)
    before = recorded(run)
    with pytest.raises(UserError) as error:
        fetched(run)
    assert len(str(error.value).splitlines()) == 1
    assert str(error.value).startswith("model.tar.gz is damaged")
    assert files(run.path) == {"config.yaml", "run.json"}
    assert recorded(run) == before
    # And once it is whole, the next fetch mends everything.
    put(f"{OUTPUT}/model.tar.gz", whole)
    assert len(files(fetched(run).model_dir)) == 200


@pytest.mark.parametrize(
    "key",
    [
        *("run/../../escaped", "../escaped", "run/a/../../../escaped", "/etc/escaped"),
        *("run/.hidden", "run/.git/config", "run/a/.env", ".env", "other/file"),
    ],
)
def test_keys_of_other_kinds_are_left_where_they_are(
    aws: LocalAWS, run: Run, job: TrainingJob, put: Put, key: str, tmp_path: Path
) -> None:
    put(f"{CHECKPOINTS}/{key}", "x")
    listed = aws.client("s3", REGION).list_objects_v2(Bucket=BUCKET)["Contents"]
    assert [item["Key"] for item in listed] == [f"{CHECKPOINTS}/{key}"]
    put(f"{CHECKPOINTS}/run/checkpoints/last.ckpt", "last")
    completed(job)
    before = files(tmp_path)
    fetched(run)
    assert files(tmp_path) - before == {"runs/run/checkpoints/last.ckpt"}


def test_a_run_that_went_on_here_is_not_taken_back(run: Run, job: TrainingJob, put: Put) -> None:
    put(f"{CHECKPOINTS}/run/metrics.csv", "older")
    completed(job)
    run.record(resumed_here=True)
    with pytest.raises(UserError, match="went on on this machine"):
        fetched(run)
    assert files(run.path) == {"config.yaml", "run.json"}


# Loggers


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
