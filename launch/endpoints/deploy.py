"""From a plan to an endpoint in service, whatever an earlier attempt left."""

import sys
from typing import Any

from botocore.exceptions import ClientError

from imdb_cls.errors import UserError
from imdb_cls.runs.run import now
from imdb_cls.terminal import Screen
from launch.aws import waiting
from launch.aws.client import AWS, ConnectionLost, explained
from launch.endpoints import describe, record, remove, scaling
from launch.endpoints.plan import Plan
from launch.endpoints.record import Record

_LOG_GROUP = "/aws/sagemaker/Endpoints"
_QUOTA = "ask for a higher quota, or take another instance_type"


def deploy(plan: Plan, aws: AWS, screen: Screen) -> None:
    """Ends with the endpoint in service, one configuration, one model, and the run's record of it.
    Can be called again after it broke off anywhere. Ctrl-C ends the process, and an endpoint that
    is on its way goes on.

    Raises:
        UserError: AWS refuses, or the endpoint failed: what was made for it is gone then.
    """
    try:
        _deploy(plan, aws, screen)
    except KeyboardInterrupt:
        if not plan.options.rehearse:
            screen.say(f"{plan.endpoint} may be on its way, and is billed: deploy again goes on")
            screen.say(f"Delete it: python -m launch.endpoint delete {plan.run.path}")
        sys.exit(130)


def _deploy(plan: Plan, aws: AWS, screen: Screen) -> None:
    name, wanted = plan.endpoint, plan.requests.config["EndpointConfigName"]
    there = _settled(plan, aws, screen)
    if there and there["EndpointConfigName"] == wanted:
        screen.say(f"{name} serves this model already")
    else:
        _send(plan, aws, screen, there)
        if not plan.options.wait:
            screen.say(f"{name} is being made: python -m launch.endpoint status {plan.run.path}")
            if plan.requests.scaling:
                screen.say("once it is in service, deploy again sets up its autoscaling")
            return
        _wait(plan, aws, screen, there)
    if scaling.differs(plan.requests.scaling, scaling.as_it_is(aws, name)):
        scaling.ensure(aws, plan.requests.scaling, name)
        screen.say("autoscaling: " + (_bounds(plan) if plan.requests.scaling else "none"))
    remove.parts(aws, name, keep=(wanted, plan.requests.model["ModelName"]))
    _record(plan, aws)


def _settled(plan: Plan, aws: AWS, screen: Screen) -> describe.Description | None:
    """The endpoint when nothing moves any more; None: there is none. A broken one is removed."""
    name = plan.endpoint
    there = describe.endpoint(aws, name)
    if there is None:
        return None
    describe.check_ours(aws, there)
    if there["EndpointStatus"] in describe.MOVING:
        # Of the same model that is being made already, the rest of the way is this one's too.
        there = _watch(plan, aws, screen)
    if there and there["EndpointStatus"] in describe.BROKEN:
        said = there.get("FailureReason", there["EndpointStatus"])
        screen.say(f"{name} had failed ({said}): making it anew")
        remove.endpoint(aws, name, screen, plan.options.poll_seconds)
        return None
    if there and describe.kind(there) != plan.options.kind:
        # AWS turns no endpoint into one of another kind.
        screen.say(f"{name} is of kind={describe.kind(there)}: making it anew")
        scaling.remove(aws, name)
        remove.endpoint(aws, name, screen, plan.options.poll_seconds)
        return None
    return there


def _send(plan: Plan, aws: AWS, screen: Screen, there: describe.Description | None) -> None:
    """Uploads and creates what is not there yet; then the endpoint is on its way."""
    requests, store, client = plan.requests, plan.account.store, aws.client("sagemaker")
    if store.put(plan.channel):
        screen.say(f"uploaded {plan.archive.size / 1e6:.1f} MB to s3://{store.bucket}")
    try:
        with explained("creating the model"):
            _unless_there(client.create_model, requests.model)
        with explained("creating the endpoint's configuration"):
            _unless_there(client.create_endpoint_config, requests.config)
        if there:
            _update(plan, aws, there)
        else:
            with explained("creating the endpoint", ResourceLimitExceeded=_QUOTA):
                _unless_there(client.create_endpoint, requests.endpoint)
    except ConnectionLost:
        raise  # it may have been made
    except UserError:
        # Refused: nothing that was made for it stays behind.
        remove.parts(aws, plan.endpoint, keep=_kept(aws, there) if there else ())
        raise
    _record(plan, aws)


