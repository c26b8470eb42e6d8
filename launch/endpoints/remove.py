"""Takes an endpoint and all that was made for it away, and nothing else."""

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from imdb_cls.terminal import Screen
from launch.aws import waiting
from launch.aws.client import AWS, explained
from launch.endpoints import describe, scaling


def everything(aws: AWS, name: str, screen: Screen, poll_seconds: float) -> bool:
    """Can be called again when it broke off. Returns whether there was anything.

    Raises:
        UserError: an endpoint of that name is somebody else's.
    """
    there = describe.endpoint(aws, name)
    if there:
        describe.check_ours(aws, there)
    found = scaling.remove(aws, name)
    if there:
        endpoint(aws, name, screen, poll_seconds)
    # Behind the endpoint: AWS wants the configuration of a living one left alone.
    return parts(aws, name) or found or there is not None


def endpoint(aws: AWS, name: str, screen: Screen, poll_seconds: float) -> None:
    """The endpoint alone, and waits until it is gone. One that is being made, and that AWS deletes
    only afterwards, is waited for."""
    client = aws.client("sagemaker")

    def gone() -> describe.Description | None:
        there = describe.endpoint(aws, name)
        if there and there["EndpointStatus"] != "Deleting":
            with explained(f"deleting {name}"):
                try:
                    client.delete_endpoint(EndpointName=name)
                except ClientError as error:
                    moving = there["EndpointStatus"] in describe.MOVING
                    if not (describe.is_gone(error) or moving):
                        raise
            return describe.endpoint(aws, name)
        return there

    waiting.watch(
        gone,
        lambda there: there is None,
        lambda there: f"{name}: {there['EndpointStatus'] if there else 'deleted'}",
        screen.console,
        poll_seconds,
    )


def parts(aws: AWS, name: str, keep: tuple[str, ...] = ()) -> bool:
    """Configurations and models that were made for an endpoint, but for those to `keep`. Returns
    whether there were any."""
    client = aws.client("sagemaker")
    found = [
        (client.delete_endpoint_config, "EndpointConfigName", part)
        for part in describe.configs(aws, name)
    ] + [(client.delete_model, "ModelName", part) for part in describe.models(aws, name)]
    gone = [(delete, key, part) for delete, key, part in found if part not in keep]
    for delete, key, part in gone:
        unless_gone(delete, **{key: part})
    return bool(gone)


def unless_gone(delete: Callable[..., Any], **which: str) -> None:
    """Deletes something that somebody else may have deleted meanwhile."""
    with explained(f"deleting {', '.join(which.values())}"):
        try:
            delete(**which)
        except ClientError as error:
            if not describe.is_gone(error):
                raise
