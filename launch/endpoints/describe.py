"""What AWS says of an endpoint, and of the parts that belong to it."""

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from imdb_cls.errors import UserError
from launch.aws.client import AWS, explained
from launch.endpoints import names

Description = dict[str, Any]

# It will be something else soon, and takes no other order until then.
MOVING = ("Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting")
# It answers nothing, and can only be deleted.
BROKEN = ("Failed", "UpdateRollbackFailed", "OutOfService")
# What SageMaker says of what is not there; a ValidationException like many others.
_GONE = ("Could not find", "does not exist", "not found")


def endpoint(aws: AWS, name: str) -> Description | None:
    """DescribeEndpoint; None: there is none of that name."""
    with explained(f"looking at {name}"):
        try:
            return dict(aws.client("sagemaker").describe_endpoint(EndpointName=name))
        except ClientError as error:
            if not is_gone(error):
                raise
            return None


def is_gone(error: ClientError) -> bool:
    """Whether AWS says that there is no such thing."""
    code, said = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    return code in ("ValidationException", "ResourceNotFound") and any(p in said for p in _GONE)


def kind(description: Description) -> str:
    """instance, serverless or async."""
    if description.get("AsyncInferenceConfig"):
        return "async"
    variant = (description.get("ProductionVariants") or [{}])[0]
    return "serverless" if variant.get("CurrentServerlessConfig") else "instance"


def config(aws: AWS, name: str) -> Description | None:
    """DescribeEndpointConfig; None: there is none of that name."""
    with explained(f"looking at {name}"):
        try:
            return dict(aws.client("sagemaker").describe_endpoint_config(EndpointConfigName=name))
        except ClientError as error:
            if not is_gone(error):
                raise
            return None


def tags(aws: AWS, arn: str) -> dict[str, str]:
    with explained(f"looking at the tags of {arn.rpartition('/')[2]}"):
        pages = aws.client("sagemaker").get_paginator("list_tags").paginate(ResourceArn=arn)
        try:
            return {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}
        except ClientError as error:
            if not is_gone(error):  # deleted a moment ago
                raise
            return {}


def check_ours(aws: AWS, description: Description) -> dict[str, str]:
    """Gives the tags of an endpoint.

    Raises:
        UserError: none of them says that it is ours.
    """
    name, found = description["EndpointName"], tags(aws, description["EndpointArn"])
    if names.RUN_TAG not in found:
        raise UserError(
            f"{name} is not an endpoint of ours: it has no tag {names.RUN_TAG}. Choose another name"
        )
    return found


def configs(aws: AWS, name: str) -> Iterator[str]:
    """Names of the configurations that were made for an endpoint, old ones included."""
    for found in _parts(aws, "list_endpoint_configs", "EndpointConfigs", name):
        if _is_of(aws, found["EndpointConfigName"], found["EndpointConfigArn"], name):
            yield str(found["EndpointConfigName"])


def models(aws: AWS, name: str) -> Iterator[str]:
    """Names of the models that were made for it."""
    for found in _parts(aws, "list_models", "Models", name):
        if _is_of(aws, found["ModelName"], found["ModelArn"], name):
            yield str(found["ModelName"])


def _parts(aws: AWS, operation: str, key: str, name: str) -> list[Description]:
    with explained(f"looking for the parts of {name}"):
        pages = aws.client("sagemaker").get_paginator(operation)
        return [
            found for page in pages.paginate(NameContains=names.stem(name)) for found in page[key]
        ]


def _is_of(aws: AWS, part: str, arn: str, name: str) -> bool:
    return names.is_part(part, name) and tags(aws, arn).get(names.ENDPOINT_TAG) == name
