"""Sends jobs, those of single runs and those of trials: plan, request, upload, record, send."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from imdb_cls.errors import UserError
from imdb_cls.runs.info import JobInfo, RunInfo, plain_values
from imdb_cls.runs.run import Run
from imdb_cls.storage import write_json, write_text
from imdb_cls.terminal import Screen
from imdb_cls.training.resolve import ResolvedConfig
from launch.aws.creating import Unsettled
from launch.aws.instances import asked, dearest
from launch.hosting.account import Account
from launch.hosting.names import digest
from launch.training import instance_types, reconcile, secret
from launch.training.request import Request
from launch.training.submission import Submission, assemble


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
        changes: list[str] | None = None,
    ) -> Iterator[Submission]:
        """Gives a job that can be sent for as long as this lasts.

        Args:
            sweep: the name of the sweep that the run is a trial of.
            before: the record of an earlier job of the run, to go on from its checkpoints.
            changes: as `assemble` takes them.

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
                changes=changes,
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
        run.path.mkdir(parents=True, exist_ok=True)
        with reconcile.alone(run):
            if before and run.info() != before:
                raise UserError(f"{run.path}: another process has gone on with it: try again")
            config = run.config_file.read_text(encoding="utf-8") if before else ""
            try:
                self._ask(submission, run, overrides, before)
            except KeyboardInterrupt:
                print(reconcile.still_unsettled(run), flush=True)
                raise
            except Unsettled as error:
                raise error.advising(reconcile.still_unsettled(run)) from None
            except UserError:
                if before:
                    write_text(run.config_file, config)
                    write_json(run.record_file, plain_values(before))
                else:
                    reconcile.release(run)
                raise
            if before:
                _clear(run)
        return uploaded

    def _ask(
        self, submission: Submission, run: Run, overrides: list[str], before: RunInfo | None
    ) -> None:
        """Asks for the job on the first of its instance types that AWS does not refuse at once."""
        *others, last = instance_types.attempts(submission.request, submission.plan.backend)
        # The name is on record before the job exists, whatever happens next.
        for request in others:
            self._record(submission, request, run, overrides, before)
            try:
                reconcile.send(run, self.account.client)
                return
            except UserError as error:
                if not instance_types.is_of_the_type(error):
                    raise
                self.screen.warn("the next instance type is tried", str(error))
        self._record(submission, last, run, overrides, before)
        reconcile.send(run, self.account.client)

    def _record(
        self,
        submission: Submission,
        request: Request,
        run: Run,
        overrides: list[str],
        before: RunInfo | None,
    ) -> None:
        job, plan = submission.job, submission.plan
        types, others = asked(request["ResourceConfig"]), plan.backend.instance_types
        later = others[others.index(types[0]) + 1 :] if len(types) == 1 else []
        machines = [i for i in plan.machines.instances if i.name in types]
        Run.create(
            run.path,
            submission.resolved.config,
            anew=before is not None or run.record_file.is_file(),
            overrides=overrides,
            fingerprint=job.fingerprint,
            resolved=submission.resolved.record,
            device=" or ".join(types),
            precision=plan.machines.precision,
            backend="sagemaker",
            job_name=job.name,
            rehearsal=self.account.rehearsal,
            sweep=job.sweep,
            previous_jobs=_previous(before) if before else None,
            job=JobInfo(
                region=self.account.region,
                account=self.account.number,
                request=request,
                request_digest=digest(request),
                instance_type=types[0],
                next_types=later or None,
                instance_count=plan.backend.instance_count,
                spot=plan.backend.spot,
                image=job.image,
                output=f"{job.folder}/{job.name}",
                checkpoints=job.checkpoints,
                price_per_hour=dearest(machines).price,
                ceiling_usd=None if plan.ceiling is None else round(plan.ceiling, 4),
            ),
        )


def _previous(before: RunInfo) -> list[JobInfo]:
    last = replace(before.required_job(), name=before.job_name)
    return [*(before.previous_jobs or []), last]


def _clear(run: Run) -> None:
    """Deletes what an earlier job left here. Its checkpoints are in S3."""
    for path in run.path.iterdir():
        if path not in (run.record_file, run.config_file):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
