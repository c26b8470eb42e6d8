"""One training run, from a config to a whole run directory."""

import os
from collections.abc import Sequence
from pathlib import Path

import torch
from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import Callback, EarlyStopping

from imdb_cls.config import Config
from imdb_cls.container import job_name
from imdb_cls.data.module import ReviewsDataModule
from imdb_cls.data.tokens import tokenize
from imdb_cls.errors import UserError
from imdb_cls.runs.fingerprint import versions
from imdb_cls.runs.run import SWEEP_NAME, Clock, Run, to_yaml
from imdb_cls.storage import write_text
from imdb_cls.terminal import Screen, is_rank_zero, quiet_loaded_libraries
from imdb_cls.training import checkpoints
from imdb_cls.training.complete import finish, is_finished
from imdb_cls.training.loggers import build as loggers
from imdb_cls.training.loggers.table import TableLogger
from imdb_cls.training.prepare import Prepared, prepare
from imdb_cls.training.progress import FitProgress
from imdb_cls.training.recording import locked, recorded
from imdb_cls.training.resolve import Recompose, ResolvedConfig
from imdb_cls.training.resume import resumed_config
from imdb_cls.training.test_split import test


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
        resolved: what the config came to, if that is known.
        callbacks: of the Trainer, beside those that every run has.
    """
    screen, clock = Screen(config.trainer.progress), Clock()
    quiet_loaded_libraries(bars=screen.bar)
    run = Run(path)
    if is_rank_zero():
        run.check_free()
    with clock.part("prepare"):
        prepared = prepare(config, recompose, resolved)
    if is_rank_zero():
        Run.create(
            path,
            prepared.config,
            overrides=overrides,
            fingerprint=prepared.resolved.fingerprint,
            resolved=prepared.resolved.record,
            device=prepared.device.name,
            precision=prepared.device.precision,
            backend="sagemaker" if config.container else "local",
            job_name=job_name() if config.container else None,
            logger_id=loggers.new_wandb_id(),
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
    """Goes on with a run where its last checkpoint stopped, in its own directory. For a trial of a
    sweep, as `train` does."""
    run = Run.open(asked)
    if path.resolve() != run.path.resolve():
        raise UserError(f"resume={asked} goes on in its own directory: leave hydra.run.dir out")
    # To the job itself the run is its own.
    if run.info().is_live_job and job_name() is None:
        raise UserError(f"resume={asked}: its job may still be running: first {run.how_to_go_on()}")
    config, changed = resumed_config(run, overrides)
    screen, clock = Screen(config.trainer.progress), Clock()
    quiet_loaded_libraries(bars=screen.bar)
    info = run.info()
    if info.resolved is None:
        raise UserError(f"resume={path}: the run failed before it began: train it anew")
    if info.status == "completed" and not changed:
        screen.say(f"{path} is complete already; its metrics are in {run.metrics_file}")
        # It may have been stopped behind its last number.
        if is_rank_zero() and not config.container and not is_finished(run):
            for line in finish(run, screen):
                screen.say(line)
        return float(run.metrics()["val"][config.metric.removeprefix("val/")])
    clock.seconds = dict(info.parts or {})
    with clock.part("prepare"):
        prepared = prepare(config, lambda stand_ins: _no_stand_in(path), resolved)
    if prepared.splits.fingerprint != info.resolved.data_fingerprint:
        raise UserError(
            f"resume={path}: the reviews are not those the run began with"
            f" ({prepared.splits.fingerprint} instead of {info.resolved.data_fingerprint})"
        )
    if is_rank_zero():
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


def _no_stand_in(path: Path) -> Config:
    raise UserError(
        f"resume={path}: the run began with files of the Hub, which cannot be reached now"
    )


def _carry_out(
    run: Run, prepared: Prepared, screen: Screen, clock: Clock, callbacks: Sequence[Callback]
) -> float:
    """Fits and tests, and records how it went whatever happens."""
    if not is_rank_zero():
        _fit(run, prepared, screen, callbacks)
        return float("nan")
    with locked(run):
        with recorded(run, clock):
            screen.say(f"run directory: {run.path}")
            if prepared.resolved.announcement:
                screen.warn("the Hub cannot be reached", prepared.resolved.announcement)
            _describe(run, prepared, screen)
            with clock.part("train"):
                trainer = _fit(run, prepared, screen, callbacks)
            with clock.part("test"):
                test(run, prepared, trainer, screen)
        # A job's is done where its results are fetched: its instance is not paid for that.
        last = [] if prepared.config.container else finish(run, screen, prepared.splits)
    metrics = run.metrics()
    screen.summary(
        f"{prepared.resolved.record.data}, {metrics['test']['samples']:,} test reviews",
        metrics["test"],
        prepared.config.reference,
        [*_notes(run, prepared), *last],
    )
    return float(metrics["val"][prepared.config.metric.removeprefix("val/")])


def _fit(run: Run, prepared: Prepared, screen: Screen, callbacks: Sequence[Callback]) -> Trainer:
    config = prepared.config
    data = ReviewsDataModule(
        tokenize(prepared.splits.train, prepared.tokenizer, prepared.cache),
        tokenize(prepared.splits.val, prepared.tokenizer, prepared.cache),
        config.data,
        config.seed,
        prepared.tokenizer.pad_id,
    )
    trainer = _trainer(run, prepared, screen, callbacks)
    last = run.last_checkpoint if run.last_checkpoint.is_file() else None
    if is_rank_zero() and run.table_file.exists():
        step = (
            torch.load(last, map_location="cpu", weights_only=False)["global_step"] if last else 0
        )
        TableLogger(run.table_file).forget_after(step)
        screen.say(
            f"going on after step {step}" if last else "no checkpoint yet: from the beginning"
        )
    trainer.fit(prepared.module, datamodule=data, ckpt_path=last, weights_only=False)
    return trainer


def _trainer(run: Run, prepared: Prepared, screen: Screen, others: Sequence[Callback]) -> Trainer:
    config = prepared.config.trainer
    metric = prepared.config.metric
    callbacks: list[Callback] = [
        *others,
        checkpoints.best_checkpoint(run, metric),
        checkpoints.LastCheckpoint(run.last_checkpoint, config.checkpoint_minutes),
    ]
    if config.early_stopping_patience is not None:
        patience = config.early_stopping_patience
        callbacks.append(EarlyStopping(metric, patience=patience, mode=checkpoints.mode(metric)))
    if screen.bar:
        callbacks.append(FitProgress(screen.console))
    return Trainer(
        accelerator=prepared.device.accelerator,
        devices=1
        if prepared.device.accelerator == "cpu" and config.devices == "auto"
        else config.devices,
        num_nodes=config.num_nodes,
        precision=prepared.device.precision,  # type: ignore[arg-type]
        max_epochs=config.max_epochs,
        accumulate_grad_batches=config.accumulate_grad_batches,
        gradient_clip_val=config.gradient_clip_val or None,
        val_check_interval=config.val_check_interval,
        deterministic=config.deterministic,
        callbacks=callbacks,
        logger=(
            loggers.build(
                prepared.config,
                run,
                str(run.info().logger_id),
                echo=not screen.bar,
            )
            if is_rank_zero()
            else [TableLogger(run.table_file)]
        ),
        plugins=[checkpoints.AtomicCheckpointIO()],
        default_root_dir=run.path,
        # Batches are shared out by our own samplers, and logged by the module itself.
        use_distributed_sampler=False,
        log_every_n_steps=1,
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def _describe(run: Run, prepared: Prepared, screen: Screen) -> None:
    resolved = prepared.resolved.record
    sizes = resolved.sizes
    screen.say(f"device: {prepared.device.name}, {prepared.device.precision}")
    screen.say(f"model: {resolved.model}")
    screen.say(
        f"reviews: {sizes['train']:,} train, {sizes['val']:,} val, {sizes['test']:,} test"
        f" of {resolved.data} ({resolved.duplicates_removed} duplicates removed)"
    )


def _notes(run: Run, prepared: Prepared) -> list[str]:
    notes = []
    if prepared.config.data.source == "packaged":
        notes.append(
            "test: reviews held out from IMDB's training split, whose test split is not packaged"
        )
    took = ", ".join(
        f"{name} {seconds:.0f} s" for name, seconds in (run.info().parts or {}).items()
    )
    return [*notes, f"time: {took}", f"run directory: {run.path}"]
