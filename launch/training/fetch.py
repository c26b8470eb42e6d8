"""Brings back what a job left in S3."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from imdb_cls.errors import UserError
from imdb_cls.runs.info import JobInfo, plain_values
from imdb_cls.runs.leftovers import remove_leftovers
from imdb_cls.runs.run import Run
from imdb_cls.runs.yaml_files import to_yaml
from imdb_cls.storage import write_json, write_text
from imdb_cls.training.loggers.wandb_files import directory
from launch.aws import s3
from launch.aws.client import AWS, explained
from launch.aws.instances import asked, chosen, find
from launch.aws.unpack import unpacked
from launch.training.ending import reason_of
from launch.training.follow import Description, cost, price_of, trained_seconds
from launch.training.overrides import of_this_machine

_STATUS = {"Completed": "completed", "Failed": "failed", "Stopped": "stopped"}
# The facts of run.json that the client knows better than the job.
_OURS = (
    *("command", "overrides", "fingerprint", "resolved", "git_commit"),
    *("backend", "job_name", "job", "rehearsal", "sweep", "code"),
)


def check_newest(run: Run) -> None:
    """Raises UserError if the run of a job has gone on on this machine since."""
    info = run.info()
    if info.resumed_here:
        done = f"it is {info.status}: " if info.status == "completed" else ""
        raise UserError(
            f"{run.path} went on on this machine, and what its job left is older:"
            f" {done}{run.how_to_go_on()}"
        )


def fetch(run: Run, aws: AWS, description: Description) -> None:
    """Brings back what there is of the model, the files of the run and its checkpoints, and records
    how the job ended. It can be called again if it broke off.

    Raises:
        UserError: an archive is damaged or unsafe, or the run has gone on on this machine since.
    """
    check_newest(run)
    remove_leftovers(run.path)
    with tempfile.TemporaryDirectory(prefix=f".fetch-{os.getpid()}-", dir=run.path) as temporary:
        _keep(run, _download(aws, description, Path(temporary)))
    run.record(**_ending(run, description))


def fetch_anew(path: Path, aws: AWS, description: Description) -> Run:
    """The same where there is no run directory any more: makes one of what the job left.

    Raises:
        UserError: an archive is damaged or unsafe, or the job left too little.
    """
    run, name = Run(path), description["TrainingJobName"]
    if run.record_file.is_file() and run.info().job_name == name:
        fetch(run, aws, description)
        return run
    run.check_free()
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=path.parent) as temporary:
        files = _download(aws, description, Path(temporary))
        left = Run(files / "run")
        if not (left.record_file.is_file() and left.config_file.is_file()):
            raise UserError(f"{name} left no run: {reason_of(description)}")
        path.mkdir(exist_ok=True)
        write_text(run.config_file, to_yaml(of_this_machine(left.config())))
        facts = left.info()
        facts.backend, facts.job_name = "sagemaker", name
        facts.job, facts.sha256 = _job_of(description, aws.region), None
        write_json(run.record_file, plain_values(facts))
        _keep(run, files)
    run.record(**_ending(run, description))
    return run


def _keep(run: Run, files: Path) -> None:
    """Moves what was downloaded to where a run on this machine has it."""
    theirs = Run(files / "run")
    for path in sorted(theirs.path.iterdir()):
        if path.name not in (theirs.record_file.name, theirs.config_file.name):
            if (run.path / path.name).is_dir():  # an earlier fetch left it
                shutil.rmtree(run.path / path.name)
            path.replace(run.path / path.name)
    loggers = run.config().logger
    if loggers.wandb and (files / "wandb").is_dir():
        shutil.copytree(files / "wandb", directory(loggers.wandb) / "wandb", dirs_exist_ok=True)
    if loggers.tensorboard and (files / "tensorboard").is_dir():
        shutil.copytree(files / "tensorboard", loggers.tensorboard.dir, dirs_exist_ok=True)
    run.record_of(theirs, but=_OURS)


def _job_of(description: Description, region: str) -> JobInfo:
    """What a record says of a job, from AWS."""
    resources = description["ResourceConfig"]
    return JobInfo(
        region=region,
        account=description["TrainingJobArn"].split(":")[4],
        instance_type=chosen(resources) or asked(resources)[0],
        instance_count=resources.get("SelectedInstanceCount") or resources["InstanceCount"],
        spot=bool(description.get("EnableManagedSpotTraining")),
        image=description["AlgorithmSpecification"]["TrainingImage"],
        output=f"{description['OutputDataConfig']['S3OutputPath'].rstrip('/')}"
        f"/{description['TrainingJobName']}",
        checkpoints=description.get("CheckpointConfig", {}).get("S3Uri"),
        price_per_hour=find(chosen(resources) or asked(resources)[0]).price,
        ceiling_usd=None,
    )


def _ending(run: Run, description: Description) -> dict[str, Any]:
    status = _STATUS.get(description["TrainingJobStatus"], "running")
    job = run.info().required_job()
    job.status, job.phase = description["TrainingJobStatus"], description["SecondaryStatus"]
    job.seconds_billed = round(trained_seconds(description))
    found = description.get("FinalMetricDataList", [])
    job.final_metrics = {metric["MetricName"]: metric["Value"] for metric in found}
    if selected := description["ResourceConfig"].get("SelectedInstanceType"):
        job.instance_type = selected
    job.price_per_hour = price_of(description, job.price_per_hour)
    if (paid := cost(description, job.price_per_hour)) is not None:
        job.cost_usd = round(paid, 4)
        # SageMaker bills of no spot job all seconds that it has trained.
        trained = float(description.get("TrainingTimeInSeconds", 0))
        whole = cost(description, job.price_per_hour, trained)
        if job.spot and whole is not None:
            job.saved_usd = round(max(0.0, whole - paid), 4)
    ended = description.get("TrainingEndTime")
    facts: dict[str, Any] = {"status": status, "job": job}
    if status != "completed":
        facts["reason"] = reason_of(description)
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
