"""The contradictions that a config may hold, refused before anything is loaded."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from omegaconf import ListConfig

from imdb_cls.config.steps import warmup_steps
from imdb_cls.errors import UserError, nearest
from imdb_cls.names import SCALARS

if TYPE_CHECKING:
    from imdb_cls.config import AwsConfig, BackendConfig, Config, SweepConfig

PRECISIONS = ("auto", "bf16-mixed", "16-mixed", "32-true")
ACCELERATORS = ("auto", "cpu", "gpu", "mps")
_BUCKET = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
# 28 days, in seconds.
_LONGEST_JOB = 28 * 24 * 3600
# TrainingJobName of the API.
_JOB_NAME = r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"


def check(config: Config) -> None:
    """Refuses what cannot be meant.

    Raises:
        UserError: the first value found that is out of range or contradicts another.
    """
    data, model, trainer = config.data, config.model, config.trainer
    one_of("data.source", data.source, ("hub", "packaged", "files", "arrow"))
    one_of("model.pretrained.source", model.pretrained.source, ("hub", "packaged", "local"))
    one_of("trainer.precision", trainer.precision, PRECISIONS)
    one_of("trainer.eval_precision", trainer.eval_precision, PRECISIONS)
    one_of("trainer.accelerator", trainer.accelerator, ACCELERATORS)
    one_of("trainer.progress", trainer.progress, ("auto", "bar", "lines"))
    one_of("model.attention", model.attention, ("auto", "sdpa", "eager"))
    one_of("metric", config.metric, tuple(f"val/{name}" for name in SCALARS))
    if config.logger.wandb:
        one_of("logger.wandb.mode", config.logger.wandb.mode, ("auto", "online", "offline"))

    for name in ("train_size", "val_size", "test_size", "batch_size", "eval_batch_size"):
        at_least(f"data.{name}", getattr(data, name), 1)
    # torch, NumPy and Lightning all take seeds of 32 bits.
    between("seed", config.seed, 0, 2**32 - 1)
    between("data.seed", data.seed, 0, 2**32 - 1)
    between("data.max_length", data.max_length, 8, 512)
    between("data.head_fraction", data.head_fraction, 0, 1)
    at_least("data.num_workers", data.num_workers, 0)
    unread = {
        "hub": ("path", "sha256"),
        "packaged": ("train", "val", "test", "path", "revision"),
        "files": ("path", "revision", "sha256", "name"),
        "arrow": ("revision", "sha256", "name"),
    }
    for name in unread[data.source]:
        if getattr(data, name) is not None:
            raise UserError(
                f"data.{name}={getattr(data, name)} means nothing to a source of '{data.source}':"
                " choose data=files, data=arrow or data=imdb"
            )
    needs = {"hub": "name", "files": "train", "arrow": "path"}.get(data.source)
    if needs and getattr(data, needs) is None:
        raise UserError(
            f"data.{needs} has no value: a source of '{data.source}' needs data.{needs}=…"
        )

    above_zero("model.learning_rate", model.learning_rate)
    above_zero("model.layer_decay", model.layer_decay)
    for name in ("dropout", "attention_dropout", "classifier_dropout"):
        between(f"model.{name}", getattr(model, name), 0, 0.99)
    between("model.layer_decay", model.layer_decay, 0, 1)
    at_least("model.weight_decay", model.weight_decay, 0)
    between("model.warmup_ratio", model.warmup_ratio, 0, 1, "the warm-up would outlast the run")
    at_least("model.warmup_steps", model.warmup_steps, 0)

    for name in ("num_nodes", "max_epochs", "accumulate_grad_batches", "log_every_n_steps"):
        at_least(f"trainer.{name}", getattr(trainer, name), 1)
    at_least("trainer.gradient_clip_val", trainer.gradient_clip_val, 0)
    at_least("trainer.early_stopping_patience", trainer.early_stopping_patience, 1)
    between("trainer.val_check_interval", trainer.val_check_interval, 0.001, 1)
    at_least("trainer.checkpoint_minutes", trainer.checkpoint_minutes, 0.01)
    _check_devices(trainer.devices, data.batch_size)
    if data.train_size:
        warmup_steps(config, data.train_size)
    if config.logger.cloudwatch:
        between("logger.cloudwatch.flush_seconds", config.logger.cloudwatch.flush_seconds, 0.1, 600)
        if config.logger.cloudwatch.namespace.startswith("AWS/"):
            raise UserError("logger.cloudwatch.namespace: AWS/… is AWS's own: choose another")
    _check_sweep(config.sweep)
    if config.backend:
        _check_backend(config, config.backend)


def _check_sweep(sweep: SweepConfig) -> None:
    one_of("sweep.search", sweep.search, ("grid", "optuna"))
    at_least("sweep.trials", sweep.trials, 1)
    at_least("sweep.startup_trials", sweep.startup_trials, 0)
    at_least("sweep.reduction_factor", sweep.reduction_factor, 2)
    between("sweep.seed", sweep.seed, 0, 2**32 - 1)


def check_aws(config: AwsConfig) -> None:
    """What a training job, an endpoint and a batch job must all keep to.

    Raises:
        UserError: the first value that is out of range or contradicts another.
    """
    key = config.key
    at_least(key("instance_count"), config.instance_count, 1)
    at_least(key("poll_seconds"), config.poll_seconds, 0.05)
    above_zero(key("price_per_hour"), config.price_per_hour)
    if config.bucket and not re.fullmatch(_BUCKET, config.bucket):
        raise UserError(
            f"{key('bucket')}={config.bucket} is not the name of a bucket: 3 to 63 small letters,"
            " digits, dots and hyphens, without s3://"
        )
    if bool(config.subnets) != bool(config.security_groups):
        raise UserError(f"{key('subnets')} and {key('security_groups')}: a VPC needs both")
    if config.dry_run and config.rehearse:
        raise UserError(
            f"{key('dry_run')}=true sends nothing, {key('rehearse')}=true sends it to a local AWS:"
            " choose one"
        )
    if config.rehearse and not config.wait:
        raise UserError(f"{key('wait')}=false: a rehearsal ends with its command")


def _check_backend(config: Config, backend: BackendConfig) -> None:
    check_aws(backend)
    for name in ("max_parallel", "volume_gb", "max_seconds", "max_wait_seconds"):
        at_least(f"backend.{name}", getattr(backend, name), 1)
    at_least("backend.interrupt_at_step", backend.interrupt_at_step, 1)
    at_least("backend.keep_alive_seconds", backend.keep_alive_seconds, 0)
    between("backend.max_seconds", backend.max_seconds, 1, _LONGEST_JOB)
    above_zero("backend.max_cost", backend.max_cost)
    if backend.max_wait_seconds is not None and backend.max_wait_seconds < backend.max_seconds:
        raise UserError(
            f"backend.max_wait_seconds={backend.max_wait_seconds} includes the training: it must be"
            f" at least backend.max_seconds={backend.max_seconds}"
        )
    if backend.job_name and not re.fullmatch(_JOB_NAME, backend.job_name):
        raise UserError(
            f"backend.job_name={backend.job_name}: allowed are 1 to 63 letters, digits, hyphens,"
            " the first and the last of them no hyphen"
        )
    contradictions = (
        (config.resume, "resume=… goes on on this machine: leave +backend out"),
        (config.container, "container is set inside a job only: leave it out"),
        (
            config.trainer.num_nodes > 1,
            "trainer.num_nodes follows backend.instance_count: set that one",
        ),
        (
            config.trainer.accelerator == "mps",
            "trainer.accelerator=mps: SageMaker has no Apple GPU",
        ),
        (
            backend.max_wait_seconds and not backend.spot,
            "backend.max_wait_seconds means nothing without backend.spot=true",
        ),
        (
            backend.spot and backend.keep_alive_seconds,
            "backend.keep_alive_seconds: SageMaker keeps no spot instance warm; leave one of"
            " backend.spot and backend.keep_alive_seconds out",
        ),
        (
            backend.interrupt_at_step and not (backend.rehearse and backend.spot),
            "backend.interrupt_at_step needs backend.rehearse=true and backend.spot=true",
        ),
    )
    for contradiction, what in contradictions:
        if contradiction:
            raise UserError(what)


def _check_devices(devices: Any, batch_size: int) -> None:
    """Allows auto, a number of devices, or the ids of some, each with a review of every batch."""
    ids = list(devices) if isinstance(devices, list | ListConfig) else None
    values = [devices] if ids is None else ids
    low = 1 if ids is None else 0
    whole = all(isinstance(v, int) and not isinstance(v, bool) and v >= low for v in values)
    distinct = whole and len(set(values)) == len(values) > 0
    if devices != "auto" and not distinct:
        raise UserError(
            f"trainer.devices={devices}: allowed are auto, a number from 1, or a list of ids"
        )
    count = 1 if devices == "auto" else len(ids) if ids else devices
    # Batches are as even as can be: the smallest may have half the reviews of the largest.
    if count > 1 and batch_size < 2 * count:
        raise UserError(
            f"data.batch_size={batch_size} is too small for {count} devices: at least {2 * count}"
        )


def one_of(key: str, value: str, allowed: tuple[str, ...]) -> None:
    """Raises UserError, with the nearest word that is allowed, for another one."""
    if value not in allowed:
        raise UserError(
            f"{key}={value}: allowed are {', '.join(allowed)}.{nearest(value, allowed)}"
        )


def at_least(key: str, value: float | None, low: float) -> None:
    """Raises UserError for a lower number; a key without a value is not checked."""
    if value is not None and not (math.isfinite(value) and value >= low):
        raise UserError(f"{key}={value} must be at least {low}")


def above_zero(key: str, value: float | None) -> None:
    """Raises UserError for 0 and less; a key without a value is not checked."""
    if value is not None and not (math.isfinite(value) and value > 0):
        raise UserError(f"{key}={value} must be a number above 0")


def between(key: str, value: float | None, low: float, high: float, why: str = "") -> None:
    """Raises UserError for a number outside, and says `why` of one that is too high; a key without
    a value is not checked."""
    if value is not None and not low <= value <= high:
        because = f": {why}" if why and value > high else ""
        raise UserError(f"{key}={value} must lie between {low} and {high}{because}")
