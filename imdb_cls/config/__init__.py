"""The typed schema of conf/, how a composed config is read into it, and what is refused."""

from imdb_cls.config.parse import CONF_DIR, known_keys, parse, typed, unknown_key, with_type
from imdb_cls.config.schema import (
    AwsConfig,
    BackendConfig,
    CloudWatchConfig,
    Config,
    DataConfig,
    MlflowConfig,
    ModelConfig,
    PretrainedConfig,
    SweepConfig,
    TrainerConfig,
    WandbConfig,
)

__all__ = [
    "CONF_DIR",
    "AwsConfig",
    "BackendConfig",
    "CloudWatchConfig",
    "Config",
    "DataConfig",
    "MlflowConfig",
    "ModelConfig",
    "PretrainedConfig",
    "SweepConfig",
    "TrainerConfig",
    "WandbConfig",
    "known_keys",
    "parse",
    "typed",
    "unknown_key",
    "with_type",
]
