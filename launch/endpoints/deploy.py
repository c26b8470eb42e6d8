"""From a plan to an endpoint in service, whatever an earlier attempt left."""

import sys
from functools import partial

from imdb_cls.errors import UserError
from imdb_cls.runs.run import now
from imdb_cls.terminal import Screen
from launch.aws import waiting
from launch.aws.client import AWS, ConnectionLost, explained
from launch.aws.creating import Unsettled, create, create_unless_there
from launch.endpoints import describe, record, remove, scaling
from launch.endpoints.describe import Description
from launch.endpoints.plan import EndpointPlan
from launch.endpoints.record import Record

_LOG_GROUP = "/aws/sagemaker/Endpoints"


def deploy(plan: EndpointPlan, screen: Screen) -> None:
    """Ends with the endpoint in service, one configuration, one model, and the run's record of it.
    It can be called again after it broke off anywhere. Ctrl-C ends the process, and an endpoint
    that is being made goes on. Raises UserError if AWS refuses, or the endpoint failed: what was
    made for it is gone then."""
    try:
        _deploy(plan, plan.model.account.client, screen)
    except KeyboardInterrupt:
        if not plan.model.account.rehearsal:
            screen.say(f"{plan.endpoint} may be on its way, and is billed: deploy again goes on")
            screen.say(f"Delete it: python -m launch.endpoint delete {plan.model.run.path}")
        sys.exit(130)


def _deploy(plan: EndpointPlan, aws: AWS, screen: Screen) -> None:
    name = plan.endpoint
    there = _usable(plan, aws, screen)
    if there and there["EndpointConfigName"] == plan.config:
        screen.say(f"{name} serves this model already")
    else:
        _send(plan, aws, screen, there)
        if not plan.options.wait:
            screen.say(
                f"{name} is being made: python -m launch.endpoint status {plan.model.run.path}"
            )
            if plan.options.bounds:
                screen.say("once it is in service, deploy again sets up its autoscaling")
            return
        _wait(plan, aws, screen)
    if scaling.ensure(aws, plan.options, name):
        bounds = plan.options.bounds
        screen.say(f"autoscaling: {f'{bounds[0]} to {bounds[1]} machines' if bounds else 'none'}")
    remove.parts(aws, name, keep=(plan.config, plan.requests["CreateModel"]["ModelName"]))
    _record(plan, aws)


def _usable(plan: EndpointPlan, aws: AWS, screen: Screen) -> Description | None:
    """The endpoint, once it has stopped changing; None: there is none. One that is broken, or of
    another kind, is deleted: AWS turns no endpoint into one of another kind."""
    name = plan.endpoint
    there = describe.endpoint(aws, name)
    if there:
        describe.check_ours(aws, there)
    if there and there["EndpointStatus"] in describe.CHANGING:
        # It may be on its way to this very model, after a deploy that broke off.
        there = _watch(plan, aws, screen)
    if there is None:
        return None
    if there["EndpointStatus"] in describe.BROKEN:
        said = there.get("FailureReason", there["EndpointStatus"])
        screen.say(f"{name} had failed ({said}): making it anew")
    elif describe.kind(there) != plan.options.kind:
        screen.say(f"{name} is of kind={describe.kind(there)}: making it anew")
        scaling.remove(aws, name)
    else:
        return there
    remove.endpoint(aws, name, screen, plan.options.poll_seconds)
    return None


def _send(plan: EndpointPlan, aws: AWS, screen: Screen, there: Description | None) -> None:
    """Uploads and creates what is not there yet. Then the endpoint is on its way."""
    requests, store, client = plan.requests, plan.model.account.store, aws.client("sagemaker")
    if store.put(plan.model.archive):
        screen.say(f"uploaded {plan.model.archive.size / 1e6:.1f} MB to s3://{store.bucket}")
    before = record.read(plan.model.run)
    try:
        with explained("creating the model"):
            create_unless_there(client.create_model, requests["CreateModel"])
        with explained("creating the endpoint's configuration"):
            create_unless_there(client.create_endpoint_config, requests["CreateEndpointConfig"])
        if there:
            _update(plan, aws, there)
        else:
            # On record before it exists, so that it is found in its region whatever happens next.
            _write(plan, aws, arn="")
            request, is_there = requests["CreateEndpoint"], partial(_is_coming, plan, aws)
            create(aws, "CreateEndpoint", request, is_there, "creating the endpoint")
    except ConnectionLost:
        raise  # the part may have been made, and the next deploy finds it
    except Unsettled as error:
        raise error.advising(
            f"it may have been made all the same, and is billed then: python -m launch.endpoint"
            f" status {plan.model.run.path} finds out, deploy goes on, delete takes it away"
        ) from None
    except UserError:
        if before is None:
            record.forget(plan.model.run)
        else:
            record.write(plan.model.run, before)
        # Nothing that was made for it stays behind.
        remove.parts(aws, plan.endpoint, keep=_in_use(aws, there) if there else ())
        raise
    _record(plan, aws)


