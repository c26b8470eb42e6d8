"""Endpoints that are made, changed, interrupted, refused and taken away."""

import threading
from functools import partial
from pathlib import Path

import pytest

from launch.rehearsal.server import NotStarted, Server
from tests.support.doubles import Door
from tests.support.hosted import ACCOUNT, Account, Killed, Shared, kill
from tests.support.local_aws import REGION
from tests.support.runs import resealed

SCALED = ("min_instances=1", "max_instances=3")
NOTHING: dict[str, list[str]] = {"endpoints": [], "configs": [], "models": []}


def failing(archive: Path) -> Server:
    raise NotStarted("no module named torch")


def test_a_second_deploy_sends_nothing(account: Account) -> None:
    first = account.deploy(*SCALED)
    assert (first.code, first.err) == (0, "")
    assert account.whole()
    assert account.bounds() == [(1, 3)]
    before, record = account.there(), account.record()
    account.asked.clear()
    again = account.deploy(*SCALED)
    assert f"{account.name} serves this model already" in again.out
    assert "in S3 already" in again.out
    writing = [name for name in account.asked if not name.startswith(("Describe", "List", "Get"))]
    assert writing == ["HeadBucket"]
    assert (account.there(), account.record()) == (before, record)
    assert record
    assert (record["region"], record["name"]) == (REGION, account.name)


@pytest.mark.parametrize(
    ("before", "after", "operations", "bounds"),
    [
        ([], ["instance_type=ml.g5.xlarge"], ["CreateEndpointConfig", "UpdateEndpoint"], []),
        (
            SCALED,
            ["max_instances=2", "instance_type=ml.m5.large"],
            # AWS refuses another machine to an endpoint that is being scaled.
            ["CreateEndpointConfig", "DeleteScalingPolicy", "DeregisterScalableTarget"],
            [(1, 2)],
        ),
        (SCALED, ["max_instances=5"], ["RegisterScalableTarget"], [(1, 5)]),
        (SCALED, [], ["DeregisterScalableTarget"], []),
        # AWS turns no endpoint into one of another kind.
        (["kind=async"], ["kind=serverless"], ["DeleteEndpoint", "CreateEndpoint"], []),
    ],
)
def test_another_deploy_updates_and_clears_away(
    account: Account,
    before: list[str],
    after: list[str],
    operations: list[str],
    bounds: list[tuple[int, int]],
) -> None:
    assert account.deploy(*before).code == 0
    first = account.there()
    account.asked.clear()
    said = account.deploy(*after)
    assert (said.code, said.err) == (0, "")
    assert [name for name in account.asked if name in operations] == operations
    assert account.whole()
    assert account.bounds() == bounds
    assert account.there()["endpoints"] == first["endpoints"]
    changed = bool({"UpdateEndpoint", "CreateEndpoint"} & set(account.asked))
    assert (account.there()["configs"] != first["configs"]) == changed
    alarms = account.aws.client("cloudwatch", REGION).describe_alarms()["MetricAlarms"]
    assert alarms == []


def test_another_model_takes_the_place_of_the_first(account: Account) -> None:
    assert account.deploy().code == 0
    first = account.there()
    settings = account.run / "model" / "config.json"
    settings.write_text(settings.read_text() + "\n")
    resealed(account.run)
    said = account.deploy()
    assert (said.code, said.err) == (0, "")
    assert account.whole()
    assert account.there()["models"] != first["models"]
    assert account.there()["endpoints"] == first["endpoints"]


def killed_after(account: Account, words: list[str], *operations: str) -> None:
    """The same command again and again, each time killed after another of these operations, which
    thereby all happen."""
    for operation in operations:
        account.after[operation] = kill
        with pytest.raises(Killed):
            account.endpoint(*words)


def test_a_deploy_that_is_killed_anywhere_is_finished_by_the_next(account: Account) -> None:
    words = ["deploy", str(account.run), *ACCOUNT, *SCALED]
    killed_after(
        account,
        words,
        *("HeadBucket", "ListObjectsV2", "CreateModel", "CreateEndpointConfig"),
        *("CreateEndpoint", "RegisterScalableTarget", "PutScalingPolicy"),
    )
    assert account.endpoint(*words).code == 0
    assert account.whole()
    assert account.bounds() == [(1, 3)]
    assert account.record() is not None


