"""Runs a trial as a job, unless it has its result or its job already."""

import contextlib
import re
from collections.abc import Collection

from imdb_cls.errors import UserError
from imdb_cls.names import lower_is_better
from imdb_cls.runs.info import RunInfo
from imdb_cls.runs.outcome import Outcome, outcome_of
from imdb_cls.runs.run import Run
from imdb_cls.sweeps.live import Row
from imdb_cls.sweeps.trial import Trial
from imdb_cls.terminal import clock
from launch.aws.client import AWS, ConnectionLost
from launch.training.fetch import fetch
from launch.training.follow import OVER, Description, Log, cost, seconds_since
from launch.training.reconcile import lost, on_record, reconcile
from launch.training.submission import assembled
from launch.training.submit import Submitter


class LiveJob:
    """A trial's job while it is at work. `metric` is the sweep's, looked for in the job's log."""

    def __init__(self, run: Run, aws: AWS, metric: str) -> None:
        self.run, self.aws, self.metric = run, aws, metric
        self.name, job = on_record(run)
        self.fingerprint, self.price = run.info().fingerprint, job.price_per_hour
        self.best: float | None = None
        self.description: Description = {}
        self._log = Log(aws, self.name)
        self._value = re.compile(rf"\b{re.escape(metric)}=(\S+)")

    def look(self, description: Description) -> bool:
        """Notes how the job stands and reads its log. Returns whether it is over. Raises UserError
        if AWS refuses to tell, or does not answer."""
        self.description = description
        better = min if lower_is_better(self.metric) else max
        for line in self._log.new_lines():
            for found in self._value.findall(line):
                with contextlib.suppress(ValueError):
                    value = float(found)
                    self.best = value if self.best is None else better(self.best, value)
        return description["TrainingJobStatus"] in OVER

    def ended(self) -> Outcome:
        """Fetches what the job left, and gives the trial's outcome."""
        fetch(self.run, self.aws, self.description)
        if outcome := outcome_of(self.run, self.metric):
            return outcome
        reason = f"the job was stopped ({self.description['SecondaryStatus']})"
        return Outcome(self.run.path.name, "failed", None, reason)

    def row(self, label: str) -> Row:
        phase = self.description.get("SecondaryStatus", "Submitted")
        best = "" if self.best is None else f"{self.best:.4f}"
        elapsed = paid = ""
        if self.description:
            elapsed = clock(seconds_since(self.description))
            if (usd := cost(self.description, self.price)) is not None:
                paid = f"${usd:.2f}"
        return Row(self.run.path.name, label, phase, best, elapsed, paid)


def begin(
    trial: Trial, submitter: Submitter, active: Collection[str | None] = ()
) -> Outcome | LiveJob | None:
    """Gives a trial's outcome if it has one, else its job, which is sent if need be. None: the same
    trial is at work, so this one waits: `active` has the fingerprints of those. Raises UserError if
    AWS refuses a job, and would refuse the next one too, or does not answer."""
    try:
        fingerprint = trial.resolved.fingerprint
    except UserError as error:
        return trial.failed(error)
    if fingerprint in active:
        return None
    found = trial.find(rehearsed=submitter.account.rehearsal)
    if found is None:
        trial.place()
        return _send(trial, submitter)
    done = trial.outcome(new=False)
    if done and done.status in ("completed", "pruned"):
        return done
    return _go_on(trial, submitter, found)


def _go_on(trial: Trial, submitter: Submitter, run: Run) -> Outcome | LiveJob:
    """Gives the job that is at work on a trial, which is sent if AWS has not got it, or sends one
    that goes on from the checkpoint."""
    info = run.info()
    if info.job_name is None:
        reason = "begun on this machine: go on with it here, or give another hydra.sweep.dir"
        return Outcome(run.path.name, "failed", None, reason)
    if info.status == "completed":
        reason = f"its files are damaged: python -m launch.jobs fetch {run.path} brings them again"
        return Outcome(run.path.name, "failed", None, reason)
    if info.is_live_job:
        aws = submitter.account.client
        job = LiveJob(run, aws, trial.config.metric)
        there = reconcile(run, aws)
        if there is None:
            lost(run)
        elif not job.look(there):
            return job
        elif (done := job.ended()).status == "completed":
            return done
    return _send(trial, submitter, run.info())


def _send(trial: Trial, submitter: Submitter, before: RunInfo | None = None) -> Outcome | LiveJob:
    """Sends a trial's job, which goes on from that of the record `before`, if one is given."""
    account, run, sweep = submitter.account, trial.run, trial.sweep.name
    with contextlib.ExitStack() as stack:
        try:
            submission = stack.enter_context(
                assembled(account, trial.resolved, run, trial.overrides, sweep, before)
            )
        except ConnectionLost:
            raise
        except UserError as error:
            return trial.failed(error)
        submitter.send(submission)
    return LiveJob(run, account.client, trial.config.metric)


def dry(trial: Trial, submitter: Submitter) -> Outcome:
    """Writes a trial's request."""
    run, sweep = trial.run, trial.sweep.name
    with assembled(submitter.account, trial.resolved, run, trial.overrides, sweep) as submission:
        submitter.submit(submission)
    return Outcome(run.path.name, "submitted")
