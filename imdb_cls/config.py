"""The typed schema of conf/, and the contradictions it refuses before anything is loaded."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, cast

from omegaconf import MISSING, DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from imdb_cls.errors import UserError, nearest, one_line
from imdb_cls.names import SCALARS

_PACKAGE = Path(__file__).parent
# Installed, conf/ lies inside the package; in a checkout, beside it.
CONF_DIR = _PACKAGE / "conf" if (_PACKAGE / "conf").is_dir() else _PACKAGE.parent / "conf"

PRECISIONS = ("auto", "bf16-mixed", "16-mixed", "32-true")
ACCELERATORS = ("auto", "cpu", "gpu", "mps")


@dataclass
class DataConfig:
    source: str = MISSING
    name: str | None = None
    revision: str | None = None
    sha256: str | None = None
    fallback: bool = False
    train: str | None = None
    val: str | None = None
    test: str | None = None
    path: str | None = None
    text: str = "text"
    label: str = "label"
    train_size: int | None = None
    val_size: int | None = None
    test_size: int | None = None
    balanced: bool = False
    seed: int = 1
    max_length: int = 512
    head_fraction: float = 0.25
    batch_size: int = 32
    eval_batch_size: int = 64
    num_workers: int = 0


@dataclass
class PretrainedConfig:
    source: str = MISSING
    name: str = MISSING
    revision: str | None = None
    weights_sha256: str | None = None
    tokenizer_sha256: str | None = None
    fallback: bool = False


@dataclass
class ModelConfig:
    pretrained: PretrainedConfig = field(default_factory=PretrainedConfig)
    learning_rate: float = MISSING
    layer_decay: float = 1.0
    weight_decay: float = 0.01
    warmup_ratio: float = 0.1
    warmup_steps: int | None = None
    attention: str = "auto"
    freeze_embeddings: bool = False
    dropout: float = 0.1
    attention_dropout: float = 0.0
    classifier_dropout: float = 0.2


@dataclass
class TrainerConfig:
    accelerator: str = "auto"
    devices: Any = "auto"
    num_nodes: int = 1
    precision: str = "auto"
    eval_precision: str = "32-true"
    max_epochs: int = 3
    accumulate_grad_batches: int = 1
    gradient_clip_val: float = 1.0
    val_check_interval: float = 1.0
    early_stopping_patience: int | None = None
    deterministic: bool = False
    log_every_n_steps: int = 10
    checkpoint_minutes: float = 5.0
    progress: str = "auto"


@dataclass
class WandbConfig:
    project: str = "imdb_cls"
    entity: str | None = None
    name: str | None = None
    group: str | None = None
    tags: list[str] = field(default_factory=list)
    mode: str = "auto"
    dir: str | None = None


@dataclass
class TensorBoardConfig:
    dir: str = "tensorboard"


@dataclass
class LoggerConfig:
    wandb: WandbConfig | None = None
    tensorboard: TensorBoardConfig | None = None


@dataclass
class ReferenceConfig:
    """Somebody else's figures on the same task, printed beside ours."""

    name: str = MISSING
    loss: float | None = None
    accuracy: float | None = None
    precision: float | None = None
    recall: float | None = None
    f1: float | None = None
    samples_per_second: float | None = None


@dataclass
class Config:
    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    logger: LoggerConfig = field(default_factory=LoggerConfig)
    reference: ReferenceConfig | None = None
    seed: int = 1
    metric: str = "val/accuracy"
    resume: str | None = None
    cache_dir: str = "~/.cache/imdb_cls"


def known_keys(schema: type = Config, prefix: str = "") -> Iterator[str]:
    """Every key of the schema with its dots: data, data.source, …"""
    for item in fields(schema):
        yield prefix + item.name
        nested = [t for t in (item.type, *getattr(item.type, "__args__", ())) if is_dataclass(t)]
        if nested:
            yield from known_keys(cast(type, nested[0]), f"{prefix}{item.name}.")


def parse(composed: DictConfig) -> Config:
    """A composed config as typed dataclasses, checked.

    Raises:
        UserError: an unknown key, a wrong type, a missing or contradictory value.
    """
    try:
        merged = OmegaConf.merge(OmegaConf.structured(Config), composed)
        OmegaConf.resolve(merged)
        config = cast(Config, OmegaConf.to_object(merged))
    except OmegaConfBaseException as error:
        raise UserError(_explain(error, composed)) from None
    check(config)
    _make_absolute(config)
    return config


def _make_absolute(config: Config) -> None:
    """Paths as they are from any directory: a run is read and repeated from elsewhere, too."""

    def absolute(path: str) -> str:
        return str(Path(path).expanduser().absolute())

    config.cache_dir = absolute(config.cache_dir)
    if config.data.path:
        config.data.path = absolute(config.data.path)
    if config.data.source == "files":
        for name in ("train", "val", "test"):
            path = getattr(config.data, name)
            setattr(config.data, name, absolute(path) if path else None)
    if config.model.pretrained.source == "local":
        config.model.pretrained.name = absolute(config.model.pretrained.name)


