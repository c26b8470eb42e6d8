"""A job's wandb is where wandb's variables on this machine say."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from imdb_cls.training.loggers import wandb_key
from launch.training import tracking
from launch.training.overrides import job_overrides
from tests.support.local_aws import REGION, parsed

KEY = ("logger=wandb", "logger.wandb.key_secret=ours")


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MODE", "DISABLED", "PROJECT", "ENTITY"):
        monkeypatch.delenv(f"WANDB_{name}", raising=False)


@pytest.mark.parametrize(
    ("variable", "mode", "said"),
    [
        ("WANDB_MODE=offline", "offline", "wandb: offline in the job"),
        ("WANDB_MODE=dryrun", "offline", "wandb: offline in the job"),
        ("WANDB_MODE=disabled", "disabled", "wandb: disabled in the job"),
        ("WANDB_DISABLED=true", "disabled", "wandb: disabled in the job"),
        ("WANDB_MODE=online", None, "wandb: online, with the key ours"),
        ("WANDB_DISABLED=false", None, "wandb: online, with the key ours"),
    ],
)
def test_it_is_offline_or_disabled_where_it_is_so_here(
    variable: str, mode: str | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(*variable.split("="))
    (line,) = tracking.choose_wandb(parsed(*KEY))
    assert line.startswith(said)
    assert wandb_key.job_variables() == ({"WANDB_MODE": mode} if mode else {})


def overrides(*given: str) -> list[str]:
    resolved = SimpleNamespace(config=parsed(*given), pretrained=SimpleNamespace(path=Path("x")))
    return job_overrides(list(given), resolved, set(), 1, REGION)  # type: ignore[arg-type]


def test_its_project_and_entity_are_those_of_here(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not [one for one in overrides(*KEY) if "project" in one or "entity" in one]
    monkeypatch.setenv("WANDB_PROJECT", "our films")
    monkeypatch.setenv("WANDB_ENTITY", "us")
    found = overrides(*KEY, "logger.wandb.entity=them")
    assert "logger.wandb.project='our films'" in found
    assert [one for one in found if "entity" in one] == ["logger.wandb.entity=them"]
