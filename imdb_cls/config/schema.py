"""The typed schema of conf/: every knob with its type, its default and its rules. What a knob means
is said in conf/."""

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

from imdb_cls.config.knobs import (
    above_zero,
    at_least,
    between,
    knob,
    matching,
    names,
    one_of,
    paths,
)
from imdb_cls.names import SCALARS, SEPARATORS

PRECISIONS = ("auto", "bf16-mixed", "16-mixed", "32-true")
ACCELERATORS = ("auto", "cpu", "gpu", "mps")
# torch, NumPy and Lightning all take seeds of 32 bits.
_SEED = between(0, 2**32 - 1)
_PROBABILITY = between(0, 0.99)
_COUNT = at_least(1)
SEPARATOR = one_of("auto", *SEPARATORS, *SEPARATORS.values())
# SageMaker stops a job after 28 days.
_LONGEST_JOB_S = 28 * 24 * 3600


@dataclass
class DataConfig:
    source: str = knob(MISSING, one_of("hub", "packaged", "files", "arrow", "acl_imdb"))
    name: str | None = None
    revision: str | None = None
    sha256: str | None = None
    fallback: bool = False
    train: Any = knob(None, paths)
    val: Any = knob(None, paths)
    test: Any = knob(None, paths)
    path: str | None = None
    splits: str | None = None
    text: str = "text"
    label: str = "label"
    separator: str = knob("auto", SEPARATOR)
    negative: list[str] = field(default_factory=list)
    positive: list[str] = field(default_factory=list)
    train_size: int | None = knob(None, _COUNT)
    val_size: int | None = knob(None, _COUNT)
    test_size: int | None = knob(None, _COUNT)
    balanced: bool = False
    seed: int = knob(1, _SEED)
    max_length: int = knob(512, between(8, 512))
    train_max_length: Any = None
    window_epochs: int = knob(0, at_least(0))
    head_fraction: float = knob(0.25, between(0, 1))
    batch_size: int = knob(32, _COUNT)
    eval_batch_size: int = knob(64, _COUNT)
    num_workers: int = knob(0, at_least(0))


@dataclass
class PretrainedConfig:
    source: str = knob(MISSING, one_of("hub", "packaged", "local"))
    name: str = MISSING
    path: str | None = None
    revision: str | None = None
    weights_sha256: str | None = None
    tokenizer_sha256: str | None = None
    fallback: bool = False


@dataclass
class ModelConfig:
    pretrained: PretrainedConfig = field(default_factory=PretrainedConfig)
    learning_rate: float = knob(MISSING, above_zero)
    layer_decay: float = knob(1.0, above_zero, between(0, 1))
    weight_decay: float = knob(0.01, at_least(0))
    warmup_ratio: float = knob(0.1, between(0, 1, "the warm-up would outlast the run"))
    warmup_steps: int | None = knob(None, at_least(0))
    attention: str = knob("auto", one_of("auto", "sdpa", "eager"))
    freeze_embeddings: bool = False
    dropout: float = knob(0.1, _PROBABILITY)
    attention_dropout: float = knob(0.0, _PROBABILITY)
    classifier_dropout: float = knob(0.2, _PROBABILITY)
    rdrop: float = knob(0.0, at_least(0))
    rdrop_epochs: int | None = knob(None, _COUNT)


@dataclass
class TrainerConfig:
    accelerator: str = knob("auto", one_of(*ACCELERATORS))
    devices: Any = "auto"
    num_nodes: int = knob(1, _COUNT)
    precision: str = knob("auto", one_of(*PRECISIONS))
    eval_precision: str = knob("32-true", one_of(*PRECISIONS))
    max_epochs: int = knob(3, _COUNT)
    accumulate_grad_batches: int = knob(1, _COUNT)
    gradient_clip_val: float = knob(1.0, at_least(0))
    val_check_interval: float = knob(1.0, between(0.001, 1))
    early_stopping_patience: int | None = knob(None, _COUNT)
    deterministic: bool = False
    log_every_n_steps: int = knob(10, _COUNT)
    checkpoint_minutes: float = knob(5.0, at_least(0.01))
    progress: str = knob("auto", one_of("auto", "bar", "lines"))


@dataclass
class WandbConfig:
    project: str | None = None
    entity: str | None = None
    name: str | None = None
    group: str | None = None
    tags: list[str] = field(default_factory=list)
    mode: str = knob("auto", one_of("auto", "online", "offline"))
    dir: str | None = None
    key_env: str | None = None
    key_secret: str | None = None


