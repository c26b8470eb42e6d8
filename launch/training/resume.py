"""The next job of a run whose last one is over: it goes on from the checkpoints in S3."""

from dataclasses import asdict, replace

from imdb_cls.config import BackendConfig, Config, with_type
from imdb_cls.config.overrides import applied, key_of, without_place
from imdb_cls.errors import UserError
from imdb_cls.runs.run import Run
from imdb_cls.training.complete import complete, is_complete
from imdb_cls.training.resolve import resolve
from imdb_cls.training.resume import resumed_config
from launch.hosting.account import of_job
from launch.training.fetch import fetch
from launch.training.follow import OVER
from launch.training.reconcile import lost, on_record, reconcile
from launch.training.submission import assembled
from launch.training.submit import Submitter

# They say what one command does, and no other.
_OF_ONE_COMMAND = ("job_name", "dry_run", "rehearse", "wait", "interrupt_at_step")


def check(run: Run, asked: str) -> None:
    """Raises UserError if the newest checkpoints of the run are not those of a job."""
    info = run.info()
    if info.job_name is None:
        why = "it ran on this machine"
    elif info.rehearsal:
        why = "it was a rehearsal, whose AWS ended with it"
    elif info.resumed_here:
        why = "it went on on this machine"
    else:
        return
    raise UserError(f"resume={asked}: {why}: go on here, without +backend")


def backend_of(run: Run, backend: BackendConfig, overrides: list[str]) -> BackendConfig:
    """The backend that the run was begun with, changed by the overrides of this command."""
    typed = {key_of(override) for override in overrides}
    _, job = on_record(run)
    # The record of a job that was fetched by its name has the overrides that it had there.
    machines = ("instance_type", "instance_count", "spot")
    before = [f"{name}={getattr(job, name)}" for name in machines if getattr(job, name) is not None]
    before += [o.lstrip("+").removeprefix("backend.") for o in run.info().overrides if _is_kept(o)]
    kept = [o for o in before if f"backend.{key_of(o)}" not in typed]
    found = with_type(BackendConfig, applied(asdict(backend), kept))
    region, bucket, _ = of_job(run)
    if found.region not in (None, region):
        raise UserError(f"backend.region={found.region}: the run's checkpoints are in {region}")
    return replace(found, region=region, bucket=found.bucket or bucket)


def resume(config: Config, run: Run, overrides: list[str], submitter: Submitter) -> Run | float:
    """Sends the job. Returns the run once that is done; its result if the run is complete already;
    NaN in a dry run.

    Raises:
        UserError: the last job is at work still, or a run cannot go on with these overrides.
    """
    if run.info().is_live_job and _end(run, submitter):
        return run
    info, screen = run.info(), submitter.screen
    typed = [o for o in overrides if key_of(o) != "resume"]
    given = without_place(typed)
    own, is_changed = resumed_config(run, given)
    if info.status == "completed" and not is_changed:
        screen.say(f"{run.path} is complete already; its metrics are in {run.metrics_file}")
        if not is_complete(run):
            for line in complete(run, screen):
                screen.say(line)
        return run.best(own.metric)

    def no_stand_in(stand_ins: list[str]) -> Config:
        raise UserError(
            f"resume={run.path}: the run began with files of the Hub, which cannot be reached now"
        )

    resolved = resolve(replace(own, backend=config.backend), no_stand_in)
    data = info.resolved.data_fingerprint if info.resolved else None
    if info.fingerprint and resolved.splits.fingerprint != data:
        raise UserError(f"resume={run.path}: the reviews are not those the run began with")
    changes = [o for o in given if o not in info.overrides]
    # All that the run has had; of a key the last one.
    keys = {key_of(o) for o in typed}
    merged = [*(o for o in info.overrides if key_of(o) not in keys), *typed]
    with assembled(
        submitter.account, resolved, run, merged, info.sweep, before=info, changes=changes
    ) as submission:
        return submitter.submit(submission)


def _end(run: Run, submitter: Submitter) -> bool:
    """Finds out how the last job ended. Gives whether one was sent instead, because AWS had not got
    its request."""
    was_unsettled = run.info().is_unsettled
    is_at_work = UserError(f"resume={run.path}: its job is still at work: {run.how_to_go_on()}")
    if submitter.account.aws is None:
        raise is_at_work
    aws = submitter.account.client
    there = reconcile(run, aws)
    if there is None:
        lost(run)
    elif there["TrainingJobStatus"] in OVER:
        fetch(run, aws, there)
    elif was_unsettled:
        return True
    else:
        raise is_at_work
    return False


def _is_kept(override: str) -> bool:
    group, _, name = key_of(override).partition(".")
    return group == "backend" and bool(name) and name not in _OF_ONE_COMMAND
