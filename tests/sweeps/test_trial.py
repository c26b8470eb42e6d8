"""What a trial of a sweep adds to its config."""

from pathlib import Path

import pytest

from imdb_cls.config import parse
from imdb_cls.sweeps.trial import Trial
from tests.support.configs import composed


@pytest.mark.parametrize(
    ("typed", "variable", "group"),
    [
        ([], None, "day/sweep"),
        ([], "", "day/sweep"),
        ([], "mine", "mine"),
        (["logger.wandb.group=typed"], "mine", "typed"),
    ],
)
def test_the_group_in_wandb_is_the_sweep_unless_it_is_named(
    tiny: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    typed: list[str],
    variable: str | None,
    group: str,
) -> None:
    monkeypatch.delenv("WANDB_RUN_GROUP", raising=False)
    if variable is not None:
        monkeypatch.setenv("WANDB_RUN_GROUP", variable)
    own = [override for override in tiny if override != "logger=none"]
    config = parse(composed(*own, "logger=wandb", *typed))
    trial = Trial(config, tmp_path / "day" / "sweep" / "0", typed, lambda stand_ins: config)
    assert trial.resolved.config.logger.wandb is not None
    assert trial.resolved.config.logger.wandb.group == group
