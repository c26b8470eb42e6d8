"""Runs as SageMaker training jobs: what +backend=sagemaker calls."""

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from imdb_cls.config import BackendConfig, Config
from imdb_cls.errors import UserError
from imdb_cls.runs.outcome import Outcome
from imdb_cls.runs.run import Run
from imdb_cls.runs.sweep import Sweep
from imdb_cls.terminal import Screen, quiet_downloads
from imdb_cls.training.resolve import Recompose, resolve
from launch.hosting import account
from launch.hosting.account import Account
from launch.training import resume
from launch.training.attach import NoMachine, attach
from launch.training.instance_types import after
from launch.training.reconcile import reconcile
from launch.training.submission import assembled, check_early, check_for_all
from launch.training.submit import Submitter

if TYPE_CHECKING:
    from imdb_cls.sweeps.runners import HydraSweep
    from imdb_cls.sweeps.search import Search
    from launch.sweeps.pool import Pool


def train(config: Config, path: Path, recompose: Recompose, overrides: list[str]) -> float:
    """Trains on SageMaker and fills the run directory `path`, as imdb_cls.training.fit.train does
    here. Returns `metric` of the best checkpoint; NaN if nothing was waited for. Raises UserError
    for whatever a user can mend; jobs that were sent go on."""
    run, around = Run(path), Sweep.around(path)
    if config.resume:
        run = _resumed(config, path, overrides)
    goes_on = not (config.resume or around) and _is_unsettled(run, config, overrides)
    if not (config.resume or around or goes_on):
        run.check_free()
    check_early(config, overrides)
    backend, screen = config.backend, Screen(config.trainer.progress)
    assert backend is not None
    quiet_downloads(bars=screen.bar)
    with _opened(backend, around) as opened:
        submitter = Submitter(opened, screen)
        sent: Run | float = run
        if goes_on:
            reconcile(run, opened.client)
        elif config.resume:
            sent = resume.resume(config, run, overrides, submitter)
        elif around and not backend.dry_run:
            sent = _join(config, path, recompose, overrides, submitter)
        else:
            with assembled(opened, resolve(config, recompose), run, overrides) as submission:
                sent = submitter.submit(submission)
        if not isinstance(sent, Run):
            return sent
        if not backend.wait:
            screen.say(f"submitted; follow it with python -m launch.jobs attach {sent.path}")
            return float("nan")
        while other := after(sent, backend):
            try:
                return attach(sent, opened.client, screen, opened.poll_seconds, others=True)
            except NoMachine as error:
                screen.warn(f"{other.instance_types[0]} is tried", str(error))
            resume.resume(replace(config, backend=other), sent, [], submitter)
        return attach(sent, opened.client, screen, opened.poll_seconds)


def _resumed(config: Config, path: Path, overrides: list[str]) -> Run:
    """The run that resume=… names. The config gets the backend that it was begun with."""
    assert config.resume is not None
    run = Run.open(config.resume)
    if path.resolve() != run.path.resolve():
        raise UserError(
            f"resume={config.resume} goes on in its own directory: leave hydra.run.dir out"
        )
    resume.check(run, config.resume)
    assert config.backend is not None
    config.backend = resume.backend_of(run, config.backend, overrides)
    return run


def _is_unsettled(run: Run, config: Config, overrides: list[str]) -> bool:
    """Whether the same command began a job here, and nobody knows whether it was made."""
    assert config.backend is not None
    if config.backend.dry_run or not run.record_file.is_file():
        return False
    info = Run.open(run.path).info()
    return info.is_unsettled and info.overrides == overrides


def _join(
    config: Config, path: Path, recompose: Recompose, overrides: list[str], submitter: Submitter
) -> Run | float:
    """A run in the directory of a sweep. Returns it once its job is sent; its result if it has one
    already."""
    from imdb_cls.sweeps.trial import Trial
    from launch.sweeps.trial import begin

    begun = begin(Trial(config, path, overrides, recompose), submitter)
    assert begun is not None
    if not isinstance(begun, Outcome):
        return begun.run
    if begun.status == "failed":
        raise UserError(str(begun))
    submitter.screen.say(str(begun))
    return float(begun)


@contextlib.contextmanager
def sweep(
    hydra: "HydraSweep",
    backend: BackendConfig,
    sweep: Sweep,
    search: "Search",
    screen: Screen,
    recompose: Recompose,
) -> "Iterator[Pool]":
    """What runs the trials of a sweep as jobs. Says what they may cost. Raises UserError if what
    holds for every trial is wrong, or they cost too much."""
    from launch.sweeps import budget
    from launch.sweeps.pool import Pool, check_sweep

    check_sweep(hydra, backend)
    allowed = budget.of(backend, sweep, search.total)
    quiet_downloads(bars=screen.bar)
    with _opened(backend, sweep) as opened:
        check_for_all(backend, opened)
        nothing = "; rehearsed, so nothing is paid" * opened.rehearsal
        screen.say(f"price: {allowed.line}{nothing}")
        backend = replace(backend, max_cost=allowed.each)
        yield Pool(hydra, backend, sweep, search, Submitter(opened, screen), recompose)


@contextlib.contextmanager
def _opened(backend: BackendConfig, sweep: Sweep | None) -> Iterator[Account]:
    """The account. A rehearsal keeps its checkpoints in the directory of a sweep until the sweep
    ends: one that is killed goes on from there, as it would from S3."""
    kept = sweep.path / ".rehearsal" if sweep else None
    with account.opened(backend, kept) as opened:
        yield opened
    if kept:
        shutil.rmtree(kept, ignore_errors=True)
