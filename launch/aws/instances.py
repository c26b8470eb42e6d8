"""SageMaker's instances, their GPUs and prices: conf/instances.yaml."""

from dataclasses import dataclass
from typing import Any

import yaml

from imdb_cls.config import CONF_DIR, BackendConfig
from imdb_cls.errors import UserError, nearest


@dataclass(frozen=True)
class Instance:
    name: str
    gpu: str | None
    """None: it has none, or the table does not know it."""
    memory_gb: int | None
    """Of one GPU."""
    count: int
    """GPUs of one instance."""
    capability: tuple[int, int] | None
    """CUDA compute capability."""
    price: float | None
    """USD an hour, of one instance."""
    price_note: str
    retiring: bool
    local_storage: bool
    known: bool

    @property
    def has_bf16(self) -> bool:
        return self.capability is not None and self.capability >= (8, 0)

    @property
    def precision(self) -> str:
        """What the job will make of trainer.precision=auto (model/device.py decides it there)."""
        if self.capability is None:
            return "what its CPU is made for"
        return "bf16-mixed" if self.has_bf16 else "16-mixed"


def find(backend: BackendConfig) -> Instance:
    """The instance that a backend asks for.

    Raises:
        UserError: the table does not know it, and neither its price nor its image is given.
    """
    table = yaml.safe_load((CONF_DIR / "instances.yaml").read_text(encoding="utf-8"))
    row: dict[str, Any] | None = table["instances"].get(backend.instance_type)
    if row is None and (backend.price_per_hour is None or backend.image == "auto"):
        raise UserError(
            f"backend.instance_type={backend.instance_type} is not in conf/instances.yaml."
            f"{nearest(backend.instance_type, table['instances'])} For another one set"
            " backend.price_per_hour and backend.image"
        )
    described = row or {}
    gpu = described.get("gpu")
    capability = table["gpus"][gpu]["capability"] if gpu else None
    price, note = described.get("price"), f"list price, {table['region']}, {table['date']}"
    if backend.price_per_hour is not None:
        price, note = backend.price_per_hour, "backend.price_per_hour"
    return Instance(
        name=backend.instance_type,
        gpu=gpu,
        memory_gb=table["gpus"][gpu]["memory_gb"] if gpu else None,
        count=described.get("count", 0),
        capability=(int(capability), round(10 * capability) % 10) if capability else None,
        price=price,
        price_note=note,
        local_storage=backend.instance_type.rpartition(".")[0] in table["local_storage"],
        retiring=bool(described.get("retiring")),
        known=row is not None,
    )
