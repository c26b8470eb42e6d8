"""Answers that get lost on the way of a deployment: the same command goes on, and makes nothing
twice."""

import pytest

from tests.support.doubles import Door
from tests.support.hosted import Account
from tests.support.local_aws import BUCKET, REGION

pytestmark = pytest.mark.usefixtures("impatient")


@pytest.fixture
def large(account: Account) -> Account:
    """Its archive is uploaded in parts."""
    with (account.run / "model" / "more.bin").open("wb") as file:
        file.truncate(9_000_000)
    return account


@pytest.mark.parametrize(
    ("operation", "how"),
    [
        *(("CreateModel", how) for how in ("cut", "a 500")),
        *(("CreateEndpointConfig", how) for how in ("cut", "a 500")),
        *((method, "cut") for method in ("PUT", "POST")),
    ],
)
def test_a_lost_answer_is_no_failure(large: Account, door: Door, operation: str, how: str) -> None:
    door.losing, door.lost = operation, how
    said = large.deploy()
    assert (said.code, said.err) == (0, "")
    assert door.lost is None
    assert large.whole()
    assert [len(found) for found in large.there().values()] == [1, 1, 1]


@pytest.mark.parametrize("operation", ["CreateModel", "CreateEndpointConfig"])
def test_a_lost_answer_and_a_refused_retry_leave_what_the_next_deploy_finds(
    account: Account, door: Door, operation: str
) -> None:
    door.losing, door.lost = operation, "cut"
    for refused in (operation, "ListEndpointConfigs", "ListModels"):
        door.refuse(refused, "ExpiredTokenException")
    assert "have expired" in account.deploy().line
    assert account.there()["endpoints"] == []
    assert account.record() is None
    door.refusals.clear()
    assert account.deploy().code == 0
    assert account.whole()
    assert [len(found) for found in account.there().values()] == [1, 1, 1]


def test_the_end_of_an_upload_is_found_by_the_next_deploy(large: Account, door: Door) -> None:
    """S3 may know the upload no more when it is asked to end it once more."""
    door.losing = "POST"
    door.after["PUT"] = lambda: setattr(door, "lost", "cut")
    first = large.deploy()
    assert first.code == 0 or "uploading model to" in first.line
    assert door.lost is None
    again = large.deploy()
    assert (again.code, again.err) == (0, "")
    assert large.whole()
    stored = large.aws.client("s3", REGION).list_objects_v2(Bucket=BUCKET)["Contents"]
    (found,) = (one for one in stored if one["Key"].endswith("/model.tar.gz"))
    assert found["Size"] > 9_000_000