@pytest.mark.parametrize("policies", [1, 2])
def test_a_queue_that_is_killed_before_its_alarm_gets_it_from_the_next(
    account: Account, policies: int
) -> None:
    words = ["deploy", str(account.run), *ACCOUNT, "kind=async", "max_instances=3"]
    kill_next = partial(account.after.update, PutScalingPolicy=kill)
    account.after["PutScalingPolicy"] = kill if policies == 1 else kill_next
    with pytest.raises(Killed):
        account.endpoint(*words)
    assert account.endpoint(*words).code == 0
    (alarm,) = account.aws.client("cloudwatch", REGION).describe_alarms()["MetricAlarms"]
    assert alarm["MetricName"] == "HasBacklogWithoutCapacity"


def test_an_update_that_is_killed_anywhere_is_finished_by_the_next(account: Account) -> None:
    assert account.deploy(*SCALED).code == 0
    words = ["deploy", str(account.run), *ACCOUNT, *SCALED, "instance_type=ml.m5.2xlarge"]
    killed_after(
        account,
        words,
        *("CreateEndpointConfig", "DeleteScalingPolicy", "DeregisterScalableTarget"),
        *("AddTags", "UpdateEndpoint", "RegisterScalableTarget", "DeleteEndpointConfig"),
    )
    assert account.endpoint(*words).code == 0
    assert account.whole()
    assert account.bounds() == [(1, 3)]
    assert account.request("configs")["ProductionVariants"][0]["InstanceType"] == "ml.m5.2xlarge"


def test_a_delete_that_is_killed_anywhere_is_finished_by_the_next(account: Account) -> None:
    assert account.deploy(*SCALED).code == 0
    killed_after(
        account,
        ["delete", str(account.run)],
        *("DeleteScalingPolicy", "DeregisterScalableTarget", "DeleteEndpoint"),
        *("DeleteEndpointConfig", "DeleteModel"),
    )
    assert account.endpoint("delete", str(account.run)).code == 0
    assert account.there() == NOTHING
    assert account.bounds() == []
    assert account.record() is None


def test_delete_can_be_repeated_and_takes_a_name(account: Account) -> None:
    assert account.deploy("kind=async").code == 0
    said = account.endpoint("delete", account.name)
    assert f"{account.name} is deleted, in us-east-1" in said.out
    assert account.there() == NOTHING
    assert account.bounds() == []
    assert account.aws.client("cloudwatch", REGION).describe_alarms()["MetricAlarms"] == []
    again = account.endpoint("delete", str(account.run))
    assert (again.code, again.err) == (0, "")
    assert "nothing to delete" in again.out
    assert account.record() is None


def test_an_endpoint_that_is_being_made_is_deleted_once_it_is(
    account: Account, server: Shared
) -> None:
    may_go = threading.Event()

    def slow(archive: Path) -> Server:
        assert may_go.wait(60)
        return server

    account.aws.endpoints.starter = slow
    assert "is being made" in account.deploy("wait=false").out
    account.after["ListTags"] = may_go.set
    said = account.endpoint("delete", str(account.run))
    assert (said.code, said.err) == (0, "")
    assert account.there() == NOTHING


def test_a_failed_endpoint_says_why_and_is_taken_away(account: Account) -> None:
    account.aws.endpoints.starter = failing
    line = account.deploy().line
    assert f"{account.name} failed: The primary container" in line
    assert f"aws logs tail /aws/sagemaker/Endpoints/{account.name}" in line
    assert account.there() == NOTHING
    assert account.record() is None
    events = account.aws.client("logs", REGION).filter_log_events(
        logGroupName=f"/aws/sagemaker/Endpoints/{account.name}"
    )["events"]
    assert "no module named torch" in events[0]["message"]


def test_a_failed_endpoint_of_another_day_is_made_anew(account: Account) -> None:
    assert account.deploy().code == 0
    (found,) = account.aws.endpoints.endpoints.all()
    found.status, found.reason = "Failed", "no capacity"
    said = account.deploy()
    assert "had failed (no capacity): making it anew" in said.out
    assert account.whole()


