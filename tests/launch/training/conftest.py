"""A run whose job is over."""

from pathlib import Path

import pytest

from imdb_cls.runs.run import Run
from launch.rehearsal.aws import LocalAWS
from launch.rehearsal.training_jobs import TrainingJob
from tests.support.fetched import begin
from tests.support.local_aws import REGION, minimal_request


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run directory as it is while the job goes on, in a directory of its own."""
    monkeypatch.chdir(tmp_path)
    return begin(tmp_path / "runs" / "run")


@pytest.fixture
def job(aws: LocalAWS) -> TrainingJob:
    """A job that completed after 90 billed seconds."""
    made = aws.training.jobs.make(minimal_request(), REGION)
    made.final_metrics = {"val/loss": (0.25, made.created)}
    return made
