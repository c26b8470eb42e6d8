"""A job of a run that is over, what it left, and what comes back of it."""

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from imdb_cls.runs.info import JobInfo, Resolved
from imdb_cls.runs.run import Run
from imdb_cls.typed import filled
from launch.aws.client import AWS
from launch.training.fetch import fetch
from launch.training.follow import describe
from tests.support.local_aws import REGION, parsed

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


def fetched(run: Run) -> Run:
    aws = AWS(REGION)
    fetch(run, aws, describe(aws, "job-1"))
    assert not [name for name in files(run.path) if name.startswith(".")]
    return run
