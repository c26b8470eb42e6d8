"""What is running, since when, and what it has cost."""

import contextlib
from datetime import UTC, datetime

from imdb_cls.terminal import Screen, show_table
from launch.aws.client import AWS, explained
from launch.aws.instances import find
from launch.endpoints import describe, names, scaling
from launch.endpoints.describe import Description
from launch.endpoints.options import usd_a_second
from launch.endpoints.record import Target
from launch.hosting.names import RUN_TAG

_COLUMNS = ("endpoint", "kind", "what", "status", "since", "run", "price", "so far")


def show_all(aws: AWS, screen: Screen) -> None:
    """All endpoints of ours in a region, the newest first, and how to delete them."""
    found = rows(aws)
    if not found:
        screen.say(f"no endpoints of runs in {aws.region}")
        return
    show_table(screen.console, found, aws.region)
    one = "1 endpoint is" if len(found) == 1 else f"{len(found)} endpoints are"
    screen.say(f"{one} running, and billed until deleted:")
    for row in found:
        screen.say(f"  python -m launch.endpoint delete {row['endpoint']}")


def rows(aws: AWS) -> list[dict[str, str]]:
    """All endpoints of ours in a region, the newest first."""
    newest_first = {"SortBy": "CreationTime", "SortOrder": "Descending"}
    with explained("listing endpoints"):
        found = aws.listed("sagemaker", "list_endpoints", "Endpoints", **newest_first)
    tagged = [(one["EndpointName"], describe.tags(aws, one["EndpointArn"])) for one in found]
    return [_row(aws, name, tags) for name, tags in tagged if RUN_TAG in tags]


def show(aws: AWS, target: Target, screen: Screen) -> None:
    """One endpoint, a row a fact. Raises UserError if there is none."""
    there = describe.existing(aws, target)
    facts = _row(aws, target.name, describe.check_ours(aws, there))
    for bounds in scaling.current(aws, target.name)[0]:
        facts["scaled"] = f"{bounds['MinCapacity']} to {bounds['MaxCapacity']} machines"
    facts["model"] = describe.variant(aws, there).get("ModelName", "unknown")
    if "FailureReason" in there:
        facts["failure"] = there["FailureReason"]
    show_table(screen.console, [{"status": name, "": fact} for name, fact in facts.items()], "")


def _row(aws: AWS, name: str, tags: dict[str, str]) -> dict[str, str]:
    # It may have been deleted a moment ago.
    row = dict.fromkeys(_COLUMNS, "") | {"endpoint": name, "status": "deleted"}
    if there := describe.endpoint(aws, name):
        what, price, so_far = _capacity(aws, there, tags)
        row |= {
            "kind": describe.kind(there),
            "what": what,
            "status": there["EndpointStatus"],
            "since": there["CreationTime"].astimezone().strftime("%Y-%m-%d %H:%M"),
            "run": tags.get(RUN_TAG, ""),
            "price": price,
            "so far": so_far,
        }
    return row


def _capacity(aws: AWS, there: Description, tags: dict[str, str]) -> tuple[str, str, str]:
    """The machines or the memory of an endpoint, their price, and what they have cost so far."""
    variant = describe.variant(aws, there)
    if describe.kind(there) == "serverless":
        memory = int(variant.get("ServerlessConfig", {}).get("MemorySizeInMB", 0))
        return f"{memory} MB", f"${usd_a_second(memory):.5f}/s of work", "by use"
    now, machine = describe.deployed(there), variant.get("InstanceType", "?")
    count = int(now.get("CurrentInstanceCount", now.get("DesiredInstanceCount", 0)))
    price = find(machine).price
    with contextlib.suppress(KeyError, ValueError):  # it was deployed at another price
        price = float(tags[names.PRICE_TAG])
    if price is None:
        return f"{count} x {machine}", "?", "?"
    hours = max(0.0, (datetime.now(UTC) - there["CreationTime"]).total_seconds() / 3600)
    return f"{count} x {machine}", f"${count * price:.3f}/hour", f"${hours * count * price:.2f}"
