"""The key of Weights & Biases is found where the config says, and shown nowhere."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from imdb_cls.config import WandbConfig
from imdb_cls.errors import UserError
from imdb_cls.training.loggers import wandb_key
from launch.rehearsal.aws import LocalAWS
from tests.support.local_aws import REGION

KEY = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    """A machine without a key; what the test finds there is gone after it."""
    for name in ("WANDB_API_KEY", "OUR_KEY", "WANDB_MODE"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("NETRC", os.devnull)
    yield
    said = capsys.readouterr()
    assert KEY not in said.out + said.err


def store(aws: LocalAWS, text: str, name: str = "imdb_cls/wandb") -> str:
    """Stores a secret. Returns its ARN."""
    client = aws.client("secretsmanager", REGION)
    return str(client.create_secret(Name=name, SecretString=text)["ARN"])


def provided(**settings: str) -> str | None:
    wandb_key.provide(WandbConfig(**settings))  # type: ignore[arg-type]
    return os.environ.get("WANDB_API_KEY")


def test_without_a_place_nothing_is_looked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert provided() is None
    assert capsys.readouterr().out == ""


def test_the_key_is_in_the_variable_that_the_config_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUR_KEY", KEY)
    assert provided(key_env="OUR_KEY") == KEY
    assert wandb_key.mode(WandbConfig()) == "online"


@pytest.mark.parametrize(
    "text",
    [KEY, f"{KEY}\n", f'{{"WANDB_API_KEY": "{KEY}"}}', f'{{"a": 1, "WANDB_API_KEY": "{KEY}"}}'],
    ids=["plain", "with a line's end", "json", "json of several"],
)
def test_the_key_is_in_secrets_manager(aws: LocalAWS, text: str) -> None:
    store(aws, text)
    assert provided(key_secret="imdb_cls/wandb") == KEY


def test_a_secret_may_be_named_by_its_arn(aws: LocalAWS) -> None:
    assert provided(key_secret=store(aws, KEY)) == KEY


def test_a_key_of_digits_only_is_a_key(aws: LocalAWS) -> None:
    store(aws, "1" * 40)
    assert provided(key_secret="imdb_cls/wandb") == "1" * 40


def test_the_variable_comes_before_the_secret(
    aws: LocalAWS, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(aws, "another")
    monkeypatch.setenv("OUR_KEY", KEY)
    assert provided(key_env="OUR_KEY", key_secret="imdb_cls/wandb") == KEY
    monkeypatch.delenv("WANDB_API_KEY")
    monkeypatch.delenv("OUR_KEY")
    assert provided(key_env="OUR_KEY", key_secret="imdb_cls/wandb") == "another"


def test_a_key_that_is_there_already_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "there already")
    monkeypatch.setenv("OUR_KEY", KEY)
    assert provided(key_env="OUR_KEY", key_secret="no AWS is asked") == "there already"


def test_offline_no_key_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUR_KEY", KEY)
    assert provided(key_env="OUR_KEY", key_secret="no AWS is asked", mode="offline") is None


@pytest.mark.parametrize("settings", [{"key_env": "OUR_KEY"}, {"key_secret": "imdb_cls/wandb"}])
@pytest.mark.usefixtures("aws")
def test_without_the_key_the_run_is_offline_and_says_so(
    settings: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert provided(**settings) is None
    out = capsys.readouterr().out
    assert out.startswith("WARNING wandb offline: logger.wandb.key_")
    assert len(out.splitlines()) == 1
    assert wandb_key.mode(WandbConfig()) == "offline"


@pytest.mark.parametrize("settings", [{"key_env": "OUR_KEY"}, {"key_secret": "imdb_cls/wandb"}])
@pytest.mark.usefixtures("aws")
def test_a_run_that_must_be_online_is_refused_without_the_key(settings: dict[str, str]) -> None:
    ((key, value),) = settings.items()
    with pytest.raises(UserError, match=f"logger.wandb.{key}={value}: ") as error:
        provided(**settings, mode="online")
    assert len(str(error.value).splitlines()) == 1


def test_a_secret_without_the_key_in_it_is_no_key(
    aws: LocalAWS, capsys: pytest.CaptureFixture[str]
) -> None:
    store(aws, '{"password": "something else"}')
    assert provided(key_secret="imdb_cls/wandb") is None
    out = capsys.readouterr().out
    assert "WARNING wandb offline" in out
    assert "something else" not in out


def test_an_empty_secret_is_no_key(aws: LocalAWS) -> None:
    store(aws, '{"WANDB_API_KEY": ""}')
    with pytest.raises(UserError):
        provided(key_secret="imdb_cls/wandb", mode="online")


def test_a_netrc_file_is_a_key_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text(f"machine api.wandb.ai login user password {KEY}\n")
    assert not wandb_key.has_key()
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert wandb_key.has_key()
