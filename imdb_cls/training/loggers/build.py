"""The loggers that a config asks for."""

import importlib.util
import os
from dataclasses import asdict
from pathlib import Path

from pytorch_lightning.loggers import Logger, TensorBoardLogger, WandbLogger

from imdb_cls.config import Config, WandbConfig
from imdb_cls.container import job_name
from imdb_cls.errors import UserError, one_line
from imdb_cls.runs.run import Run
from imdb_cls.terminal import is_rank_zero
from imdb_cls.training.loggers import aws, wandb_key
from imdb_cls.training.loggers.lines import LinesLogger
from imdb_cls.training.loggers.table import TableLogger


def check_loggers(config: Config) -> None:
    """Raises UserError for a logger that is not installed, or has no key."""
    if config.logger.tensorboard and not any(
        importlib.util.find_spec(name) for name in ("tensorboard", "tensorboardX")
    ):
        raise UserError('logger=tensorboard: not installed: pip install "imdb_cls[tensorboard]"')
    cloudwatch = config.logger.cloudwatch
    if cloudwatch and aws.region(cloudwatch.region) is None:
        raise UserError(
            "logger=cloudwatch: no AWS region: set logger.cloudwatch.region=…, AWS_REGION, or a"
            " profile's region"
        )
    if config.logger.wandb:
        wandb_key.provide(config.logger.wandb)
        mode = wandb_mode(config.logger.wandb)
        if mode not in ("online", "offline", "disabled"):
            raise UserError(f"WANDB_MODE={mode}: allowed are online, offline and disabled")
        if mode == "online" and not wandb_key.has_key():
            raise UserError("wandb online, but no key: run `wandb login` or set WANDB_API_KEY")


def build_loggers(config: Config, run: Run, echo: bool) -> list[Logger]:
    """The loggers of metrics.csv and train.log, which prints its lines too with `echo`, then those
    of the config. Lightning wants one on every rank, but only rank zero logs."""
    loggers: list[Logger] = [TableLogger(run.table_file)]
    if not is_rank_zero():
        return loggers
    loggers.append(LinesLogger(echo))
    wandb_id = str(run.info().logger_id)
    if config.logger.wandb:
        loggers.append(_wandb(config.logger.wandb, config, run, wandb_id))
    if config.logger.tensorboard:
        directory = str(Path(config.logger.tensorboard.dir).absolute())
        name = run.name.split("/")[-1]
        loggers.append(TensorBoardLogger(directory, name=name, version=wandb_id))
    if config.logger.cloudwatch:
        from imdb_cls.training.loggers.cloudwatch import CloudWatchLogger

        dimensions = aws.dimensions(run, job_name() or "local")
        loggers.append(CloudWatchLogger(config.logger.cloudwatch, dimensions))
    return loggers


def _wandb(settings: WandbConfig, config: Config, run: Run, wandb_id: str) -> WandbLogger:
    import wandb

    directory = settings.dir or os.environ.get("WANDB_DIR") or "."
    Path(directory).mkdir(parents=True, exist_ok=True)
    try:
        experiment = wandb.init(
            project=settings.project,
            entity=settings.entity,
            name=settings.name or run.name,
            group=settings.group,
            tags=list(settings.tags),
            id=wandb_id,
            resume="allow",
            mode=wandb_mode(settings),  # type: ignore[arg-type]
            dir=directory,
            config=asdict(config),
            # In a SageMaker job wandb would else take its id and its key from SageMaker's files.
            settings=wandb.Settings(silent=True, console="off", sagemaker_disable=True),
        )
    except (wandb.Error, OSError) as error:
        raise UserError(
            f"wandb cannot start: {one_line(error)}; train without it with logger=none, or offline"
            " with logger.wandb.mode=offline"
        ) from None
    # All metrics share one axis of steps, so that a resumed run logs on where it stopped.
    return WandbLogger(experiment=experiment)


def wandb_mode(settings: WandbConfig) -> str:
    """The mode of wandb. `auto` never is one in which wandb would ask for a key."""
    if settings.mode != "auto":
        return settings.mode
    return os.environ.get("WANDB_MODE") or ("online" if wandb_key.has_key() else "offline")
