"""One training run, from a config to a whole run directory."""

import os
import uuid
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from pytorch_lightning import Callback

from imdb_cls.config import Config
from imdb_cls.container import job_name
from imdb_cls.errors import UserError
from imdb_cls.model import contents
from imdb_cls.model.device import release_memory
from imdb_cls.runs import seals
from imdb_cls.runs.clock import Clock
from imdb_cls.runs.fingerprint import versions
from imdb_cls.runs.run import SWEEP_NAME, Run
from imdb_cls.runs.yaml_files import to_yaml
from imdb_cls.storage import write_text
from imdb_cls.terminal import Screen, is_rank_zero, quiet_loaded_libraries
from imdb_cls.training.complete import complete, is_complete
from imdb_cls.training.prepare import PreparedRun, prepare_run
from imdb_cls.training.recording import recording, run_lock
from imdb_cls.training.resolve import Recompose, ResolvedConfig
from imdb_cls.training.resume import resumed_config
from imdb_cls.training.test_split import test_best_checkpoint
from imdb_cls.training.trainer import fit


def train(
    config: Config,
    path: Path,
    recompose: Recompose,
    overrides: list[str],
    *,
    sweep: str | None = None,
    resolved: ResolvedConfig | None = None,
    callbacks: Sequence[Callback] = (),
) -> float:
    """Trains, tests and fills the run directory `path`. Returns `metric` of the best checkpoint.

    Args:
        sweep: the name of the sweep that this is a trial of.
        resolved: what the names in the config came to, if they are resolved already.
        callbacks: for the Trainer, beside those that every run has.
    """
    run, screen, clock = Run(path), Screen(config.trainer.progress), Clock()
    quiet_loaded_libraries(bars=screen.bar)
    if is_rank_zero():
        run.check_free()
    with clock.part("prepare"):
        prepared = prepare_run(config, recompose, resolved)
    with run_lock(run):
        if is_rank_zero():
            Run.create(
                path,
                prepared.resolved.config,
                overrides=overrides,
                fingerprint=prepared.resolved.fingerprint,
                resolved=prepared.resolved.record,
                device=prepared.device.name,
                precision=prepared.device.precision,
                backend="sagemaker" if config.container else "local",
                job_name=job_name() if config.container else None,
                # Trials of a sweep never share it, and a resumed run goes on under it.
                logger_id=uuid.uuid4().hex[:12],
                sweep=sweep or os.environ.get(SWEEP_NAME),
            )
        return _carry_out(run, prepared, screen, clock, callbacks)


def resume(
    asked: str,
    path: Path,
    overrides: list[str],
    *,
    resolved: ResolvedConfig | None = None,
    callbacks: Sequence[Callback] = (),
) -> float:
    """Goes on with the run `asked` for, where its last checkpoint was saved, as `train` does with a
    new one. `path` must be the run's own directory."""
    run = Run.open(asked)
    if path.resolve() != run.path.resolve():
        raise UserError(f"resume={asked} goes on in its own directory: leave hydra.run.dir out")
    with run_lock(run):
        info = run.info()
        # The job itself may go on with its run.
        if info.is_live_job and job_name() is None:
            first = run.how_to_go_on()
            raise UserError(f"resume={asked}: its job may still be running: first {first}")
        config, changed = resumed_config(run, overrides)
        screen, clock = Screen(config.trainer.progress), Clock()
        quiet_loaded_libraries(bars=screen.bar)
        if info.resolved is None:
            raise UserError(f"resume={path}: the run failed before it began: train it anew")
        if info.status == "completed" and not changed and not _make_again(run, screen):
            screen.say(f"{path} is complete already; its metrics are in {run.metrics_file}")
            # It may have been stopped after it was tested.
            if is_rank_zero() and not config.container and not is_complete(run):
                for line in complete(run, screen):
                    screen.say(line)
            return run.best(config.metric)
        clock.seconds = dict(info.parts or {})
        with clock.part("prepare"):
            prepared = prepare_run(config, lambda stand_ins: _no_stand_in(path), resolved)
        before, now = info.resolved.data_fingerprint, prepared.resolved.splits.fingerprint
        if now != before:
            raise UserError(
                f"resume={path}: the reviews are not those the run began with"
                f" ({now} instead of {before})"
            )
        if is_rank_zero():
            run.record(sha256=run.seal_of(config))
            write_text(run.config_file, to_yaml(config))
            if info.job_name and job_name() is None:
                run.record(resumed_here=True)
            run.record(
                fingerprint=prepared.resolved.fingerprint,
                device=prepared.device.name,
                precision=prepared.device.precision,
                versions=versions(),
            )
        return _carry_out(run, prepared, screen, clock, callbacks)


