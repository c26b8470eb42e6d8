"""The loggers that a config asks for."""

import importlib.util
from pathlib import Path

from pytorch_lightning.loggers import Logger, TensorBoardLogger

from imdb_cls.config import Config
from imdb_cls.container import job_name
from imdb_cls.errors import UserError
from imdb_cls.runs.run import Run
from imdb_cls.terminal import is_rank_zero
from imdb_cls.training.loggers import aws, wandb_key, wandb_run
from imdb_cls.training.loggers.lines import LinesLogger
from imdb_cls.training.loggers.table import TableLogger


def check_loggers(config: Config) -> None:
    """Raises UserError for a logger that is not installed, or has no key."""
    if config.logger.tensorboard and not any(
        importlib.util.find_spec(name) for name in ("tensorboard", "tensorboardX")
    ):
        raise UserError('logger=tensorboard: not installed: pip install "imdb_cls[tensorboard]"')
    if config.logger.mlflow and not importlib.util.find_spec("mlflow"):
        raise UserError("logger=mlflow: not installed: pip install mlflow")
    cloudwatch = config.logger.cloudwatch
    if cloudwatch and aws.region(cloudwatch.region) is None:
        raise UserError(
            "logger=cloudwatch: no AWS region: set logger.cloudwatch.region=…, AWS_REGION, or a"
            " profile's region"
        )
    if config.logger.wandb:
        wandb_key.provide(config.logger.wandb)
        if wandb_key.mode(config.logger.wandb) == "online" and not wandb_key.has_key():
            raise UserError("wandb online, but no key: run `wandb login` or set WANDB_API_KEY")


def build_loggers(config: Config, run: Run, echo: bool) -> list[Logger]:
    """The loggers of metrics.csv and train.log, which prints its lines too with `echo`, then those
    of the config. Lightning wants one on every rank, but only rank zero logs."""
    loggers: list[Logger] = [TableLogger(run.table_file)]
    if not is_rank_zero():
        return loggers
    loggers.append(LinesLogger(echo))
    wandb_id = str(run.info().logger_id)
    if config.logger.wandb and wandb_key.mode(config.logger.wandb) != "disabled":
        loggers.append(wandb_run.start(config.logger.wandb, config, run, wandb_id))
    if config.logger.tensorboard:
        directory = str(Path(config.logger.tensorboard.dir).absolute())
        name = run.name.split("/")[-1]
        loggers.append(TensorBoardLogger(directory, name=name, version=wandb_id))
    if config.logger.mlflow:
        from imdb_cls.training.loggers import mlflow_run

        if mlflow := mlflow_run.start(config.logger.mlflow, config, run, wandb_id):
            loggers.append(mlflow)
    if config.logger.cloudwatch:
        from imdb_cls.training.loggers.cloudwatch import CloudWatchLogger

        dimensions = aws.dimensions(run, job_name() or "local")
        loggers.append(CloudWatchLogger(config.logger.cloudwatch, dimensions))
    return loggers
