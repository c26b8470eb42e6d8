"""A run as a SageMaker training job: plan, submit, follow, fetch. What +backend=sagemaker calls."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from imdb_cls.config import BackendConfig, Config
from imdb_cls.errors import UserError
from imdb_cls.runs.run import Run
from imdb_cls.storage import write_json
from imdb_cls.terminal import Screen, quiet_loaded_libraries
from imdb_cls.training.resolve import Recompose
from launch.aws.client import ConnectionLost, connect
from launch.training.attach import attach
from launch.training.submission import preflight, prepare
from launch.training.submit import submit, upload

if TYPE_CHECKING:
    from imdb_cls.runs.sweep import Sweep
    from imdb_cls.sweeps.runners import Jobs
    from imdb_cls.sweeps.search import Search
    from launch.sweeps.pool import Pool


def train(config: Config, path: Path, recompose: Recompose, overrides: list[str]) -> float:
    """Trains on SageMaker and fills the run directory `path`, as imdb_cls.training.train does here.
    Returns `metric` of the best checkpoint; NaN if nothing was waited for."""
    from imdb_cls.runs.sweep import Sweep

    assert config.backend is not None
    within = Sweep.around(path)
    if within is None:
        Run(path).check_free()
    with contextlib.ExitStack() as stack:
        backend = config.backend
        if backend.rehearse:
            from launch.rehearsal.rehearse import rehearsed

            kept = within.path / ".rehearsal" if within else None
            backend = stack.enter_context(rehearsed(backend, kept))
        config = replace(config, backend=backend)
        if within and not backend.dry_run:
            value = _join(config, within, path, recompose, overrides)
            shutil.rmtree(within.path / ".rehearsal", ignore_errors=True)
            return value
        return _train(config, path, recompose, overrides)


def _join(
    config: Config, sweep: "Sweep", path: Path, recompose: Recompose, overrides: list[str]
) -> float:
    """A run in the directory of a sweep: what it is already, or what is left of it."""
    from imdb_cls.runs.outcome import Outcome
    from launch.sweeps.trial import Trials

    assert config.backend is not None
    screen = Screen(config.trainer.progress)
    quiet_loaded_libraries(bars=screen.bar)
    try:
        aws = connect(config.backend.region)
        trials = Trials(sweep, aws, config.metric, screen, recompose)
        begun = trials.begin(config, path, overrides)
    except ConnectionLost as error:
        raise UserError(str(error)) from None
    if isinstance(begun, Outcome):
        if begun.status == "failed":
            raise UserError(str(begun))
        screen.say(str(begun))
        return float(begun)
    assert begun is not None
    if not config.backend.wait:
        screen.say(f"submitted; follow it with python -m launch.jobs attach {begun.run.path}")
        return float("nan")
    return attach(begun.run, aws, screen, config.backend.poll_seconds)


@contextlib.contextmanager
def sweep(
    jobs: "Jobs",
    backend: BackendConfig,
    sweep: "Sweep",
    search: "Search",
    screen: Screen,
    recompose: Recompose,
) -> "Iterator[Pool]":
    """What runs the trials of a sweep as jobs. Says what they may cost.

    Raises:
        UserError: what holds for every trial is wrong, or they cost too much.
    """
    from launch.sweeps import budget
    from launch.sweeps.pool import Pool, check

    check(jobs, backend, search)
    allowed = budget.of(backend, sweep, search.total)
    quiet_loaded_libraries(bars=screen.bar)
    with contextlib.ExitStack() as stack:
        rehearsals = sweep.path / ".rehearsal"
        if backend.rehearse:
            from launch.rehearsal.rehearse import rehearsed

            backend = stack.enter_context(rehearsed(backend, rehearsals))
        try:
            aws = None if backend.dry_run else connect(backend.region)
            preflight(backend, aws)
        except ConnectionLost as error:
            raise UserError(str(error)) from None
        nothing = "; rehearsed, so nothing is paid" * backend.rehearse
        screen.say(f"price: {allowed.line}{nothing}")
        yield Pool(jobs, backend, aws, sweep, search, allowed, screen, recompose)
    # Kept until now: a rehearsal that is killed goes on from what lies there, as from S3.
    shutil.rmtree(rehearsals, ignore_errors=True)


def _train(config: Config, path: Path, recompose: Recompose, overrides: list[str]) -> float:
    backend, run = config.backend, Run(path)
    assert backend is not None
    screen = Screen(config.trainer.progress)
    quiet_loaded_libraries(bars=screen.bar)
    try:
        aws = None if backend.dry_run else connect(backend.region)
        with tempfile.TemporaryDirectory(prefix="imdb_cls-") as temporary:
            submission = prepare(config, Path(temporary), run, recompose, overrides, aws)
            if submission.settled.announcement:
                screen.warn("the Hub cannot be reached", submission.settled.announcement)
            submission.plan.show(screen.console)
            if aws is None:
                path.mkdir(parents=True, exist_ok=True)
                write_json(path / "request.json", submission.request)
                screen.say(f"dry run: nothing was sent; the request is in {path / 'request.json'}")
                return float("nan")
            if sent := upload(submission, aws):
                screen.say(f"uploaded {sent} files to s3://{submission.store.bucket}")
            submit(submission, aws, run, overrides)
            leaves = "ends the rehearsal" if backend.rehearse else "leaves it running"
            screen.say(f"submitted {submission.job.name}; Ctrl-C {leaves}")
    except ConnectionLost as error:
        raise UserError(str(error)) from None
    if not backend.wait:
        screen.say(f"submitted; follow it with python -m launch.jobs attach {path}")
        return float("nan")
    return attach(run, aws, screen, backend.poll_seconds)
