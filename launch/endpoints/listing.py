"""What is running, since when, and what it has cost."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from rich.console import Console

from imdb_cls.errors import UserError
from imdb_cls.terminal import Screen, as_table
from launch.aws.client import AWS, explained
from launch.aws.instances import Instance, find
from launch.endpoints import describe, names, prices, scaling
from launch.endpoints.record import Target

_COLUMNS = ("endpoint", "kind", "what", "status", "since", "run", "price", "so far")
# In a pipe nothing is folded.
_WIDE = 240


def show_all(aws: AWS, screen: Screen) -> None:
    """All endpoints of ours in a region, the newest first, and how to delete them."""
    rows = [_row(aws, name, tags) for name, tags in _ours(aws)]
    if not rows:
        screen.say(f"no endpoints of runs in {aws.region}")
        return
    _print(screen, rows, aws.region)
    one = "1 endpoint is" if len(rows) == 1 else f"{len(rows)} endpoints are"
    screen.say(f"{one} running, and billed until deleted:")
    for row in rows:
        screen.say(f"  python -m launch.endpoint delete {row['endpoint']}")


def show(aws: AWS, target: Target, screen: Screen) -> None:
    """One endpoint, a row a fact.

    Raises:
        UserError: there is none.
    """
    there = describe.endpoint(aws, target.name)
    if there is None:
        raise UserError(
            f"{target.name}: no such endpoint in {aws.region}:"
            f" python -m launch.endpoint deploy {target.word}"
        )
    tags = describe.check_ours(aws, there)
    row = _row(aws, target.name, tags)
    scaled = [found for found in scaling.as_it_is(aws, target.name) if "MinCapacity" in found]
    facts = dict(row)
    if scaled:
        facts["scaled"] = f"{scaled[0]['MinCapacity']} to {scaled[0]['MaxCapacity']} machines"
    facts["model"] = _model(aws, there)
    if "FailureReason" in there:
        facts["failure"] = there["FailureReason"]
    table = [{"status": name, "": fact} for name, fact in facts.items()]
    _print(screen, table, "")


def _print(screen: Screen, rows: list[dict[str, str]], title: str) -> None:
    boxed = screen.console.is_terminal
    table = as_table(rows, title, boxed=boxed, right=False)
    console = screen.console if boxed else Console(highlight=False, width=_WIDE)
    console.print(table)


def _ours(aws: AWS) -> Iterator[tuple[str, dict[str, str]]]:
    with explained("listing endpoints"):
        pages = aws.client("sagemaker").get_paginator("list_endpoints")
        found = [
            (summary["EndpointName"], summary["EndpointArn"])
            for page in pages.paginate(SortBy="CreationTime", SortOrder="Descending")
            for summary in page["Endpoints"]
        ]
    for name, arn in found:
        tags = describe.tags(aws, arn)
        if names.RUN_TAG in tags:
            yield name, tags


def _row(aws: AWS, name: str, tags: dict[str, str]) -> dict[str, str]:
    there = describe.endpoint(aws, name)
    if there is None:  # deleted a moment ago
        return dict.fromkeys(_COLUMNS, "") | {"endpoint": name, "status": "deleted"}
    kind, config = describe.kind(there), describe.config(aws, there["EndpointConfigName"])
    variant = config["ProductionVariants"][0] if config else {}
    price = _price(variant, tags)
    hourly = prices.hourly(there, price)
    what, cost, so_far = f"{prices.machines(there)} x {variant.get('InstanceType', '?')}", "?", "?"
    if kind == "serverless":
        memory = int(variant.get("ServerlessConfig", {}).get("MemorySizeInMB", 0))
        what, cost, so_far = f"{memory} MB", f"${prices.second(memory):.5f}/s of work", "by use"
    elif hourly is not None:
        cost, so_far = f"${hourly:.3f}/hour", f"${prices.hours(there) * hourly:.2f}"
    values = (
        *(name, kind, what, there["EndpointStatus"]),
        there["CreationTime"].astimezone().strftime("%Y-%m-%d %H:%M"),
        *(tags.get(names.RUN_TAG, ""), cost, so_far),
    )
    return dict(zip(_COLUMNS, values, strict=True))


def _price(variant: dict[str, Any], tags: dict[str, str]) -> Instance | None:
    """The instance at the price that the one who deployed it gave, or at the list price."""
    kind = variant.get("InstanceType")
    if not kind:
        return None
    given = tags.get(names.PRICE_TAG)
    try:
        price = float(given) if given else None
        return find(kind) if price is None else replace(find(kind), price=price)
    except ValueError:
        return None


def _model(aws: AWS, there: describe.Description) -> str:
    config = describe.config(aws, there["EndpointConfigName"])
    return str(config["ProductionVariants"][0]["ModelName"]) if config else "unknown"
