"""The typed schema of conf/, how a composed config becomes it, and what it refuses."""

from imdb_cls.config.parse import (
    CONF_DIR,
    known_keys,
    parse,
    typed,
    unknown_key,
    with_type,
)
from imdb_cls.config.schema import (
    AwsConfig,
    BackendConfig,
    CloudWatchConfig,
    Config,
    DataConfig,
    LoggerConfig,
    ModelConfig,
    PretrainedConfig,
    ReferenceConfig,
    SweepConfig,
    TensorBoardConfig,
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
    "LoggerConfig",
    "ModelConfig",
    "PretrainedConfig",
    "ReferenceConfig",
    "SweepConfig",
    "TensorBoardConfig",
    "TrainerConfig",
    "WandbConfig",
    "known_keys",
    "parse",
    "typed",
    "unknown_key",
    "with_type",
]