def _make_again(run: Run, screen: Screen) -> bool:
    """Whether files of a completed run are damaged, so that it is tested again; says so. Raises
    UserError if there are no checkpoints for that."""
    if not (damage := contents.read(run).damage):
        return False
    if in_the_way := [name for name in seals.RESULTS if (run.path / name).is_dir()]:
        raise UserError(f"{run.path / in_the_way[0]} is a directory: move it away first")
    if not (run.best_checkpoint.is_file() and run.last_checkpoint.is_file()):
        raise UserError(
            f"{damage[0]}, but not without best.ckpt and last.ckpt: move {run.path} away, and train"
            " it again"
        )
    screen.warn("made again from the checkpoints", "; ".join(damage))
    return True


def _no_stand_in(path: Path) -> Config:
    raise UserError(
        f"resume={path}: the run began with files of the Hub, which cannot be reached now"
    )


def _carry_out(
    run: Run, prepared: PreparedRun, screen: Screen, clock: Clock, callbacks: Sequence[Callback]
) -> float:
    """Fits, tests and completes a run, and records how it ends."""
    if not is_rank_zero():
        fit(run, prepared, screen, callbacks)
        return float("nan")
    config, splits = prepared.resolved.config, prepared.resolved.splits
    with recording(run, clock):
        _describe(run, prepared, screen)
        with clock.part("train"):
            trainer = fit(run, prepared, screen, callbacks)
        release_memory()
        with clock.part("test"):
            test_best_checkpoint(run, prepared, trainer, screen)
    release_memory()
    # A job's run is completed where its results are fetched: its instance is not paid for that.
    last = [] if config.container else complete(run, screen, splits)
    screen.summary(
        f"{prepared.resolved.record.data}, {len(splits.test):,} test reviews",
        run.metrics()["test"],
        asdict(config.reference) if config.reference else None,
        [*_notes(run, config), *last],
    )
    return run.best(config.metric)


def _describe(run: Run, prepared: PreparedRun, screen: Screen) -> None:
    resolved = prepared.resolved.record
    sizes = resolved.sizes
    left_out = f", {resolved.left_out:,} of other labels left out" if resolved.left_out else ""
    screen.say(f"run directory: {run.path}")
    if prepared.resolved.announcement:
        screen.warn("the Hub cannot be reached", prepared.resolved.announcement)
    screen.say(f"device: {prepared.device.name}, {prepared.device.precision}")
    screen.say(f"model: {resolved.model}")
    screen.say(
        f"reviews: {sizes['train']:,} train, {sizes['val']:,} val, {sizes['test']:,} test"
        f" of {resolved.data} ({resolved.duplicates_removed} duplicates removed{left_out})"
    )


def _notes(run: Run, config: Config) -> list[str]:
    notes = []
    if config.data.source == "packaged":
        notes.append(
            "test: reviews held out from IMDB's training split, whose test split is not packaged"
        )
    took = ", ".join(f"{name} {s:.0f} s" for name, s in (run.info().parts or {}).items())
    return [*notes, f"time: {took}", f"run directory: {run.path}"]
