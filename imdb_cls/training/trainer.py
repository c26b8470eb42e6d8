"""The fit of a run by Lightning's Trainer, from its newest checkpoint."""

from collections.abc import Sequence
from pathlib import Path

from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import Callback, EarlyStopping

from imdb_cls.data.crops import Crops
from imdb_cls.data.module import ReviewsDataModule
from imdb_cls.data.tokens import tokenize
from imdb_cls.runs.run import Run
from imdb_cls.terminal import Screen, is_rank_zero
from imdb_cls.training import checkpoints
from imdb_cls.training.checkpoint_files import CheckpointFiles
from imdb_cls.training.loggers.build import build_loggers
from imdb_cls.training.loggers.table import table_of
from imdb_cls.training.prepare import PreparedRun
from imdb_cls.training.progress import FitProgress
from imdb_cls.training.time_left import TimeLeft


def fit(run: Run, prepared: PreparedRun, screen: Screen, callbacks: Sequence[Callback]) -> Trainer:
    """Trains from the newest whole checkpoint, if there is one, with `callbacks` beside those that
    every run has. Returns the Trainer, which knows the values of metrics.csv."""
    config, splits = prepared.resolved.config, prepared.resolved.splits
    tokenizer, cache = prepared.tokenizer, Path(config.cache_dir)
    train = Crops.of(splits.train, tokenizer, config.data, config.seed, cache)
    val = tokenize(splits.val, tokenizer, cache)
    data = ReviewsDataModule(train, val, config.data, config.seed, tokenizer.pad_id)
    files, left = CheckpointFiles(run), TimeLeft(prepared, data, screen)
    bar = [FitProgress(left)] if screen.bar else []
    trainer = _trainer(run, prepared, [*callbacks, left, *bar], files, echo=not bar)
    found = files.newest(prepared.module.state_dict())
    if is_rank_zero() and (found or files.refused or run.table_file.exists()):
        if files.refused:
            instead = f"{found[0].name} takes its place" if found else "there is no other"
            why = "; ".join(dict.fromkeys(files.refused))
            screen.warn("damaged checkpoint", f"{why}: {instead}")
        if found:
            step, saved = found[1]["global_step"], found[1].get("table")
            screen.say(f"going on after step {step}")
        else:
            step, saved = 0, []
            none = "whole checkpoint" if files.refused else "checkpoint yet"
            screen.say(f"no {none}: from the beginning")
        table_of(trainer).go_on(step, saved)
    path = found[0] if found else None
    trainer.fit(prepared.module, datamodule=data, ckpt_path=path, weights_only=True)
    return trainer


def _trainer(
    run: Run, prepared: PreparedRun, callbacks: list[Callback], files: CheckpointFiles, echo: bool
) -> Trainer:
    whole, device = prepared.resolved.config, prepared.device
    config, metric = whole.trainer, whole.metric
    if (patience := config.early_stopping_patience) is not None:
        callbacks.append(EarlyStopping(metric, patience=patience, mode=checkpoints.mode(metric)))
    best = checkpoints.best_checkpoint(run, metric)
    last = checkpoints.LastCheckpoint(run.last_checkpoint, config.checkpoint_minutes)
    one_cpu = device.accelerator == "cpu" and config.devices == "auto"
    return Trainer(
        accelerator=device.accelerator,
        devices=1 if one_cpu else config.devices,
        num_nodes=config.num_nodes,
        precision=device.precision,  # type: ignore[arg-type]
        max_epochs=config.max_epochs,
        accumulate_grad_batches=config.accumulate_grad_batches,
        gradient_clip_val=config.gradient_clip_val or None,
        val_check_interval=config.val_check_interval,
        deterministic=config.deterministic,
        callbacks=[*callbacks, best, last],
        logger=build_loggers(whole, run, echo),
        plugins=[files],
        default_root_dir=run.path,
        # Our own samplers share out the batches, and the module itself decides what it logs.
        use_distributed_sampler=False,
        log_every_n_steps=1,
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
