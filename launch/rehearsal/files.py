"""The files of a job's hosts: what lies there before a container starts, and what is kept of it.

A job has a directory, in it one for each attempt at it, and in that one for each host, which holds
ml (/opt/ml), hosts (/etc/hosts), tmp and home.
"""

import json
import tarfile
from pathlib import Path
from typing import Any

from imdb_cls.errors import UserError
from launch.aws.s3 import download_tree, split_uri, upload_tree
from launch.rehearsal.training_jobs import TrainingJob

# Beside the attempts at a job, this file says where in S3 its checkpoints go.
_CHECKPOINTS = "checkpoints.uri"


def remember(job: TrainingJob, directory: Path) -> None:
    """Makes the directory of a job, with what `restore` has to know."""
    directory.mkdir(parents=True)
    (directory / _CHECKPOINTS).write_text(job.checkpoints, encoding="utf-8")


def restore(s3: Any, directory: Path) -> None:
    """Puts the checkpoints that jobs of an earlier rehearsal left in the directory into S3, where
    SageMaker would have kept them. The latest attempt wins."""
    for record in sorted(directory.glob(f"*/{_CHECKPOINTS}"), key=lambda p: p.stat().st_mtime):
        found = record.parent.glob("*/*/ml/checkpoints")
        for checkpoints in sorted(found, key=lambda path: int(path.parents[2].name)):
            upload_tree(s3, checkpoints, record.read_text(encoding="utf-8"))


def provide(s3: Any, job: TrainingJob, host: Path) -> None:
    """Raises UserError if there is nothing in S3 for one of the channels."""
    for name in ("ml/input/config", "ml/input/data", "ml/model", "ml/output/data", "tmp", "home"):
        (host / name).mkdir(parents=True)
    names = "".join(f"127.0.0.1 {name}\n" for name in ("localhost", *job.hosts))
    (host / "hosts").write_text(names, encoding="utf-8")
    channels = {}
    for channel in job.request.get("InputDataConfig", []):
        name, source = channel["ChannelName"], channel["DataSource"]["S3DataSource"]
        if not download_tree(s3, source["S3Uri"], host / "ml/input/data" / name):
            raise UserError(f"Data download failed: no S3 objects found under {source['S3Uri']}")
        channels[name] = {
            "TrainingInputMode": channel.get("InputMode", "File"),
            "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
            "RecordWrapperType": "None",
        }
    (host / "ml/checkpoints").mkdir()
    download_tree(s3, job.checkpoints, host / "ml/checkpoints")
    content = {
        "hyperparameters": job.request.get("HyperParameters", {}),
        "inputdataconfig": channels,
        "resourceconfig": {
            "current_host": host.name,
            "current_instance_type": job.machine,
            "current_group_name": "homogeneousCluster",
            "hosts": job.hosts,
            "network_interface_name": "lo",
        },
    }
    for name, value in content.items():
        (host / f"ml/input/config/{name}.json").write_text(json.dumps(value), encoding="utf-8")


def upload_results(s3: Any, job: TrainingJob, hosts: list[Path]) -> None:
    """Uploads model.tar.gz and output.tar.gz, each of all hosts together."""
    for name, folder in (("model", "ml/model"), ("output", "ml/output/data")):
        files = {
            path.relative_to(host / folder).as_posix(): path
            for host in hosts
            for path in sorted((host / folder).rglob("*"))
            if path.is_file()
        }
        if not files and name == "output":
            continue
        archive = hosts[0].parent / f"{name}.tar.gz"
        with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
            for member, path in files.items():
                tar.add(path, member)
        bucket, key = split_uri(f"{job.output}/{name}.tar.gz")
        s3.upload_file(str(archive), bucket, key)


def failure(hosts: list[Path]) -> str:
    """Why the containers failed, as far as they say it."""
    reasons = [host / "ml/output/failure" for host in hosts]
    said = (reason.read_text(encoding="utf-8") for reason in reasons if reason.is_file())
    return next(said, "") or "no cause given"
