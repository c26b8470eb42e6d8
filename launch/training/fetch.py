"""Brings back what a job left in S3."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from imdb_cls.config import Config
from imdb_cls.errors import UserError
from imdb_cls.runs.leftovers import remove_leftovers
from imdb_cls.runs.run import Run
from launch.aws import s3
from launch.aws.client import AWS, explained
from launch.aws.unpack import unpacked
from launch.training.follow import Description, cost, trained_seconds

_STATUS = {"Completed": "completed", "Failed": "failed", "Stopped": "stopped"}
# The facts of run.json that the client knows better than the job.
_OURS = (
    *("command", "overrides", "fingerprint", "resolved", "git_commit"),
    *("backend", "job_name", "job", "rehearsal", "sweep", "code"),
)


def fetch(run: Run, aws: AWS, description: Description) -> None:
    """Brings back what there is of the model, the files of the run and its checkpoints, and records
    how the job ended. It can be called again if it broke off.

    Raises:
        UserError: an archive is damaged or unsafe, or the run has gone on on this machine since.
    """
    if run.info().resumed_here:
        raise UserError(f"{run.path} went on on this machine: what its job left is older")
    remove_leftovers(run.path)
    with tempfile.TemporaryDirectory(prefix=f".fetch-{os.getpid()}-", dir=run.path) as temporary:
        staging = Path(temporary)
        files = _download(aws, description, staging)
        found = files / "run"
        theirs = Run(found)
        for path in sorted(found.iterdir()):
            if path.name not in (theirs.record_file.name, theirs.config_file.name):
                _move(path, run.path / path.name)
        _logger_files(run.config(), files)
        run.record_of(theirs, but=_OURS)
    run.record(**_ending(run, description))


def _ending(run: Run, description: Description) -> dict[str, Any]:
    status = _STATUS.get(description["TrainingJobStatus"], "running")
    job = run.info().required_job()
    job.status, job.phase = description["TrainingJobStatus"], description["SecondaryStatus"]
    job.seconds_billed = round(trained_seconds(description))
    found = description.get("FinalMetricDataList", [])
    job.final_metrics = {metric["MetricName"]: metric["Value"] for metric in found}
    if job.price_per_hour is not None:
        job.cost_usd = round(cost(description, job.price_per_hour), 4)
    ended = description.get("TrainingEndTime")
    facts: dict[str, Any] = {"status": status, "job": job}
    if status != "completed":
        facts["reason"] = description.get("FailureReason") or description["SecondaryStatus"]
        facts["finished"] = ended.isoformat(timespec="seconds") if ended else None
    return facts


def _download(aws: AWS, description: Description, staging: Path) -> Path:
    """Downloads everything into one directory: run/ has the files of the run directory, wandb/ and
    tensorboard/ those of the loggers."""
    files = staging / "files"
    (files / "run").mkdir(parents=True)
    name = description["TrainingJobName"]
    output = f"{description['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{name}/output"
    model = description.get("ModelArtifacts", {}).get("S3ModelArtifacts")
    if archive := _get(aws, model or f"{output}/model.tar.gz", staging / "model.tar.gz"):
        _extract(archive, files / "run" / "model")
        if not any((files / "run" / "model").iterdir()):
            (files / "run" / "model").rmdir()
    if archive := _get(aws, f"{output}/output.tar.gz", staging / "output.tar.gz"):
        _extract(archive, staging / "output")
        nested = staging / "output" / "data"
        shutil.copytree(
            nested if nested.is_dir() else staging / "output", files, dirs_exist_ok=True
        )
    # Only the checkpoints' place has them. It has the other files of a job that failed, too.
    if checkpoints := description.get("CheckpointConfig", {}).get("S3Uri"):
        with explained(f"fetching {checkpoints}"):
            # A name that begins with a dot is of a file that was being written.
            s3.download_tree(aws.client("s3"), checkpoints, files, hidden=False)
    return files


def _get(aws: AWS, uri: str, target: Path) -> Path | None:
    """Downloads an object, if there is one."""
    bucket, key = s3.split_uri(uri)
    with explained(f"fetching {uri}"):
        listed = aws.client("s3").list_objects_v2(Bucket=bucket, Prefix=key).get("Contents", [])
        if not any(item["Key"] == key for item in listed):
            return None
        aws.client("s3").download_file(bucket, key, str(target))
    return target


def _extract(archive: Path, target: Path) -> None:
    target.mkdir()
    unpacked(archive, target, archive.name, "is damaged", ": fetch again")
    archive.unlink()


def _logger_files(config: Config, files: Path) -> None:
    """Puts the files of wandb and TensorBoard where a run on this machine leaves them."""
    wandb, tensorboard = config.logger.wandb, config.logger.tensorboard
    if wandb and (files / "wandb").is_dir():
        base = Path(wandb.dir or os.environ.get("WANDB_DIR") or ".")
        shutil.copytree(files / "wandb", base / "wandb", dirs_exist_ok=True)
    if tensorboard and (files / "tensorboard").is_dir():
        shutil.copytree(files / "tensorboard", tensorboard.dir, dirs_exist_ok=True)


def _move(source: Path, target: Path) -> None:
    """Moves a file or directory over what an earlier fetch left."""
    if target.is_dir():
        shutil.rmtree(target)
    source.replace(target)
