"""The keys of conf/endpoint.yaml, typed and checked, and what they come to cost."""

from dataclasses import dataclass

from imdb_cls.config import AwsConfig
from imdb_cls.config.checks import check_aws
from imdb_cls.config.knobs import between, knob, matching, one_of
from imdb_cls.errors import UserError
from launch.aws.instances import Instance, instance_of
from launch.hosting.options import from_words

# USD, us-east-1, as published in 2026: https://aws.amazon.com/sagemaker/ai/pricing/
_GB_SECOND = 0.00002
_GB_MOVED = 0.016
# Keys that only an endpoint with machines has, and those that only a serverless one has.
_OF_MACHINES = (
    *("instance_type", "instance_count", "min_instances", "max_instances", "price_per_hour"),
    *("volume_kms_key", "subnets", "security_groups", "network_isolation", "data_capture"),
)
_OF_SERVERLESS = ("memory_mb", "max_concurrency")


@dataclass
class EndpointOptions(AwsConfig):
    name: str | None = knob(
        None,
        matching(
            r"(?!.{64})[a-zA-Z0-9](-?[a-zA-Z0-9])*",
            ": allowed are 1 to 63 letters, digits and single hyphens, the first and the last of"
            " them no hyphen",
        ),
    )
    kind: str = knob("instance", one_of("instance", "serverless", "async"))
    instance_count: int | None = knob(None, between(1, 1000))
    poll_seconds: float = knob(5.0, between(0.05, 600))
    min_instances: int | None = knob(None, between(0, 1000))
    max_instances: int | None = knob(None, between(1, 1000))
    invocations_per_instance: int = knob(600, between(1, 10**6))
    backlog_per_instance: int = knob(5, between(1, 10**6))
    memory_mb: int | None = None
    max_concurrency: int | None = knob(None, between(1, 200))
    data_capture: bool = False
    capture_percent: int | None = knob(None, between(1, 100))

    @property
    def instance(self) -> Instance | None:
        """None: a serverless endpoint has none of its own."""
        return None if self.kind == "serverless" else instance_of(self)

    @property
    def bounds(self) -> tuple[int, int] | None:
        """The fewest and the most machines that autoscaling may come to; None: it is not scaled."""
        if self.kind == "async":
            return self.min_instances or 0, self.max_instances or self.count
        if self.kind == "instance" and self.max_instances:
            return self.min_instances or 1, self.max_instances
        return None

    @property
    def memory(self) -> int:
        """In MB, of a serverless endpoint."""
        return self.memory_mb or 4096

    @property
    def price(self) -> str:
        """What is billed, and until when, for the plan."""
        instance, bounds = self.instance, self.bounds
        if instance is None:
            work = f"${usd_a_second(self.memory):.5f} a second of work with {self.memory} MB"
            return f"{work}, ${_GB_MOVED} a GB in and out; nothing while nobody asks"
        if instance.price is None:
            return "unknown: set price_per_hour"
        note = instance.price_note
        if bounds is None:
            hourly = instance.price * self.count
            return f"${hourly:.3f} an hour, ${24 * hourly:.2f} a day, until it is deleted ({note})"
        least, most = (instance.price * count for count in bounds)
        idle = "; nothing while the queue is empty" if bounds[0] == 0 else ""
        return f"${least:.3f} to ${most:.3f} an hour, until it is deleted ({note}){idle}"


def usd_a_second(memory_mb: int) -> float:
    """Of work of a serverless endpoint."""
    return memory_mb / 1024 * _GB_SECOND


def read(given: list[str]) -> EndpointOptions:
    """conf/endpoint.yaml with the key=value words of a command. Raises UserError for an unknown
    key, a wrong type, and values that contradict each other."""
    options = from_words(EndpointOptions, given, "endpoint.yaml")
    check_aws(options)
    if options.memory_mb not in (None, *range(1024, 6145, 1024)):
        raise UserError(
            f"memory_mb={options.memory_mb}: allowed are 1024, 2048, 3072, 4096, 5120 and 6144"
        )
    _check_kind(options)
    _check_scaling(options)
    return options


def _check_kind(options: EndpointOptions) -> None:
    kind, defaults = options.kind, EndpointOptions()
    for name in _OF_MACHINES if kind == "serverless" else _OF_SERVERLESS:
        value = getattr(options, name)
        if value == getattr(defaults, name):
            continue
        if kind == "serverless":
            shown = str(value).lower() if isinstance(value, bool) else value
            raise UserError(
                f"{name}={shown} means nothing to kind=serverless, which has no machines of"
                " yours, no VPC and no data capture: leave one of them out"
            )
        raise UserError(f"{name}={value} needs kind=serverless, not kind={kind}")
    if kind == "async" and options.data_capture:
        raise UserError(
            "data_capture=true: SageMaker captures nothing of kind=async, whose requests and"
            " answers lie in S3 anyway: leave it out"
        )
    if options.capture_percent is not None and not options.data_capture:
        raise UserError(f"capture_percent={options.capture_percent} needs data_capture=true")
    if kind != "serverless":
        instance_of(options)


def _check_scaling(options: EndpointOptions) -> None:
    if options.kind == "instance" and options.min_instances == 0:
        raise UserError("min_instances=0 needs kind=async: the others would have nobody to answer")
    if options.kind == "instance" and options.min_instances and not options.max_instances:
        raise UserError(f"min_instances={options.min_instances} needs max_instances=… too")
    if options.bounds is None:
        return
    least, most = options.bounds
    if least > most:
        raise UserError(f"min_instances={least} is more than max_instances={most}")
    if options.instance_count is not None and not least <= options.instance_count <= most:
        raise UserError(
            f"instance_count={options.instance_count} lies outside of min_instances={least} and"
            f" max_instances={most}"
        )
