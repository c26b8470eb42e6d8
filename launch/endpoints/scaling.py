"""Application Auto Scaling: an endpoint has as many machines as its requests need."""

from typing import Any

from botocore.exceptions import ClientError

from launch.aws.client import AWS, explained, unless_gone
from launch.aws.limits import Request
from launch.endpoints.names import VARIANT
from launch.endpoints.options import EndpointOptions

_TARGET, _FROM_ZERO = "imdb-cls-target", "imdb-cls-from-zero"
# An operation and its request, which changes nothing when it is sent again.
Step = tuple[str, Request]
# Machines are added soon and taken away late: a new one takes minutes to come.
_COOLDOWN = {"ScaleInCooldown": 600, "ScaleOutCooldown": 120}


def steps(options: EndpointOptions, endpoint: str) -> list[Step]:
    """The requests that have an endpoint scaled; none for one that is not to be scaled.

    The metrics are SageMaker's own:
    https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-autoscale.html
    """
    bounds = options.bounds
    if bounds is None:
        return []
    least, most = bounds
    where = _where(endpoint)
    if options.kind == "async":
        metric: Request = {
            "TargetValue": float(options.backlog_per_instance),
            "CustomizedMetricSpecification": _metric("ApproximateBacklogSizePerInstance", endpoint),
        }
    else:
        metric = {
            "TargetValue": float(options.invocations_per_instance),
            "PredefinedMetricSpecification": {
                "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"
            },
        }
    policy = {
        **where,
        "PolicyName": _TARGET,
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": {**metric, **_COOLDOWN},
    }
    # The last one says that all are there: nobody looks for the alarm.
    return [
        ("RegisterScalableTarget", {**where, "MinCapacity": least, "MaxCapacity": most}),
        *(_from_zero(endpoint) if least == 0 else []),
        ("PutScalingPolicy", policy),
    ]


def _from_zero(endpoint: str) -> list[Step]:
    """Without these steps, fewer requests than the target would wait at zero machines for ever. The
    alarm's action is the policy before it; its ARN is known only once AWS has made it."""
    policy = {
        **_where(endpoint),
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
        "AlarmName": _alarm(endpoint),
        "AlarmDescription": f"requests wait, and {endpoint} has no machine",
        **_metric("HasBacklogWithoutCapacity", endpoint),
        "Period": 60,
        "EvaluationPeriods": 2,
        "DatapointsToAlarm": 2,
        "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "missing",
    }
    return [("PutScalingPolicy", policy), ("PutMetricAlarm", alarm)]


def current(aws: AWS, endpoint: str) -> tuple[list[Request], list[Request]]:
    """The bounds (at most one) and the policies that AWS has. Without the right to look there are
    none: whoever has set some up has it."""
    client, where = aws.client("application-autoscaling"), {"ServiceNamespace": "sagemaker"}
    with explained("looking at autoscaling"):
        try:
            targets = client.describe_scalable_targets(**where, ResourceIds=[_resource(endpoint)])
            policies = client.describe_scaling_policies(**where, ResourceId=_resource(endpoint))
        except ClientError as error:
            if error.response["Error"]["Code"] == "AccessDeniedException":
                return [], []
            raise
    return targets["ScalableTargets"], policies["ScalingPolicies"]


def ensure(aws: AWS, options: EndpointOptions, endpoint: str) -> bool:
    """Has an endpoint that is in service scaled as its options say, or not at all. Returns whether
    anything was to change."""
    wanted = steps(options, endpoint)
    targets, policies = current(aws, endpoint)
    found = [*targets, *policies]
    asked = [request for operation, request in wanted if operation != "PutMetricAlarm"]
    if len(asked) == len(found) and all(
        any(_is_within(request, there) for there in found) for request in asked
    ):
        return False
    if not wanted:
        return remove(aws, endpoint)
    client, arn = aws.client("application-autoscaling"), ""
    with explained("setting up autoscaling"):
        for operation, request in wanted:
            if operation == "RegisterScalableTarget":
                client.register_scalable_target(**request)
            elif operation == "PutScalingPolicy":
                arn = client.put_scaling_policy(**request)["PolicyARN"]
            else:
                aws.client("cloudwatch").put_metric_alarm(**request, AlarmActions=[arn])
    kept = [request.get("PolicyName") for request in asked]
    _delete(aws, endpoint, [p["PolicyName"] for p in policies if p["PolicyName"] not in kept])
    return True


def _is_within(wanted: Any, there: Any) -> bool:
    """Whether AWS has what was asked for. It adds values of its own."""
    if isinstance(wanted, dict) and isinstance(there, dict):
        return all(key in there and _is_within(value, there[key]) for key, value in wanted.items())
    if isinstance(wanted, list) and isinstance(there, list):
        return len(wanted) == len(there) and all(map(_is_within, wanted, there))
    return bool(wanted == there)


def remove(aws: AWS, endpoint: str) -> bool:
    """Takes an endpoint out of autoscaling. Returns whether it was in it.

    AWS refuses to change the machines of an endpoint that is in it, and keeps the settings of one
    that was deleted."""
    targets, policies = current(aws, endpoint)
    _delete(aws, endpoint, [policy["PolicyName"] for policy in policies])
    if targets:
        deregister = aws.client("application-autoscaling").deregister_scalable_target
        with explained("taking the endpoint out of autoscaling"):
            unless_gone(deregister, **_where(endpoint))
    return bool(targets or policies)


def _delete(aws: AWS, endpoint: str, policies: list[str]) -> None:
    delete_policy = aws.client("application-autoscaling").delete_scaling_policy
    with explained("taking the endpoint out of autoscaling"):
        if _FROM_ZERO in policies:
            aws.client("cloudwatch").delete_alarms(AlarmNames=[_alarm(endpoint)])
        for name in policies:
            unless_gone(delete_policy, **_where(endpoint), PolicyName=name)


def _where(endpoint: str) -> Request:
    return {
        "ServiceNamespace": "sagemaker",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
        "ResourceId": _resource(endpoint),
    }


def _resource(endpoint: str) -> str:
    return f"endpoint/{endpoint}/variant/{VARIANT}"


def _alarm(endpoint: str) -> str:
    return f"{endpoint}-has-backlog"


def _metric(name: str, endpoint: str) -> Request:
    """A metric that SageMaker keeps of an asynchronous endpoint."""
    return {
        "MetricName": name,
        "Namespace": "AWS/SageMaker",
        "Dimensions": [{"Name": "EndpointName", "Value": endpoint}],
        "Statistic": "Average",
    }
