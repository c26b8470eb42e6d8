"""SageMaker's instances, their GPUs and prices: conf/instances.yaml."""

import functools
import math
from dataclasses import dataclass, replace
from typing import Any

import yaml

from imdb_cls.config import CONF_DIR, AwsConfig, BackendConfig
from imdb_cls.errors import UserError, nearest

# For an endpoint and a batch job that ask for no other.
_DEFAULT = "ml.m5.xlarge"
# Where the ResourceConfig of a training job has a list of types.
PREFERENCES = "InstancePreferences"


@dataclass(frozen=True)
class Instance:
    name: str
    gpu: str | None
    """None: it has no GPU, or the table does not know the instance."""
    memory_gb: int | None
    """The memory of one GPU."""
    count: int
    """How many GPUs one instance has."""
    capability: tuple[int, int] | None
    """The CUDA compute capability of its GPUs."""
    price: float | None
    """USD an hour for one instance."""
    price_note: str
    """Where the price is from."""
    retiring: bool
    """Whether AWS is retiring the family."""
    local_storage: bool
    """Whether it has disks of its own in place of a volume."""
    known: bool
    """Whether it is in conf/instances.yaml."""

    @property
    def has_bf16(self) -> bool:
        return self.capability is not None and self.capability >= (8, 0)

    @property
    def precision(self) -> str:
        """What trainer.precision=auto will be in the job, where model/device.py decides it."""
        if self.capability is None:
            return "what its CPU is made for"
        return "bf16-mixed" if self.has_bf16 else "16-mixed"


def instance_of(config: AwsConfig) -> Instance:
    """The instance that a job, an endpoint or a batch job asks for, at the price that it is given.
    Raises UserError if conf/instances.yaml does not know it, and its price or its image is not
    given; or if a key for a volume is given that the instance does not have."""
    name, key = config.instance_type or _DEFAULT, config.key
    found = find(name)
    if not found.known and (config.price_per_hour is None or config.image == "auto"):
        raise UserError(
            f"{key('instance_type')}={name} is not in conf/instances.yaml."
            f"{nearest(name, _table()['instances'])} For another one set"
            f" {key('price_per_hour')} and {key('image')}"
        )
    if config.volume_kms_key and found.local_storage:
        raise UserError(
            f"{key('volume_kms_key')}: {name} has disks of its own, which AWS encrypts with its"
            " keys: leave it out"
        )
    if config.price_per_hour is None:
        return found
    return replace(found, price=config.price_per_hour, price_note=key("price_per_hour"))


def instances_of(backend: BackendConfig) -> list[Instance]:
    """Those that a training job may run on, in order of preference. Raises UserError as instance_of
    does, for each."""
    return [instance_of(replace(backend, instance_type=n)) for n in backend.instance_types]


def dearest(instances: list[Instance]) -> Instance:
    """That with the highest price. One whose price is not known may be any."""
    return max(instances, key=lambda one: math.inf if one.price is None else one.price)


def find(name: str) -> Instance:
    """An instance as conf/instances.yaml has it. One that it does not have is not `known`."""
    table = _table()
    row = table["instances"].get(name, {})
    gpu = table["gpus"][row["gpu"]] if "gpu" in row else {}
    capability = gpu.get("capability")
    return Instance(
        name=name,
        gpu=row.get("gpu"),
        memory_gb=gpu.get("memory_gb"),
        count=row.get("count", 0),
        capability=(int(capability), round(10 * capability) % 10) if capability else None,
        price=row.get("price"),
        price_note=f"list price, {table['region']}, {table['date']}",
        local_storage=name.rpartition(".")[0] in table["local_storage"],
        retiring=bool(row.get("retiring")),
        known=name in table["instances"],
    )


def asked(resources: dict[str, Any]) -> list[str]:
    """The types that the ResourceConfig of a request or of a job names."""
    listed = [preference["InstanceType"] for preference in resources.get(PREFERENCES, [])]
    return listed or [resources["InstanceType"]]


def chosen(resources: dict[str, Any]) -> str | None:
    """The type that a job runs on, by its ResourceConfig; None: SageMaker has not chosen yet."""
    name = resources.get("SelectedInstanceType", resources.get("InstanceType"))
    return None if name is None else str(name)


def instead(names: list[str], spot: bool) -> str:
    """What to type where none of these machines can be had for training: the cheapest with as many
    GPUs of two other kinds that have bf16, and what SageMaker calls the quotas of these."""
    ours, cheapest = [find(name) for name in names], dict[str | None, Instance]()
    others = [find(other) for other in _table()["instances"]]
    for other in sorted(others, key=lambda o: o.price or math.inf):
        is_other = other.gpu not in [instance.gpu for instance in ours]
        if other.has_bf16 and other.count == max(ours[0].count, 1) and is_other:
            cheapest.setdefault(other.gpu, other)
    types = " or ".join(f"backend.instance_type={o.name}" for o in list(cheapest.values())[:2])
    wanted = f"ask for more of {quotas(names, spot)} in the Service Quotas of Amazon SageMaker"
    return f"take {types}, or {wanted}" if types else wanted


def quotas(names: list[str], spot: bool) -> str:
    """What Service Quotas calls those of these machines."""
    return ", ".join(f"'{quota(name, spot)}'" for name in names)


def quota(name: str, spot: bool) -> str:
    """What Service Quotas calls that of one of these machines."""
    return f"{name} for {'spot ' if spot else ''}training job usage"


@functools.cache
def _table() -> dict[str, Any]:
    return dict(yaml.safe_load((CONF_DIR / "instances.yaml").read_text(encoding="utf-8")))