@dataclass
class TensorBoardConfig:
    dir: str = "tensorboard"


@dataclass
class CloudWatchConfig:
    namespace: str = "imdb_cls"
    region: str | None = None
    flush_seconds: float = knob(10.0, between(0.1, 600))


@dataclass
class MlflowConfig:
    tracking_uri: str | None = None
    experiment: str | None = None
    name: str | None = None


@dataclass
class LoggerConfig:
    wandb: WandbConfig | None = None
    tensorboard: TensorBoardConfig | None = None
    mlflow: MlflowConfig | None = None
    cloudwatch: CloudWatchConfig | None = None


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
class SweepConfig:
    """How python -m imdb_cls.train -m chooses its trials."""

    search: str = knob("grid", one_of("grid", "optuna"))
    fresh: bool = False
    reduction_factor: int | None = knob(None, at_least(2))
    trials: int = knob(20, _COUNT)
    startup_trials: int = knob(10, at_least(0))
    seed: int = knob(1, _SEED)


@dataclass
class AwsConfig:
    """What a training job, an endpoint and a batch job can all be told."""

    role: str | None = None
    bucket: str | None = knob(
        None,
        matching(
            r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
            " is not the name of a bucket: 3 to 63 small letters, digits, dots and hyphens,"
            " without s3://",
        ),
    )
    prefix: str | None = None
    region: str | None = None
    instance_type: str | None = None
    instance_count: int | None = knob(None, _COUNT)
    price_per_hour: float | None = knob(None, above_zero)
    image: str = "auto"
    network_isolation: bool = False
    subnets: list[str] = field(default_factory=list)
    security_groups: list[str] = field(default_factory=list)
    volume_kms_key: str | None = None
    output_kms_key: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    wait: bool = True
    poll_seconds: float = knob(5.0, at_least(0.05))
    dry_run: bool = False
    rehearse: bool = False

    @property
    def count(self) -> int:
        """Of the instances."""
        return self.instance_count or 1

    @staticmethod
    def key(name: str) -> str:
        """How a user writes the field `name`: the same for an endpoint and a batch job."""
        return name


@dataclass
class BackendConfig(AwsConfig):
    """A run as a SageMaker training job."""

    prefix: str = "imdb_cls"
    # One, or several in order of preference: InstancePreferences of the API takes five.
    instance_type: Any = knob("ml.p3.2xlarge", names(5))
    instance_count: int = knob(1, _COUNT)
    poll_seconds: float = knob(3.0, at_least(0.05))
    # TrainingJobName of the API.
    job_name: str | None = knob(
        None,
        matching(
            r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}",
            ": allowed are 1 to 63 letters, digits, hyphens, the first and the last of them no"
            " hyphen",
        ),
    )
    volume_gb: int = knob(30, _COUNT)
    max_seconds: int = knob(36000, _COUNT, between(1, _LONGEST_JOB_S))
    spot: bool = False
    max_wait_seconds: int | None = knob(None, _COUNT)
    max_pending_seconds: int | None = knob(None, between(1800, _LONGEST_JOB_S))
    internal_retries: int = knob(2, between(0, 30))
    keep_alive_seconds: int = knob(0, at_least(0))
    max_cost: float | None = knob(None, above_zero)
    index_url: str | None = None
    index_secret: str | None = knob(
        None, matching(r"[\w/+=.@:-]{1,512}", ": allowed is a secret's name or ARN")
    )
    rehearse_without: list[str] = field(default_factory=list)
    interrupt_at_step: int | None = knob(None, _COUNT)
    max_parallel: int = knob(4, _COUNT)

    @property
    def instance_types(self) -> list[str]:
        """In order of preference."""
        asked = self.instance_type
        return list(asked) if isinstance(asked, list) else [asked]

    @property
    def has_code_artifact(self) -> bool:
        """Whether the packages of a job come from a repository of AWS CodeArtifact."""
        return (self.index_url or "").startswith("arn:")

    @staticmethod
    def key(name: str) -> str:
        return f"backend.{name}"


@dataclass
class Config:
    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    logger: LoggerConfig = field(default_factory=LoggerConfig)
    sweep: SweepConfig = field(default_factory=SweepConfig)
    reference: ReferenceConfig | None = None
    seed: int = knob(1, _SEED)
    metric: str = knob("val/accuracy", one_of(*(f"val/{name}" for name in SCALARS)))
    resume: str | None = None
    cache_dir: str = "~/.cache/imdb_cls"
    export: bool = True
    report: bool = True
    container: str | None = None
    backend: BackendConfig | None = None
