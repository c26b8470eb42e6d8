"""The typed schema of conf/; checks.py refuses what contradicts itself."""

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING


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
    splits: str | None = None
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
    path: str | None = None
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
    key_env: str | None = None
    key_secret: str | None = None


@dataclass
class TensorBoardConfig:
    dir: str = "tensorboard"


@dataclass
class CloudWatchConfig:
    namespace: str = "imdb_cls"
    region: str | None = None
    flush_seconds: float = 10.0


@dataclass
class LoggerConfig:
    wandb: WandbConfig | None = None
    tensorboard: TensorBoardConfig | None = None
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

    search: str = "grid"
    fresh: bool = False
    reduction_factor: int | None = None
    trials: int = 20
    startup_trials: int = 10
    seed: int = 1


@dataclass
class AwsConfig:
    """What a training job, an endpoint and a batch job can all be told."""

    role: str | None = None
    bucket: str | None = None
    prefix: str | None = None
    region: str | None = None
    instance_type: str | None = None
    instance_count: int | None = None
    price_per_hour: float | None = None
    image: str = "auto"
    network_isolation: bool = False
    subnets: list[str] = field(default_factory=list)
    security_groups: list[str] = field(default_factory=list)
    volume_kms_key: str | None = None
    output_kms_key: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    wait: bool = True
    poll_seconds: float = 5.0
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
    instance_type: str = "ml.p3.2xlarge"
    instance_count: int = 1
    poll_seconds: float = 3.0
    job_name: str | None = None
    volume_gb: int = 30
    max_seconds: int = 36000
    spot: bool = False
    max_wait_seconds: int | None = None
    keep_alive_seconds: int = 0
    max_cost: float | None = None
    interrupt_at_step: int | None = None
    max_parallel: int = 4

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
    seed: int = 1
    metric: str = "val/accuracy"
    resume: str | None = None
    cache_dir: str = "~/.cache/imdb_cls"
    export: bool = True
    report: bool = True
    container: str | None = None
    backend: BackendConfig | None = None
