"""What an endpoint costs: by the hour, or by what it does."""

from datetime import UTC, datetime

from launch.endpoints.describe import Description
from launch.endpoints.options import Options

# USD, us-east-1, as published in 2026: https://aws.amazon.com/sagemaker/ai/pricing/
_GB_SECOND = 0.00002
_GB_MOVED = 0.016


def line(options: Options) -> str:
    """What is billed, and until when, for the plan."""
    instance, bounds = options.instance, options.bounds
    if instance is None:
        memory = options.memory_mb or 4096
        work = f"${second(memory):.5f} a second of work with {memory} MB"
        return f"{work}, ${_GB_MOVED} a GB in and out; nothing while nobody asks"
    if instance.price is None:
        return "unknown: set price_per_hour"
    note = instance.price_note
    if bounds is None:
        hourly = instance.price * options.count
        return f"${hourly:.3f} an hour, ${24 * hourly:.2f} a day, until it is deleted ({note})"
    least, most = (instance.price * count for count in bounds)
    idle = "; nothing while the queue is empty" if bounds[0] == 0 else ""
    return f"${least:.3f} to ${most:.3f} an hour, until it is deleted ({note}){idle}"


def second(memory_mb: int) -> float:
    """USD for a second of work of a serverless endpoint."""
    return memory_mb / 1024 * _GB_SECOND


def machines(description: Description) -> int:
    """How many machines an endpoint has now, or is to have first."""
    (variant, *_) = description.get("ProductionVariants") or [{}]
    return int(variant.get("CurrentInstanceCount", variant.get("DesiredInstanceCount", 0)))


def hours(description: Description) -> float:
    """The time since an endpoint was made."""
    created: datetime = description["CreationTime"]
    return max(0.0, (datetime.now(UTC) - created).total_seconds() / 3600)
