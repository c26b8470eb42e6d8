"""What a job runs on and may cost, decided and shown before anything is sent."""

import math
import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from rich.console import Console

from imdb_cls.config import BackendConfig, Config
from imdb_cls.errors import UserError
from imdb_cls.terminal import show_plan
from launch.aws.images import Image
from launch.aws.instances import Instance, dearest, instances_of, quotas
from launch.aws.store import Channel

# A shorter job may be stopped before it has started.
_LEAST_SECONDS = 600


@dataclass(frozen=True)
class Machines:
    """What a job runs on and for how long, which is known before its reviews are read."""

    instances: list[Instance]
    """The first of these that can be had."""
    max_seconds: int
    precision: str
    processes: int
    """On one host."""

    @classmethod
    def of(cls, config: Config) -> "Machines":
        """Raises UserError if an instance, its price, its precision or its devices are not to be
        had, or if one cannot stand in for another."""
        assert config.backend is not None
        instances = instances_of(config.backend)
        seconds = affordable_seconds(config.backend, dearest(instances))
        precisions = {i.name: precision_on(config, i) for i in instances}
        processes = {i.name: processes_on(config, i) for i in instances}
        if len(set(processes.values())) > 1:
            counts = ", ".join(f"{name} {count}" for name, count in processes.items())
            raise UserError(
                f"backend.instance_type: a job is made for one number of devices, and these have"
                f" others: {counts}. Take types with as many, or set trainer.devices"
            )
        shown = ", ".join(dict.fromkeys(precisions.values()))
        if len(set(precisions.values())) > 1:
            shown = ", ".join(f"{how} on {name}" for name, how in precisions.items())
        return cls(instances, seconds, shown, processes[instances[0].name])

    @property
    def names(self) -> list[str]:
        return [instance.name for instance in self.instances]


@dataclass(frozen=True)
class JobPlan:
    job_name: str
    backend: BackendConfig
    machines: Machines
    image: Image
    channels: list[Channel]
    present: dict[str, bool | None]
    """Whether a channel is in S3 already; None if S3 was not asked."""
    command: str
    notes: list[str]
    warnings: list[str]

    @property
    def ceiling(self) -> float | None:
        """USD that the job can cost at most: for max_seconds, and for being kept warm after."""
        return ceiling(self.backend, dearest(self.machines.instances), self.machines.max_seconds)

    def facts(self) -> dict[str, str]:
        """What is shown of it, by name."""
        backend, instances = self.backend, self.machines.instances
        described = [f"{backend.instance_count} x {i.name} ({_gpus(i)})" for i in instances]
        disk = f"{backend.volume_gb} GB" + (", spot" if backend.spot else "")
        if len(instances) > 1:
            disk += "\nthe first that can be had"
        return {
            "job": self.job_name,
            "instance": "\n".join(described) + f", {disk}",
            "quota": quotas(self.machines.names, backend.spot).replace(", ", "\n"),
            "image": f"{self.image.uri}\n{self.image.why}",
            "precision": self.machines.precision,
            **(
                {"devices": self._devices()}
                if self.machines.processes * backend.instance_count > 1
                else {}
            ),
            **{channel.name: self._describe(channel) for channel in self.channels},
            **dict(note.split(": ", 1) for note in self.notes),
            "command": self.command,
            "price": self._price(),
            "at most": self._at_most(),
        }

    def show(self, console: Console) -> None:
        show_plan(console, self.facts(), self.warnings)

    def _devices(self) -> str:
        each, hosts = self.machines.processes, self.backend.instance_count
        return f"{each * hosts}: {each} on each of {hosts} hosts, with DDP"

    def _describe(self, channel: Channel) -> str:
        there = {True: "in S3 already", False: "to upload", None: "S3 was not asked"}[
            self.present[channel.name]
        ]
        files = f"{len(channel.files)} files" if len(channel.files) > 1 else "1 file"
        return f"{files}, {_bytes(channel.size)}, {there}"

    def _price(self) -> str:
        instance = dearest(self.machines.instances)
        if instance.price is None:
            return "unknown: set backend.price_per_hour"
        prices = [f"${i.price:.3f}" for i in self.machines.instances]
        spot = "; spot is billed less" if self.backend.spot else ""
        return f"{' or '.join(prices)} an hour and instance ({instance.price_note}){spot}"

    def _at_most(self) -> str:
        warm = f" and {self.backend.keep_alive_seconds:,} s kept warm"
        time = f"{self.machines.max_seconds:,} s" + warm * bool(self.backend.keep_alive_seconds)
        return time if self.ceiling is None else f"${self.ceiling:.2f} ({time})"