def test_a_failed_update_leaves_what_was_there(account: Account) -> None:
    assert account.deploy().code == 0
    before = account.there()
    account.aws.endpoints.starter = failing
    line = account.deploy("instance_type=ml.m5.large").line
    assert "could not be updated, and serves what it did: The primary container" in line
    assert account.there() == before
    assert account.whole()


@pytest.mark.parametrize("operation", ["CreateModel", "CreateEndpointConfig", "CreateEndpoint"])
def test_what_aws_refuses_leaves_nothing(account: Account, door: Door, operation: str) -> None:
    door.refuse(operation, "ResourceLimitExceeded")
    line = account.deploy().line
    assert "Planted refusal." in line
    assert "instance_type" in line
    assert account.there() == NOTHING
    assert account.record() is None


def test_an_update_that_aws_refuses_changes_nothing(account: Account, door: Door) -> None:
    assert account.deploy().code == 0
    before = account.there()
    door.refuse("UpdateEndpoint", "ResourceLimitExceeded")
    assert "Planted refusal." in account.deploy("instance_type=ml.m5.large").line
    assert account.there() == before
    assert account.whole()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("operation", ["CreateEndpoint", "UpdateEndpoint"])
@pytest.mark.parametrize("code", ["ResourceLimitExceeded", "ExpiredTokenException"])
def test_an_endpoint_whose_answer_was_lost_is_asked_for_when_the_retry_is_refused(
    account: Account, door: Door, operation: str, code: str
) -> None:
    if operation == "UpdateEndpoint":
        assert account.deploy("instance_type=ml.m5.large").code == 0
    door.losing, door.lost = operation, "cut"
    door.refuse(operation, code)
    said = account.deploy()
    assert (said.code, said.err) == (0, "")
    assert account.whole()
    assert account.request("configs")["ProductionVariants"][0]["InstanceType"] == "ml.m5.xlarge"


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("made", [True, False])
def test_an_endpoint_of_which_nobody_knows_is_on_record(
    account: Account, door: Door, made: bool
) -> None:
    door.losing = "CreateEndpoint"
    if made:
        door.lost = "cut"
        door.after["CreateEndpointConfig"] = lambda: door.refuse(
            "DescribeEndpoint", "ExpiredTokenException"
        )
        door.refuse("CreateEndpoint", "ExpiredTokenException")
    else:
        door.dropped = 2
    line = account.deploy().line
    assert f"is billed then: python -m launch.endpoint status {account.run} finds out" in line
    record = account.record()
    assert record
    assert (record["region"], record["name"]) == (REGION, account.name)
    # Its parts are there for it.
    assert [len(found) for found in account.there().values()] == [made, 1, 1]
    assert account.deploy().code == 0
    assert account.whole()


def test_who_scales_nothing_needs_no_rights_for_it(account: Account, door: Door) -> None:
    door.refuse("DescribeScalableTargets", "AccessDeniedException", times=99)
    door.refuse("RegisterScalableTarget", "AccessDeniedException", times=99)
    assert account.deploy().code == 0
    assert account.whole()
    refused = account.deploy(*SCALED).line
    assert "setting up autoscaling: not allowed" in refused
    assert "docs/serving.md has the policy" in refused
    assert account.endpoint("delete", str(account.run)).code == 0
    assert account.there() == NOTHING


def test_ctrl_c_leaves_the_endpoint_being_made(account: Account, server: Shared) -> None:
    may_go = threading.Event()

    def slow(archive: Path) -> Server:
        assert may_go.wait(60)
        return server

    def interrupt() -> None:
        raise KeyboardInterrupt

    account.aws.endpoints.starter = slow
    # The first look is for the record; from the second on it waits.
    wait = {"DescribeEndpoint": lambda: account.after.update(DescribeEndpoint=interrupt)}
    account.after["CreateEndpoint"] = lambda: account.after.update(wait)
    said = account.deploy()
    assert said.code == 130
    assert [one.status for one in account.aws.endpoints.endpoints.all()] == ["Creating"]
    assert f"Delete it: python -m launch.endpoint delete {account.run}" in said.out
    assert account.there()["endpoints"] == [account.name]
    may_go.set()
    assert account.deploy().code == 0
    assert account.whole()
