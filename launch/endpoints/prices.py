"""What an endpoint will cost: by the hour, or by what it does."""

from launch.endpoints.options import EndpointOptions

# USD, us-east-1, as published in 2026: https://aws.amazon.com/sagemaker/ai/pricing/
_GB_SECOND = 0.00002
_GB_MOVED = 0.016


def line(options: EndpointOptions) -> str:
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
