"""What a job runs on and may cost, decided and shown before anything is sent."""

import math
import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from rich.filesize import pick_unit_and_suffix

from imdb_cls.config import BackendConfig, Config
from imdb_cls.errors import UserError
from launch.aws.instances import Instance, dearest, instances_of, quota
from launch.aws.store import Channel, Store
from launch.training.request import Job, shown_command

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
    ceiling: float | None
    """USD that a job can cost at most: for max_seconds, and for being kept warm after."""

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
        most = ceiling(config.backend, dearest(instances), seconds)
        return cls(instances, seconds, shown, processes[instances[0].name], most)


def facts(
    job: Job, machines: Machines, channels: list[Channel], notes: list[str]
) -> dict[str, str]:
    """What is shown of a job, by name."""
    backend, instances = job.backend, machines.instances
    described = [f"{backend.instance_count} x {i.name} ({_gpus(i)})" for i in instances]
    disk = f"{backend.volume_gb} GB{', spot' * backend.spot}"
    if len(instances) > 1:
        disk += "\nthe first that can be had"
    each, hosts = machines.processes, backend.instance_count
    ddp = {"devices": f"{each * hosts}: {each} on each of {hosts} hosts, with DDP"}
    price = "unknown: set backend.price_per_hour"
    if dearest(instances).price is not None:
        prices = " or ".join(f"${i.price:.3f}" for i in instances)
        spot = "; spot is billed less" * backend.spot
        price = f"{prices} an hour and instance ({dearest(instances).price_note}){spot}"
    at_most = f"{machines.max_seconds:,} s"
    if backend.keep_alive_seconds:
        at_most += f" and {backend.keep_alive_seconds:,} s kept warm"
    if machines.ceiling is not None:
        at_most = f"${machines.ceiling:.2f} ({at_most})"
    return {
        "job": job.name,
        "instance": "\n".join(described) + f", {disk}",
        "quota": "\n".join(f"'{quota(i.name, backend.spot)}'" for i in instances),
        "image": f"{job.image.uri}\n{job.image.why}",
        "precision": machines.precision,
        **(ddp if each * hosts > 1 else {}),
        **{channel.name: _contents(channel, job.account.store) for channel in channels},
        **dict(note.split(": ", 1) for note in notes),
        "command": shown_command(job),
        "price": price,
        "at most": at_most,
    }


def _contents(channel: Channel, store: Store) -> str:
    there = {True: "in S3 already", False: "to upload", None: "S3 was not asked"}
    files = f"{len(channel.files)} files" if len(channel.files) > 1 else "1 file"
    unit, name = pick_unit_and_suffix(channel.size, ["B", "kB", "MB", "GB"], 1000)
    size = f"{channel.size / unit:.1f}" if unit > 1 else channel.size
    return f"{files}, {size} {name}, {there[store.has(channel)]}"


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
    backend: BackendConfig, instances: list[Instance], untracked: list[str]
) -> list[str]:
    """Lines that a user should read before paying."""
    found = []
    if not backend.role:
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
    if backend.spot and backend.max_cost is not None:
        found.append("backend.max_cost counts the on-demand price: spot will cost less")
    return found


def new_job_name() -> str:
    """A name that has the time in it and that no other job has."""
    return f"imdb-cls-{datetime.now(UTC):%y%m%d-%H%M%S}-{secrets.token_hex(3)}"