def _gpus(instance: Instance) -> str:
    if not instance.known:
        return "not in conf/instances.yaml"
    if not instance.gpu:
        return "no GPU"
    return f"{instance.count} x {instance.gpu}, {instance.memory_gb} GB"


def ceiling(backend: BackendConfig, instance: Instance, seconds: int) -> float | None:
    """USD for `seconds` of training and the keep-alive after it."""
    if instance.price is None:
        return None
    hours = (seconds + backend.keep_alive_seconds) / 3600
    return instance.price * backend.instance_count * hours


def affordable_seconds(backend: BackendConfig, instance: Instance, jobs: int = 1) -> int:
    """max_seconds, lowered until `jobs` of them cost at most max_cost. Raises UserError if that
    would leave less than ten minutes, or the price is not known."""
    if backend.max_cost is None:
        return backend.max_seconds
    if instance.price is None:
        raise UserError(
            f"backend.max_cost={backend.max_cost}: the price of {instance.name} is not known:"
            " set backend.price_per_hour"
        )
    hours = backend.max_cost / (instance.price * backend.instance_count * jobs)
    seconds = min(backend.max_seconds, math.floor(hours * 3600) - backend.keep_alive_seconds)
    least = min(_LEAST_SECONDS, backend.max_seconds)
    if seconds < least:
        # It is rounded up, so that what is advised here is enough.
        cents = math.ceil(100 * (ceiling(backend, instance, least) or 0.0) * jobs)
        each = f" for each of {jobs} jobs" if jobs > 1 else ""
        raise UserError(
            f"backend.max_cost={backend.max_cost} pays for {max(seconds, 0)} s of"
            f" {backend.instance_count} x {instance.name}{each}: allow at least ${cents / 100:.2f}"
            f" ({least} s), or take a cheaper instance"
        )
    return seconds


def precision_on(config: Config, instance: Instance) -> str:
    """The precision that the job will train in. Raises UserError for a precision that the
    instance's GPU does not have."""
    asked = config.trainer.precision
    if config.trainer.accelerator == "cpu":
        instance = replace(instance, gpu=None, capability=None)
    if config.trainer.accelerator == "gpu" and instance.known and not instance.gpu:
        raise UserError(f"trainer.accelerator=gpu: {instance.name} has no GPU")
    for key in ("precision", "eval_precision"):
        value = getattr(config.trainer, key)
        if value == "bf16-mixed" and instance.gpu and not instance.has_bf16:
            raise UserError(
                f"trainer.{key}=bf16-mixed: the {instance.gpu} of {instance.name} has no bf16:"
                " take auto, 16-mixed or 32-true, or backend.instance_type=ml.g5.xlarge"
            )
    return f"{instance.precision} (auto)" if asked == "auto" else asked


def processes_on(config: Config, instance: Instance) -> int:
    """How many processes train on one host: one for each device. Raises UserError for more devices
    than the instance has, and for a batch too small for all of them."""
    asked = config.trainer.devices
    gpus = 0 if config.trainer.accelerator == "cpu" else instance.count
    if asked == "auto":
        count = max(gpus, 1)
    else:
        count = len(asked) if isinstance(asked, list) else int(asked)
    if gpus and count > gpus:
        raise UserError(f"trainer.devices={asked}: {instance.name} has {gpus} GPU(s)")
    backend = config.backend
    assert backend is not None
    world = count * backend.instance_count
    if world > 1 and config.data.batch_size < 2 * world:
        raise UserError(
            f"data.batch_size={config.data.batch_size} is too small for {world} devices"
            f" ({backend.instance_count} x {instance.name}): at least {2 * world}"
        )
    return count


def warnings_of(
    config: Config, instances: list[Instance], untracked: list[str], no_role: bool
) -> list[str]:
    """Lines that a user should read before paying."""
    found = []
    if no_role:
        found.append("backend.role is not set: a placeholder stands in the request")
    for instance in instances:
        if instance.retiring:
            say = (
                f"{instance.name}: its {instance.gpu} has no bf16, and AWS is retiring the family:"
                " capacity may be short."
            )
            if instances[-1].retiring:
                say += " Newer, and it costs less: backend.instance_type=ml.g5.xlarge"
            found.append(say)
    if untracked:
        found.append(
            f"not tracked by git, so not sent: {', '.join(untracked[:5])}"
            + (f" and {len(untracked) - 5} more" if len(untracked) > 5 else "")
        )
    assert config.backend is not None
    if config.backend.spot and config.backend.max_cost is not None:
        found.append("backend.max_cost counts the on-demand price: spot will cost less")
    return found


def new_job_name() -> str:
    """A name that has the time in it and that no other job has."""
    return f"imdb-cls-{datetime.now(UTC):%y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def _bytes(count: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} B"
