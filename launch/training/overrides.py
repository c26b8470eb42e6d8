"""What a run is told in a container, in place of what holds on this machine, and the way back."""

import os
from dataclasses import replace

from imdb_cls import container
from imdb_cls.config import Config
from imdb_cls.config.overrides import key_of, quoted, without_place
from imdb_cls.training.loggers.mlflow_address import experiment
from imdb_cls.training.resolve import ResolvedConfig

ROOT = str(container.ROOT)
_DATA = f"{ROOT}/input/data"
# A config other than conf/train.yaml is sent whole, and named by these flags.
OWN_CONFIG = (f"--config-dir={_DATA}/config", "--config-name=config")


def job_overrides(
    given: list[str], resolved: ResolvedConfig, channels: set[str], processes: int, region: str
) -> list[str]:
    """The overrides of imdb_cls.train in the job: the user's, without those that hold for this
    machine only, and those that the container needs."""
    config = resolved.config
    backend, wandb = config.backend, config.logger.wandb
    assert backend is not None
    fixed = {
        "hydra.run.dir": f"{ROOT}/checkpoints/run",
        "container": ROOT,
        "cache_dir": f"{ROOT}/cache",
        "data.splits": f"{_DATA}/reviews",
    }
    if "weights" in channels:
        fixed["model.pretrained.path"] = f"{_DATA}/weights"
    else:
        fixed["model.pretrained.revision"] = resolved.pretrained.path.name
    fixed["model.pretrained.fallback"] = "false"
    if backend.instance_count > 1:
        fixed["trainer.num_nodes"] = str(backend.instance_count)
    if processes > 1:
        fixed["trainer.devices"] = str(processes)
    if config.trainer.progress == "bar":  # for the terminal here
        fixed["trainer.progress"] = "lines"
    if wandb:
        fixed["logger.wandb.dir"] = f"{ROOT}/checkpoints"
        if wandb.key_secret:
            fixed["logger.wandb.key_secret"] = wandb.key_secret
        if wandb.group:
            fixed["logger.wandb.group"] = wandb.group
        for key, asked in (("project", wandb.project), ("entity", wandb.entity)):
            if not asked and (here := os.environ.get(f"WANDB_{key.upper()}")):
                fixed[f"logger.wandb.{key}"] = here
    if config.logger.mlflow:
        fixed["logger.mlflow.tracking_uri"] = str(config.logger.mlflow.tracking_uri)
        fixed["logger.mlflow.experiment"] = experiment(config.logger.mlflow)
    if config.logger.tensorboard:
        fixed["logger.tensorboard.dir"] = f"{ROOT}/checkpoints/tensorboard"
    if config.logger.cloudwatch:
        fixed["logger.cloudwatch.region"] = config.logger.cloudwatch.region or region

    kept = [o for o in without_place(given) if key_of(o) not in fixed]
    return [*kept, *(f"{key}={quoted(value)}" for key, value in fixed.items())]


def of_this_machine(config: Config) -> Config:
    """The config of a run in a container as one of a run here: without what job_overrides has added
    for the container."""
    cache = os.environ.get("IMDB_CLS_CACHE", Config.cache_dir)
    config = replace(config, container=None, cache_dir=cache)
    config.data.splits = config.model.pretrained.path = None
    config.trainer.num_nodes, config.trainer.devices = 1, "auto"
    if config.logger.wandb:
        config.logger.wandb.dir = None
    if config.logger.tensorboard:
        config.logger.tensorboard = type(config.logger.tensorboard)()
    return config
