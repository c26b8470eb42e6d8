"""endpoint.json: whole, or one line; and what is billed can be deleted all the same."""

import json
from typing import Any

import pytest

from tests.support.damage import DAMAGES
from tests.support.doubles import Door
from tests.support.hosted import Account

WHOLE = {
    **{"region": "us-east-1", "name": "imdb-cls-1", "arn": "", "config": "imdb-cls-1-0"},
    "created": "2026-01-01T00:00:00+00:00",
}
CHANGED: list[dict[str, Any]] = [
    *({**WHOLE, key: value} for key in WHOLE for value in (None, 7, [])),
    *({k: v for k, v in WHOLE.items() if k != key} for key in WHOLE),
    {**WHOLE, "name": "../run"},
    {**WHOLE, "name": "a\\x1b[2J"},
    {**WHOLE, "created": "yesterday"},
]


def refused(account: Account) -> None:
    """Every command is one line, and changes nothing."""
    for command in ("predict", "status", "delete"):
        words = ["good"] if command == "predict" else []
        line = account.endpoint(command, str(account.run), *words).line
        assert f"{account.run}/endpoint.json" in line
        assert "remove the file; python -m launch.endpoint list shows what is running" in line
    assert account.asked == []
    assert "remove the file" in account.deploy().line
    assert account.changes == []
    assert "PutObject" not in account.asked


@pytest.mark.parametrize("how", [how for how in DAMAGES if how != "missing"])
def test_a_damaged_record_is_one_line(account: Account, how: str) -> None:
    file = account.run / "endpoint.json"
    file.write_text(json.dumps(WHOLE))
    DAMAGES[how](file)
    refused(account)


@pytest.mark.parametrize("record", CHANGED)
def test_a_record_of_other_values_is_one_line(account: Account, record: dict[str, Any]) -> None:
    (account.run / "endpoint.json").write_text(json.dumps(record))
    refused(account)


@pytest.mark.parametrize("file", ["run.json", "config.yaml", "model/model.safetensors"])
def test_what_is_billed_is_deleted_whatever_became_of_the_run(account: Account, file: str) -> None:
    assert account.deploy().code == 0
    DAMAGES["zeroed"](account.run / file)
    said = account.endpoint("delete", str(account.run))
    assert (said.code, said.err) == (0, "")
    assert account.there() == {"endpoints": [], "configs": [], "models": []}
    assert account.record() is None


def test_a_refused_endpoint_is_not_on_record_where_nothing_can_be_cleared_away(
    account: Account, door: Door
) -> None:
    for operation in ("CreateEndpoint", "ListEndpointConfigs"):
        door.refuse(operation, "ExpiredTokenException", times=9)
    assert "have expired" in account.deploy().line
    assert account.record() is None
    door.refusals.clear()
    assert account.deploy().code == 0
    assert account.whole()
