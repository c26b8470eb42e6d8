"""What AWS says of an endpoint, and of the parts that belong to it."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from imdb_cls.errors import UserError
from launch.aws.client import AWS, explained, unless_gone
from launch.endpoints import names
from launch.endpoints.record import Target
from launch.hosting.names import RUN_TAG

Description = dict[str, Any]

# The endpoint is on its way to another status, and AWS takes no other order for it until then.
CHANGING = ("Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting")
# The endpoint answers nothing, and can only be deleted.
BROKEN = ("Failed", "UpdateRollbackFailed", "OutOfService")


def endpoint(aws: AWS, name: str) -> Description | None:
    """DescribeEndpoint; None: there is none of that name."""
    with explained(f"looking at {name}"):
        return unless_gone(aws.client("sagemaker").describe_endpoint, EndpointName=name)


def existing(aws: AWS, target: Target) -> Description:
    """The endpoint that a command is about. Raises UserError if there is none."""
    there = endpoint(aws, target.name)
    if there is None:
        raise UserError(
            f"{target.name}: no such endpoint in {aws.region}: python -m launch.endpoint deploy"
            f" {target.word}"
        )
    return there


def deployed(description: Description) -> Any:
    """What an endpoint has at the moment; nothing while it is being made."""
    return (description.get("ProductionVariants") or [{}])[0]


def variant(aws: AWS, description: Description) -> Description:
    """The model and the machines in the configuration that an endpoint has; nothing if that was
    deleted."""
    name, client = description["EndpointConfigName"], aws.client("sagemaker")
    with explained(f"looking at {name}"):
        found = unless_gone(client.describe_endpoint_config, EndpointConfigName=name)
    return dict(found["ProductionVariants"][0]) if found else {}


def kind(description: Description) -> str:
    """instance, serverless or async."""
    if description.get("AsyncInferenceConfig"):
        return "async"
    return "serverless" if deployed(description).get("CurrentServerlessConfig") else "instance"


def status_line(name: str, description: Description | None) -> str:
    return f"{name}: {description['EndpointStatus'] if description else 'deleted'}"


def tags(aws: AWS, arn: str) -> dict[str, str]:
    """The tags of an endpoint or a part; none if it was deleted."""
    listed = partial(aws.listed, "sagemaker", "list_tags", "Tags")
    with explained(f"looking at the tags of {arn.rpartition('/')[2]}"):
        return {tag["Key"]: tag["Value"] for tag in unless_gone(listed, ResourceArn=arn) or []}


def check_ours(aws: AWS, description: Description) -> dict[str, str]:
    """Gives the tags of an endpoint. Raises UserError if none of them says that it is ours."""
    name, found = description["EndpointName"], tags(aws, description["EndpointArn"])
    if RUN_TAG not in found:
        raise UserError(
            f"{name} is not an endpoint of ours: it has no tag {RUN_TAG}: deploy with another"
            f" name=, or look at it: aws sagemaker describe-endpoint --endpoint-name {name}"
        )
    return found


def parts(aws: AWS, name: str) -> Iterator[tuple[str, str]]:
    """EndpointConfig or Model, and the name, of each configuration and model that was made for an
    endpoint, old ones included."""
    for kind, operation in (("EndpointConfig", "list_endpoint_configs"), ("Model", "list_models")):
        with explained(f"looking for the parts of {name}"):
            found = aws.listed("sagemaker", operation, f"{kind}s", NameContains=names.stem(name))
        for part in found:
            part_name, arn = str(part[f"{kind}Name"]), str(part[f"{kind}Arn"])
            if names.is_part(part_name, name) and tags(aws, arn).get(names.ENDPOINT_TAG) == name:
                yield kind, part_name
