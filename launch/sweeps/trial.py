"""Runs a trial as a job, unless it has its result or its job already."""

import contextlib
from collections.abc import Collection

from imdb_cls.errors import UserError
from imdb_cls.runs.info import RunInfo
from imdb_cls.runs.outcome import Outcome
from imdb_cls.runs.run import Run
from imdb_cls.sweeps.trial import Trial
from launch.aws.client import ConnectionLost
from launch.sweeps.live_job import LiveJob
from launch.training.reconcile import lost, reconcile
from launch.training.submission import assembled
from launch.training.submit import Submitter


def begin(
    trial: Trial, submitter: Submitter, active: Collection[str | None] = ()
) -> Outcome | LiveJob | None:
    """Gives a trial's outcome if it has one, else its job, which is sent if need be. None: the same
    trial is at work, so this one waits.

    Args:
        active: the fingerprints of the trials at work.

    Raises:
        UserError: AWS refuses a job, and would refuse the next one too, or does not answer.
    """
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
    """
    Args:
        before: the record of an earlier job, to go on from.
    """
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
