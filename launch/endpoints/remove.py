"""Deletes an endpoint and all that was made for it, and nothing else."""

from botocore.exceptions import ClientError

from imdb_cls.terminal import Screen
from launch.aws import waiting
from launch.aws.client import AWS, explained, is_gone, unless_gone
from launch.endpoints import describe, record, scaling
from launch.endpoints.record import Target


def of_target(aws: AWS, target: Target, screen: Screen) -> None:
    """Deletes the endpoint that a command is about, and the run's record of it."""
    is_deleted = everything(aws, target.name, screen, poll_seconds=2.0)
    if target.run:
        record.forget(target.run)
    said = "is deleted" if is_deleted else "is not there: nothing to delete"
    screen.say(f"{target.name} {said}, in {aws.region}")


def everything(aws: AWS, name: str, screen: Screen, poll_seconds: float) -> bool:
    """Can be called again after it broke off. Returns whether there was anything to delete. Raises
    UserError if an endpoint of that name is somebody else's."""
    there = describe.endpoint(aws, name)
    if there:
        describe.check_ours(aws, there)
    was_scaled = scaling.remove(aws, name)
    if there:
        endpoint(aws, name, screen, poll_seconds)
    # After the endpoint: AWS wants its configuration to stay as long as it lives.
    had_parts = parts(aws, name)
    return had_parts or was_scaled or there is not None


def endpoint(aws: AWS, name: str, screen: Screen, poll_seconds: float) -> None:
    """Deletes the endpoint alone, and waits until it is gone. AWS deletes none that is changing:
    that is asked for again until it does."""

    def deleted() -> describe.Description | None:
        there = describe.endpoint(aws, name)
        if there is None or there["EndpointStatus"] == "Deleting":
            return there
        with explained(f"deleting {name}"):
            try:
                aws.client("sagemaker").delete_endpoint(EndpointName=name)
            except ClientError as error:
                if not is_gone(error) and there["EndpointStatus"] not in describe.CHANGING:
                    raise
        return describe.endpoint(aws, name)

    waiting.watch(
        deleted,
        lambda there: there is None,
        lambda there: describe.status_line(name, there),
        screen.console,
        poll_seconds,
    )


def parts(aws: AWS, name: str, keep: tuple[str, ...] = ()) -> bool:
    """Deletes the configurations and models that were made for an endpoint, but for those to
    `keep`. Returns whether there were any."""
    client = aws.client("sagemaker")
    delete = {"EndpointConfig": client.delete_endpoint_config, "Model": client.delete_model}
    unused = [(kind, part) for kind, part in describe.parts(aws, name) if part not in keep]
    for kind, part in unused:
        with explained(f"deleting {part}"):
            unless_gone(delete[kind], **{f"{kind}Name": part})
    return bool(unused)
