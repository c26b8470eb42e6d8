"""Sends jobs, those of single runs and those of trials: show, upload, record, send."""

import shutil
from dataclasses import replace

from imdb_cls.errors import UserError
from imdb_cls.runs.info import JobInfo, plain_values
from imdb_cls.runs.run import Run
from imdb_cls.storage import write_json, write_text
from imdb_cls.terminal import Screen, show_plan
from launch.aws.client import QuotaReached
from launch.aws.creating import Unsettled
from launch.aws.instances import PREFERENCES, asked, dearest
from launch.aws.limits import Request
from launch.hosting.account import Account
from launch.hosting.names import digest
from launch.training import instance_types, reconcile, tracking
from launch.training.submission import Submission


class Submitter:
    """Sends the jobs of one command. It shows the plan of the first, which stands for all."""

    def __init__(self, account: Account, screen: Screen) -> None:
        self.account, self.screen = account, screen
        self._shown = False

    def submit(self, submission: Submission) -> Run | float:
        """Sends a job and says so. Returns its run; in a dry run, which writes the request, NaN.
        Raises what `send` does."""
        run, say = submission.job.run, self.screen.say
        if self.account.aws is None:
            self._show(submission)
            run.path.mkdir(parents=True, exist_ok=True)
            write_json(run.path / "request.json", submission.request)
            say(f"dry run: nothing was sent; the request is in {run.path / 'request.json'}")
            return float("nan")
        uploaded = self.send(submission)
        if uploaded and not submission.job.before:
            say(f"uploaded {uploaded} files to s3://{self.account.store.bucket}")
        say(f"submitted {submission.job.name}; {self.account.submitted}")
        return run

    def send(self, submission: Submission) -> int:
        """Uploads what the job needs, puts it on record, and asks for it. Returns how many files
        were uploaded.

        Raises:
            UserError: AWS refuses the job, or does not answer.
            KeyboardInterrupt: the job may have been created.
        """
        self._show(submission)
        run, before, store = submission.job.run, submission.job.before, self.account.store
        tracking.send_key(submission.job.resolved.config, self.account.client)
        uploaded = sum(len(store.put(channel)) for channel in submission.channels)
        run.path.mkdir(parents=True, exist_ok=True)
        with reconcile.alone(run):
            if before and run.info() != before:
                raise UserError(f"{run.path}: another process has gone on with it: try again")
            config = run.config_file.read_text(encoding="utf-8") if before else ""
            try:
                self._ask(submission)
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

    def _show(self, submission: Submission) -> None:
        if not self._shown:
            self._shown = True
            if announcement := submission.job.resolved.announcement:
                self.screen.warn("the Hub cannot be reached", announcement)
            show_plan(self.screen.console, submission.facts, submission.warnings)

    def _ask(self, submission: Submission) -> None:
        """Asks for the job on the first of its instance types that AWS does not refuse at once."""
        job = submission.job
        requests = instance_types.attempts(submission.request, job.backend)
        for request in requests:
            # The name is on record before the job exists, whatever happens next.
            _record(submission, request)
            try:
                reconcile.send(job.run, self.account.client)
                return
            except UserError as error:
                # AWS may take the same for another type, or for one in place of a list.
                is_of_the_type = isinstance(error, QuotaReached) or PREFERENCES in str(error)
                if request is requests[-1] or not is_of_the_type:
                    raise
                self.screen.warn("the next instance type is tried", str(error))


def _record(submission: Submission, request: Request) -> None:
    job, machines, before = submission.job, submission.machines, submission.job.before
    types, others = asked(request["ResourceConfig"]), job.backend.instance_types
    later = others[others.index(types[0]) + 1 :] if len(types) == 1 else []
    previous = None
    if before:
        last = replace(before.required_job(), name=before.job_name)
        previous = [*(before.previous_jobs or []), last]
    Run.create(
        job.run.path,
        job.resolved.config,
        anew=before is not None or job.run.record_file.is_file(),
        overrides=submission.overrides,
        fingerprint=job.resolved.fingerprint,
        resolved=job.resolved.record,
        device=" or ".join(types),
        precision=machines.precision,
        backend="sagemaker",
        job_name=job.name,
        rehearsal=job.account.rehearsal,
        sweep=job.sweep,
        previous_jobs=previous,
        job=JobInfo(
            region=job.account.region,
            account=job.account.number,
            request=request,
            request_digest=digest(request),
            instance_type=types[0],
            next_types=later or None,
            instance_count=job.backend.instance_count,
            spot=job.backend.spot,
            image=job.image.uri,
            output=job.account.store.folder("jobs", job.name),
            checkpoints=job.checkpoints,
            price_per_hour=dearest([i for i in machines.instances if i.name in types]).price,
            ceiling_usd=None if machines.ceiling is None else round(machines.ceiling, 4),
        ),
    )


def _clear(run: Run) -> None:
    """Deletes what an earlier job left here. Its checkpoints are in S3."""
    for path in run.path.iterdir():
        if path not in (run.record_file, run.config_file):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