def _is_coming(plan: EndpointPlan, aws: AWS) -> bool:
    """Whether the endpoint is on its way, or has the configuration that was asked for."""
    found = describe.endpoint(aws, plan.endpoint)
    return found is not None and (
        found["EndpointStatus"] in describe.CHANGING or found["EndpointConfigName"] == plan.config
    )


def _update(plan: EndpointPlan, aws: AWS, there: Description) -> None:
    """Lets an endpoint go over to the new configuration."""
    machine = plan.options.instance and plan.options.instance.name
    stays_scaled = plan.options.bounds is not None and (
        describe.variant(aws, there).get("InstanceType") == machine
    )
    if not stays_scaled:
        # AWS changes no machines of an endpoint that is in autoscaling.
        scaling.remove(aws, plan.endpoint)
    with explained("updating the endpoint"):
        # The tags come first: an endpoint that is being updated is not updated a second time.
        tags = plan.requests["CreateEndpoint"]["Tags"]
        aws.client("sagemaker").add_tags(ResourceArn=there["EndpointArn"], Tags=tags)
    request = {
        "EndpointName": plan.endpoint,
        "EndpointConfigName": plan.config,
        # It keeps as many machines as autoscaling has come to.
        "RetainAllVariantProperties": stays_scaled,
    }
    is_there = partial(_is_coming, plan, aws)
    create(aws, "UpdateEndpoint", request, is_there, "updating the endpoint")


def _wait(plan: EndpointPlan, aws: AWS, screen: Screen) -> None:
    """Until the endpoint is in service with what was asked for. Raises UserError if it failed; what
    was made for it is then removed."""
    name, log = plan.endpoint, f"; its log: aws logs tail {_LOG_GROUP}/{plan.endpoint}"
    there = _watch(plan, aws, screen)
    if there is None:
        raise UserError(f"{name} was deleted while it was being made")
    if there["EndpointStatus"] == "InService":
        if there["EndpointConfigName"] == plan.config:
            return
        remove.parts(aws, name, keep=_in_use(aws, there))
        said = there.get("FailureReason") or "SageMaker says no reason"
        raise UserError(f"{name} could not be updated, and serves what it did: {said}{log}")
    said = there.get("FailureReason") or f"it is {there['EndpointStatus']}"
    remove.everything(aws, name, screen, plan.options.poll_seconds)
    if not plan.model.account.rehearsal:
        record.forget(plan.model.run)
    raise UserError(f"{name} failed: {said}{log}")


def _in_use(aws: AWS, there: Description) -> tuple[str, ...]:
    """The configuration that an endpoint serves, and its model."""
    return there["EndpointConfigName"], describe.variant(aws, there).get("ModelName", "")


def _watch(plan: EndpointPlan, aws: AWS, screen: Screen) -> Description | None:
    """The endpoint, once it has stopped changing."""
    return waiting.watch(
        lambda: describe.endpoint(aws, plan.endpoint),
        lambda there: there is None or there["EndpointStatus"] not in describe.CHANGING,
        lambda there: describe.status_line(plan.endpoint, there),
        screen.console,
        plan.options.poll_seconds,
    )


def _record(plan: EndpointPlan, aws: AWS) -> None:
    """Writes down which endpoint the run has."""
    if there := describe.endpoint(aws, plan.endpoint):
        _write(plan, aws, there["EndpointArn"])


def _write(plan: EndpointPlan, aws: AWS, arn: str) -> None:
    """Not in a rehearsal, whose endpoint ends with it."""
    if plan.model.account.rehearsal:
        return
    earlier = record.read(plan.model.run)
    created = earlier.created if earlier and earlier.arn in ("", arn) else now()
    record.write(plan.model.run, Record(aws.region, plan.endpoint, arn, plan.config, created))
