"""Sends jobs, those of single runs and those of trials: plan, request, upload, record, send."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from imdb_cls.errors import UserError
from imdb_cls.runs.info import JobInfo, RunInfo
from imdb_cls.runs.run import RUN_NAME, Run
from imdb_cls.storage import write_json
from imdb_cls.terminal import Screen
from imdb_cls.training.resolve import ResolvedConfig
from launch.aws.client import AWS, ConnectionLost, explained
from launch.hosting.account import Account
from launch.training import secret
from launch.training.request import Request
from launch.training.submission import Submission, assemble

# boto3 may repeat CreateTrainingJob after a lost answer for as long as that.
_LOST_ANSWER = timedelta(minutes=10)


class Submitter:
    """Sends the jobs of one command. It shows the plan of the first, which stands for all."""

    def __init__(self, account: Account, screen: Screen) -> None:
        self.account, self.screen = account, screen
        self._shown = False

    @contextlib.contextmanager
    def assembled(
        self,
        resolved: ResolvedConfig,
        run: Run,
        overrides: list[str],
        *,
        sweep: str | None = None,
        before: RunInfo | None = None,
    ) -> Iterator[Submission]:
        """Gives a job that can be sent for as long as this lasts.

        Args:
            sweep: the name of the sweep that the run is a trial of.
            before: the record of an earlier job of the run, to go on from its checkpoints.

        Raises:
            UserError: whatever a user can mend before anything is sent.
        """
        continues = before.job.checkpoints if before and before.job else None
        with tempfile.TemporaryDirectory(prefix="imdb_cls-") as staging:
            submission = assemble(
                resolved,
                self.account,
                run,
                overrides,
                Path(staging),
                sweep=sweep,
                continues=continues,
            )
            if not self._shown:
                self._shown = True
                if resolved.announcement:
                    self.screen.warn("the Hub cannot be reached", resolved.announcement)
                submission.plan.show(self.screen.console)
            yield submission

    def write_request(self, submission: Submission, directory: Path) -> None:
        """Writes the request instead of sending it, and says where."""
        directory.mkdir(parents=True, exist_ok=True)
        file = directory / "request.json"
        write_json(file, submission.request)
        self.screen.say(f"dry run: nothing was sent; the request is in {file}")

    def send(
        self, submission: Submission, run: Run, overrides: list[str], before: RunInfo | None = None
    ) -> int:
        """Uploads what the job needs, puts it on record, and asks for it. Returns how many files
        were uploaded.

        Args:
            before: the record of an earlier job of the run, in whose place this one stands.

        Raises:
            UserError: AWS refuses the job, or does not answer.
            KeyboardInterrupt: the job may have been created.
        """
        aws, store = self.account.client, self.account.store
        secret.send(submission.resolved.config, aws)
        uploaded = sum(len(store.put(channel)) for channel in submission.channels)
        if before:
            for path in run.path.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        # The name is on record before the job exists, whatever happens next.
        self._record(submission, run, overrides, before)
        attach = f"python -m launch.jobs attach {run.path}"
        try:
            _create(submission.request, aws)
        except KeyboardInterrupt:
            print(f"the job may have been created: {attach}", flush=True)
            raise
        except ConnectionLost as error:
            raise UserError(
                f"{error}; the job may have been created all the same: {attach}"
            ) from None
        except UserError:
            if before:
                run.record(**before.as_json())
            else:
                run.record_file.unlink(missing_ok=True)
                run.config_file.unlink(missing_ok=True)
            raise
        return uploaded

    def _record(
        self, submission: Submission, run: Run, overrides: list[str], before: RunInfo | None
    ) -> None:
        job, plan = submission.job, submission.plan
        Run.create(
            run.path,
            submission.resolved.config,
            overrides=overrides,
            fingerprint=job.fingerprint,
            resolved=submission.resolved.record,
            device=plan.machines.instance.name,
            precision=plan.machines.precision,
            backend="sagemaker",
            job_name=job.name,
            rehearsal=self.account.rehearsal,
            sweep=job.sweep,
            previous_jobs=_previous(before) if before else None,
            job=JobInfo(
                region=self.account.region,
                instance_type=plan.machines.instance.name,
                instance_count=plan.backend.instance_count,
                spot=plan.backend.spot,
                image=job.image,
                output=f"{job.folder}/{job.name}",
                checkpoints=job.checkpoints,
                price_per_hour=plan.machines.instance.price,
                ceiling_usd=None if plan.ceiling is None else round(plan.ceiling, 4),
            ),
        )


def _previous(before: RunInfo) -> list[JobInfo]:
    last = replace(before.required_job(), name=before.job_name)
    return [*(before.previous_jobs or []), last]


def _create(made: Request, aws: AWS) -> None:
    client, name = aws.client("sagemaker"), made["TrainingJobName"]
    taken = f"choose another backend.job_name than {name}, or leave it out"
    with explained("submitting the job", ResourceInUse=taken):
        try:
            client.create_training_job(**made)
        except client.exceptions.ResourceInUse:
            there = client.describe_training_job(TrainingJobName=name)
            new = datetime.now(UTC) - there["CreationTime"] < _LOST_ANSWER
            run = there.get("Environment", {}).get(RUN_NAME)
            # It is this job if the first answer was lost on its way and boto3 asked again.
            if not (new and run == made["Environment"][RUN_NAME]):
                raise
