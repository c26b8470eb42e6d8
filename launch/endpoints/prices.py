"""What an endpoint costs: by the hour, or by what it does."""

from datetime import UTC, datetime
from typing import Any

from launch.aws.instances import Instance
from launch.endpoints.options import Options

# USD, us-east-1, as published in 2026: https://aws.amazon.com/sagemaker/ai/pricing/
_GB_SECOND = 0.00002
_GB_MOVED = 0.016


def line(options: Options) -> str:
    """For the plan: what is billed, and until when."""
    instance = options.instance
    if instance is None:
        return f"{serverless(options.memory_mb or 4096)}; nothing while nobody asks"
    if instance.price is None:
        return "unknown: set price_per_hour"
    note, bounds = instance.price_note, options.bounds
    if bounds is None:
        hourly = instance.price * options.count
        return f"${hourly:.3f} an hour, ${24 * hourly:.2f} a day, until it is deleted ({note})"
    least, most = (instance.price * count for count in bounds)
    idle = "; nothing while the queue is empty" if bounds[0] == 0 else ""
    return f"${least:.3f} to ${most:.3f} an hour, until it is deleted ({note}){idle}"


def serverless(memory_mb: int) -> str:
    what = f"with {memory_mb} MB, ${_GB_MOVED} a GB in and out"
    return f"${second(memory_mb):.5f} a second of work {what}"


def second(memory_mb: int) -> float:
    """USD a second of work of a serverless endpoint."""
    return memory_mb / 1024 * _GB_SECOND


def hourly(description: dict[str, Any], instance: Instance | None) -> float | None:
    """USD an hour of an endpoint as DescribeEndpoint has it now; None: it is not billed by the
    hour, or the price is not known."""
    if instance is None or instance.price is None:
        return None
    return instance.price * machines(description)


def machines(description: dict[str, Any]) -> int:
    """How many an endpoint has now, or is to have first."""
    variant = (description.get("ProductionVariants") or [{}])[0]
    return int(variant.get("CurrentInstanceCount", variant.get("DesiredInstanceCount", 0)))


def hours(description: dict[str, Any]) -> float:
    """Since it was made."""
    created: datetime = description["CreationTime"]
    return max(0.0, (datetime.now(UTC) - created).total_seconds() / 3600)
