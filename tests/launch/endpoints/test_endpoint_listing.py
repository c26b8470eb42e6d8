"""Endpoints of ours are shown and ended, and those of others left alone."""

import pytest

from launch.endpoints import names
from tests.support.hosted import IMAGE, Account
from tests.support.local_aws import REGION, ROLE

SCALED = ("min_instances=1", "max_instances=3")
NOTHING: dict[str, list[str]] = {"endpoints": [], "configs": [], "models": []}


def test_nothing_of_others_is_touched(account: Account) -> None:
    client = account.aws.client("sagemaker", REGION)
    container = {"Image": IMAGE, "ModelDataUrl": "s3://bucket/model.tar.gz"}
    client.create_model(ModelName="theirs", PrimaryContainer=container, ExecutionRoleArn=ROLE)
    variant = {"VariantName": "AllTraffic", "ModelName": "theirs", "InitialInstanceCount": 1}
    client.create_endpoint_config(
        EndpointConfigName="theirs",
        ProductionVariants=[{**variant, "InstanceType": "ml.m5.large"}],
    )
    client.create_endpoint(EndpointName=account.name, EndpointConfigName="theirs")
    before = account.there()
    for words in (["status"], ["delete"]):
        line = account.endpoint(*words, str(account.run)).line
        assert f"{account.name} is not an endpoint of ours" in line
    assert "is not an endpoint of ours" in account.deploy().line
    # A model whose name is that of a part of ours.
    client.create_model(
        ModelName=f"{names.stem('mine')}-0123abcd",
        PrimaryContainer=container,
        ExecutionRoleArn=ROLE,
    )
    assert account.endpoint("delete", "mine").code == 0
    assert "no endpoints of runs" in account.endpoint("list").out
    after = account.there()
    assert (after["endpoints"], after["configs"]) == (before["endpoints"], before["configs"])
    assert after["models"] == [*before["models"], "mine-0123abcd"]


def test_list_shows_all_of_ours_and_how_to_end_them(account: Account) -> None:
    assert account.deploy("price_per_hour=7.5").code == 0
    assert account.deploy("name=by-use", "kind=serverless").code == 0
    (first, second) = account.aws.endpoints.endpoints.all()
    first.created -= 7200
    client = account.aws.client("sagemaker", REGION)
    for number in range(10):  # the first page is theirs
        client.create_endpoint(
            EndpointName=f"theirs-{number}", EndpointConfigName=second.request["EndpointConfigName"]
        )
    said = account.endpoint("list")
    assert (said.code, said.err) == (0, "")
    rows = {line.split()[0]: line.split() for line in said.out.splitlines()}
    assert rows[account.name][1:6] == ["instance", "1", "x", "ml.m5.xlarge", "InService"]
    hourly, so_far = rows[account.name][-2:]
    assert hourly == "$7.500/hour"
    assert float(so_far[1:]) == pytest.approx(15, abs=0.2)
    assert rows["by-use"][1:4] == ["serverless", "4096", "MB"]
    assert "theirs-0" not in said.out
    assert "2 endpoints are running, and billed until deleted:" in said.out
    assert f"  python -m launch.endpoint delete {account.name}" in said.out


def test_status_shows_one(account: Account) -> None:
    line = account.endpoint("status", str(account.run)).line
    assert f"no such endpoint in us-east-1: python -m launch.endpoint deploy {account.run}" in line
    assert account.deploy(*SCALED).code == 0
    said = account.endpoint("status", str(account.run))
    assert (said.code, said.err) == (0, "")
    facts = dict(line.split(maxsplit=1) for line in said.out.splitlines()[1:])
    assert facts["status"].strip() == "InService"
    assert facts["scaled"].strip() == "1 to 3 machines"
    assert facts["model"].strip() == account.request("models")["ModelName"]
