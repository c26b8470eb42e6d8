"""A run says how long it will take, and saying so changes none of its numbers."""

import re
from pathlib import Path

import pytest
from pytorch_lightning import Callback, LightningModule, Trainer

from imdb_cls.training import time_left
from imdb_cls.training.checkpoints import Stopped
from imdb_cls.training.fit import resume
from imdb_cls.training.time_left import TimeLeft
from tests.support.cut_runs import Cut
from tests.support.runs import Train, metrics_of, values


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiny runs end before there is anything to say."""
    monkeypatch.setattr(time_left, "_SECONDS", 0.0)


class Asked(Callback):
    """Keeps what was left of the fit after every validation."""

    def __init__(self) -> None:
        self.left: list[float] = []

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        known = next(c for c in trainer.callbacks if isinstance(c, TimeLeft))  # type: ignore[attr-defined]
        if found := known.seconds(trainer):
            self.left.append(found[0])


@pytest.mark.usefixtures("at_once")
def test_one_line_says_it_and_the_numbers_stay(
    trained: Path, train_here: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = Asked()
    train_here("trainer.val_check_interval=0.5", name="half", callbacks=[asked])
    capsys.readouterr()
    run = train_here(name="whole")
    said = capsys.readouterr().out
    assert len(re.findall(r"about .* s to go: .* s of training, .* s of testing", said)) == 1
    assert metrics_of(run) == metrics_of(trained)
    assert values(run) == values(trained)
    # Two epochs of 6 steps, with a validation after every third. At the sixth step it is known.
    assert len(asked.left) == 3
    assert min(asked.left[:2]) > 0
    assert asked.left[2] == 0


@pytest.mark.usefixtures("at_once")
def test_a_long_run_on_a_cpu_says_what_would_be_quicker(
    train_here: Train, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time_left, "_LONG_SECONDS", 0.0)
    train_here()
    warning = [line for line in capsys.readouterr().out.splitlines() if line.startswith("WARNING")]
    assert len(warning) == 1
    assert "experiment=quickstart" in warning[0]
    assert "data.train_max_length" in warning[0]


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("step", [7, 13], ids=["behind an epoch", "behind the next"])
def test_a_run_that_goes_on_knows_what_is_left(
    train_here: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str], step: int
) -> None:
    """Of three epochs of 6 steps, from the checkpoint at the end of one."""
    with pytest.raises(Stopped):
        train_here("trainer.max_epochs=3", callbacks=[Cut(step)])
    capsys.readouterr()
    asked = Asked()
    resume(str(tmp_path / "run"), tmp_path / "run", [], callbacks=[asked])
    said = capsys.readouterr().out
    assert f"going on after step {step - 1}" in said
    assert len(re.findall(r"about .* to go: .* of training", said)) == 1
    assert asked.left == sorted(asked.left, reverse=True)
    assert asked.left[-1] == 0


def test_a_short_run_says_nothing(train_here: Train, capsys: pytest.CaptureFixture[str]) -> None:
    train_here()
    assert "to go" not in capsys.readouterr().out