def _explain(error: OmegaConfBaseException, composed: DictConfig) -> str:
    key = error.full_key or ""
    message = one_line(error).split(" full_key:")[0]
    if "not in" in message and "Key" in message:
        return f"unknown key '{key}'.{nearest(key, known_keys())}"
    if "Missing" in message or "missing" in message:
        return f"{key} has no value: set {key}=…"
    value = OmegaConf.select(composed, key, throw_on_missing=False) if key else None
    wanted = re.search(r"could not be converted to (\w+)", message)
    if wanted:
        kind = {"Integer": "a whole number", "Float": "a number", "Boolean": "true or false"}
        return f"{key}={value} is not {kind.get(wanted[1], wanted[1])}"
    return f"{key}={value}: {message}" if key else message


def check(config: Config) -> None:
    """Refuses what cannot be meant.

    Raises:
        UserError: the first value found that is out of range or contradicts another.
    """
    data, model, trainer = config.data, config.model, config.trainer
    _one_of("data.source", data.source, ("hub", "packaged", "files", "arrow"))
    _one_of("model.pretrained.source", model.pretrained.source, ("hub", "packaged", "local"))
    _one_of("trainer.precision", trainer.precision, PRECISIONS)
    _one_of("trainer.eval_precision", trainer.eval_precision, PRECISIONS)
    _one_of("trainer.accelerator", trainer.accelerator, ACCELERATORS)
    _one_of("trainer.progress", trainer.progress, ("auto", "bar", "lines"))
    _one_of("model.attention", model.attention, ("auto", "sdpa", "eager"))
    _one_of("metric", config.metric, tuple(f"val/{name}" for name in SCALARS))
    if config.logger.wandb:
        _one_of("logger.wandb.mode", config.logger.wandb.mode, ("auto", "online", "offline"))

    for name in ("train_size", "val_size", "test_size", "batch_size", "eval_batch_size"):
        _at_least(f"data.{name}", getattr(data, name), 1)
    # torch, NumPy and Lightning all take seeds of 32 bits.
    _between("seed", config.seed, 0, 2**32 - 1)
    _between("data.seed", data.seed, 0, 2**32 - 1)
    _between("data.max_length", data.max_length, 8, 512)
    _between("data.head_fraction", data.head_fraction, 0, 1)
    _at_least("data.num_workers", data.num_workers, 0)
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

    for name in ("learning_rate", "layer_decay"):
        value = getattr(model, name)
        if not (math.isfinite(value) and value > 0):
            raise UserError(f"model.{name}={value} must be a number above 0")
    for name in ("dropout", "attention_dropout", "classifier_dropout"):
        _between(f"model.{name}", getattr(model, name), 0, 0.99)
    _between("model.layer_decay", model.layer_decay, 0, 1)
    _at_least("model.weight_decay", model.weight_decay, 0)
    _between("model.warmup_ratio", model.warmup_ratio, 0, 1, "the warm-up would outlast the run")
    _at_least("model.warmup_steps", model.warmup_steps, 0)

    for name in ("num_nodes", "max_epochs", "accumulate_grad_batches", "log_every_n_steps"):
        _at_least(f"trainer.{name}", getattr(trainer, name), 1)
    _at_least("trainer.gradient_clip_val", trainer.gradient_clip_val, 0)
    _at_least("trainer.early_stopping_patience", trainer.early_stopping_patience, 1)
    _between("trainer.val_check_interval", trainer.val_check_interval, 0.001, 1)
    _at_least("trainer.checkpoint_minutes", trainer.checkpoint_minutes, 0.01)
    _check_devices(trainer.devices, data.batch_size)
    if data.train_size:
        warmup_steps(config, data.train_size)


def training_steps(config: Config, reviews: int) -> int:
    """Optimizer steps of the whole run over `reviews` training reviews."""
    batches = math.ceil(reviews / config.data.batch_size)
    return math.ceil(batches / config.trainer.accumulate_grad_batches) * config.trainer.max_epochs


def warmup_steps(config: Config, reviews: int) -> int:
    """Steps over which the learning rate rises.

    Raises:
        UserError: more of them than the run has.
    """
    total = training_steps(config, reviews)
    if config.model.warmup_steps is None:
        return round(config.model.warmup_ratio * total)
    if config.model.warmup_steps > total:
        raise UserError(
            f"model.warmup_steps={config.model.warmup_steps} is longer than the run of {total}"
            " steps: take fewer, or set model.warmup_ratio instead"
        )
    return config.model.warmup_steps


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


def _one_of(key: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise UserError(
            f"{key}={value}: allowed are {', '.join(allowed)}.{nearest(value, allowed)}"
        )


def _at_least(key: str, value: float | None, low: float) -> None:
    if value is not None and not (math.isfinite(value) and value >= low):
        raise UserError(f"{key}={value} must be at least {low}")


def _between(key: str, value: float, low: float, high: float, why: str = "") -> None:
    if not low <= value <= high:
        because = f": {why}" if why and value > high else ""
        raise UserError(f"{key}={value} must lie between {low} and {high}{because}")