def _update(plan: Plan, aws: AWS, there: describe.Description) -> None:
    """Lets an endpoint go over to the new configuration."""
    client, endpoint = aws.client("sagemaker"), plan.requests.endpoint
    instance = plan.options.instance
    same = instance is not None and _machine(aws, there) == instance.name
    retained = bool(plan.requests.scaling) and same
    if not retained:
        # AWS changes no machines of an endpoint that is in autoscaling.
        scaling.remove(aws, plan.endpoint)
    with explained("updating the endpoint", ResourceLimitExceeded=_QUOTA):
        # Before it: an endpoint that is on its way already is not asked for a second time.
        client.add_tags(ResourceArn=there["EndpointArn"], Tags=endpoint["Tags"])
        client.update_endpoint(
            EndpointName=plan.endpoint,
            EndpointConfigName=endpoint["EndpointConfigName"],
            # As many machines as autoscaling has come to.
            RetainAllVariantProperties=retained,
        )


def _machine(aws: AWS, there: describe.Description) -> str | None:
    """The type of the machines that an endpoint has."""
    described = describe.config(aws, there["EndpointConfigName"])
    return described["ProductionVariants"][0].get("InstanceType") if described else None


def _unless_there(create: Any, request: dict[str, Any]) -> None:
    """The name says what it is made of: one that is there already is the same."""
    try:
        create(**request)
    except ClientError as error:
        if "already existing" not in error.response["Error"].get("Message", ""):
            raise


def _wait(plan: Plan, aws: AWS, screen: Screen, before: describe.Description | None) -> None:
    """Until the endpoint is in service with what was asked for.

    Raises:
        UserError: it failed; what was made for it is removed.
    """
    name, requests = plan.endpoint, plan.requests
    there = _watch(plan, aws, screen)
    wanted = requests.config["EndpointConfigName"]
    if there and there["EndpointStatus"] == "InService":
        if there["EndpointConfigName"] == wanted:
            return
        remove.parts(aws, name, keep=_kept(aws, there))
        said = there.get("FailureReason") or "SageMaker says no reason"
        raise UserError(f"{name} could not be updated, and serves what it did: {said}{_log(name)}")
    if there is None:
        raise UserError(f"{name} was deleted while it was being made")
    said = there.get("FailureReason") or f"it is {there['EndpointStatus']}"
    remove.everything(aws, name, screen, plan.options.poll_seconds)
    if not plan.options.rehearse:
        record.forget(plan.run)
    raise UserError(f"{name} failed: {said}{_log(name)}")


def _kept(aws: AWS, there: describe.Description) -> tuple[str, ...]:
    """The configuration that an endpoint serves, and its model."""
    used = there["EndpointConfigName"]
    described = describe.config(aws, used) or {"ProductionVariants": []}
    return (used, *(variant["ModelName"] for variant in described["ProductionVariants"]))


def _watch(plan: Plan, aws: AWS, screen: Screen) -> describe.Description | None:
    """The endpoint when nothing moves any more."""
    name = plan.endpoint
    return waiting.watch(
        lambda: describe.endpoint(aws, name),
        lambda there: there is None or there["EndpointStatus"] not in describe.MOVING,
        lambda there: f"{name}: {there['EndpointStatus'] if there else 'deleted'}",
        screen.console,
        plan.options.poll_seconds,
    )


def _record(plan: Plan, aws: AWS) -> None:
    """A rehearsal's endpoint ends with its command: nothing is on record."""
    if plan.options.rehearse:
        return
    there, earlier = describe.endpoint(aws, plan.endpoint), record.read(plan.run)
    if there is None:
        return
    same = earlier and earlier.arn == there["EndpointArn"]
    record.write(
        plan.run,
        Record(
            region=aws.region,
            name=plan.endpoint,
            arn=there["EndpointArn"],
            config=plan.requests.config["EndpointConfigName"],
            created=earlier.created if earlier and same else now(),
        ),
    )


def _bounds(plan: Plan) -> str:
    least, most = plan.options.bounds or (0, 0)
    return f"{least} to {most} machines"


def _log(name: str) -> str:
    return f"; its log: aws logs tail {_LOG_GROUP}/{name}"
