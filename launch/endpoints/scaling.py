"""How many machines an endpoint has, by what it is asked: Application Auto Scaling."""

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from launch.aws.client import AWS, explained
from launch.endpoints.names import VARIANT, Request
from launch.endpoints.options import Options

_SERVICE = {
    "ServiceNamespace": "sagemaker",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}
_TARGET, _FROM_ZERO = "imdb-cls-target", "imdb-cls-from-zero"
# Machines are added soon and taken away late: a new one takes minutes to come.
_COOLDOWN = {"ScaleInCooldown": 600, "ScaleOutCooldown": 120}


@dataclass(frozen=True)
class Step:
    """One request; it can be sent again and again."""

    operation: str
    request: Request


def steps(options: Options, endpoint: str) -> list[Step]:
    """What it takes to have an endpoint scaled; nothing for one that is not.

    The metrics are SageMaker's own:
    https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-autoscale.html
    """
    bounds = options.bounds
    if bounds is None:
        return []
    least, most = bounds
    where = {**_SERVICE, "ResourceId": _resource(endpoint)}
    tracked: dict[str, Any]
    if options.kind == "async":
        tracked = {
            "TargetValue": float(options.backlog_per_instance),
            "CustomizedMetricSpecification": {
                "MetricName": "ApproximateBacklogSizePerInstance",
                "Namespace": "AWS/SageMaker",
                "Dimensions": [{"Name": "EndpointName", "Value": endpoint}],
                "Statistic": "Average",
            },
        }
    else:
        tracked = {
            "TargetValue": float(options.invocations_per_instance),
            "PredefinedMetricSpecification": {
                "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"
            },
        }
    found = [
        Step("RegisterScalableTarget", {**where, "MinCapacity": least, "MaxCapacity": most}),
        Step(
            "PutScalingPolicy",
            {
                **where,
                "PolicyName": _TARGET,
                "PolicyType": "TargetTrackingScaling",
                "TargetTrackingScalingPolicyConfiguration": {**tracked, **_COOLDOWN},
            },
        ),
    ]
    return [*found, *(_from_zero(endpoint) if least == 0 else [])]


def _from_zero(endpoint: str) -> list[Step]:
    """Without these, fewer requests than the target would wait at zero machines for ever. The
    alarm's action is the policy before it, whose ARN AWS makes up."""
    policy = {
        **_SERVICE,
        "ResourceId": _resource(endpoint),
        "PolicyName": _FROM_ZERO,
        "PolicyType": "StepScaling",
        "StepScalingPolicyConfiguration": {
            "AdjustmentType": "ChangeInCapacity",
            "MetricAggregationType": "Average",
            "Cooldown": 300,
            "StepAdjustments": [{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1}],
        },
    }
    alarm = {
        "AlarmName": alarm_name(endpoint),
        "AlarmDescription": f"requests wait, and {endpoint} has no machine",
        "Namespace": "AWS/SageMaker",
        "MetricName": "HasBacklogWithoutCapacity",
        "Dimensions": [{"Name": "EndpointName", "Value": endpoint}],
        "Statistic": "Average",
        "Period": 60,
        "EvaluationPeriods": 2,
        "DatapointsToAlarm": 2,
        "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "missing",
    }
    return [Step("PutScalingPolicy", policy), Step("PutMetricAlarm", alarm)]


def alarm_name(endpoint: str) -> str:
    return f"{endpoint}-has-backlog"


def ensure(aws: AWS, wanted: list[Step], endpoint: str) -> None:
    """Has an endpoint that is in service scaled as these steps say, or not at all."""
    if not wanted:
        remove(aws, endpoint)
        return
    client, arn = aws.client("application-autoscaling"), ""
    with explained("setting up autoscaling"):
        for step in wanted:
            if step.operation == "RegisterScalableTarget":
                client.register_scalable_target(**step.request)
            elif step.operation == "PutScalingPolicy":
                arn = client.put_scaling_policy(**step.request)["PolicyARN"]
            else:
                aws.client("cloudwatch").put_metric_alarm(**step.request, AlarmActions=[arn])
    kept = [step.request.get("PolicyName") for step in wanted]
    there = [found["PolicyName"] for found in as_it_is(aws, endpoint) if "PolicyName" in found]
    _forget(aws, endpoint, [name for name in there if name not in kept])


def as_it_is(aws: AWS, endpoint: str) -> list[Request]:
    """The bounds and policies that AWS has. Who may not look has set up none."""
    client, where = aws.client("application-autoscaling"), {"ServiceNamespace": "sagemaker"}
    with explained("looking at autoscaling"):
        try:
            targets = client.describe_scalable_targets(**where, ResourceIds=[_resource(endpoint)])
            policies = client.describe_scaling_policies(**where, ResourceId=_resource(endpoint))
        except ClientError as error:
            if error.response["Error"]["Code"] == "AccessDeniedException":
                return []
            raise
    return [*targets["ScalableTargets"], *policies["ScalingPolicies"]]


def differs(wanted: list[Step], found: list[Request]) -> bool:
    """Whether bounds or policies are others than these."""
    asked = [step.request for step in wanted if step.operation != "PutMetricAlarm"]
    return len(asked) != len(found) or not all(
        any(_within(request, there) for there in found) for request in asked
    )


def _within(wanted: Any, there: Any) -> bool:
    """AWS adds values of its own to what it was given."""
    if isinstance(wanted, dict) and isinstance(there, dict):
        return all(key in there and _within(value, there[key]) for key, value in wanted.items())
    if isinstance(wanted, list) and isinstance(there, list):
        return len(wanted) == len(there) and all(map(_within, wanted, there))
    return bool(wanted == there)


def remove(aws: AWS, endpoint: str) -> bool:
    """Takes an endpoint out of autoscaling. AWS refuses to change the machines of one that is in
    it, and forgets nothing by itself when the endpoint goes. Returns whether it was in it."""
    found = as_it_is(aws, endpoint)
    _forget(aws, endpoint, [there["PolicyName"] for there in found if "PolicyName" in there])
    if not any("MinCapacity" in there for there in found):
        return bool(found)
    client = aws.client("application-autoscaling")
    with explained("taking the endpoint out of autoscaling"):
        try:
            client.deregister_scalable_target(**_SERVICE, ResourceId=_resource(endpoint))
        except ClientError as error:
            _unless_gone(error)
    return True


def _forget(aws: AWS, endpoint: str, policies: list[str]) -> None:
    client = aws.client("application-autoscaling")
    with explained("taking the endpoint out of autoscaling"):
        if _FROM_ZERO in policies:
            aws.client("cloudwatch").delete_alarms(AlarmNames=[alarm_name(endpoint)])
        for name in policies:
            try:
                client.delete_scaling_policy(
                    **_SERVICE, ResourceId=_resource(endpoint), PolicyName=name
                )
            except ClientError as error:
                _unless_gone(error)


def _unless_gone(error: ClientError) -> None:
    if error.response["Error"]["Code"] != "ObjectNotFoundException":
        raise error


def _resource(endpoint: str) -> str:
    return f"endpoint/{endpoint}/variant/{VARIANT}"
