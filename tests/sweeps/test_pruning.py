"""Successive halving: who goes on at a rung, and who does not."""

import csv
import json
from pathlib import Path

import pytest

from imdb_cls.sweeps.pruning import Halving, should_prune
from imdb_cls.training.loggers.table import COLUMNS
from tests.support.runs import Train, read, rows


def trial(sweep: Path, name: str, losses: list[float]) -> Path:
    path = sweep / name
    path.mkdir(parents=True, exist_ok=True)
    (path / "run.json").write_text(json.dumps({"status": "completed", "overrides": []}))
    with (path / "metrics.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for number, loss in enumerate(losses):
            table.writerow((10 * (number + 1), number, "val/loss", loss, 0))
            table.writerow((10 * (number + 1), number, "val/accuracy", 0.5, 0))
    return path


@pytest.mark.parametrize(
    ("ours", "others", "pruned"),
    [
        (0.30, [0.4, 0.5, 0.6], False),
        (0.45, [0.4, 0.5, 0.6], True),
        (0.45, [0.4, 0.5, 0.6, 0.7, 0.8], False),
        (0.55, [0.4, 0.5, 0.6, 0.7, 0.8], True),
        (float("nan"), [0.4, 0.5], True),
        (0.30, [float("nan"), 0.5, 0.6], False),
        (0.70, [float("nan"), 0.5, 0.6], True),
    ],
)
def test_the_best_third_goes_on(ours: float, others: list[float], pruned: bool) -> None:
    assert should_prune([ours], others, 3) is pruned


def test_the_first_ones_at_a_rung_all_go_on(tmp_path: Path) -> None:
    trial(tmp_path, "0", [0.1])
    assert Halving(trial(tmp_path, "1", [0.9]), 3).verdict() is None
    assert Halving(trial(tmp_path, "2", [0.9]), 3).verdict() is not None


def test_a_trial_is_compared_with_what_others_had_when_they_were_there(tmp_path: Path) -> None:
    for name in "01":
        trial(tmp_path, name, [0.8, 0.1, 0.1])
    assert Halving(trial(tmp_path, "2", [0.5]), 3).verdict() is None


def test_between_rungs_nobody_is_judged(tmp_path: Path) -> None:
    for name in "0123":
        trial(tmp_path, name, [0.1] * 9)
    verdicts = [Halving(trial(tmp_path, "4", [0.9] * n), 3).verdict() for n in range(1, 10)]
    assert [n for n, verdict in enumerate(verdicts, start=1) if verdict] == [1, 3, 9]


def test_the_verdict_says_why(tmp_path: Path) -> None:
    for name in "01":
        trial(tmp_path, name, [0.1])
    assert Halving(trial(tmp_path, "2", [0.9]), 3).verdict() == (
        "val/loss 0.9000 at validation 1 is not among the best 1/3 of 3 trials"
    )


def test_a_pruned_trial_ends_there_and_says_so(
    train_here: Train, tiny: list[str], tmp_path: Path
) -> None:
    from imdb_cls.training.checkpoints import Pruned

    sweep = tmp_path / "sweep"
    for name in "01":
        trial(sweep, name, [0.01, 0.01])
    halving = Halving(sweep / "2", 3)
    with pytest.raises(Pruned):
        train_here(name="sweep/2", callbacks=[halving])
    info = read(sweep / "2", "run.json")
    assert (info["status"], info["pruned"]) == ("stopped", True)
    assert info["reason"].startswith("pruned: val/loss")
    assert {row["epoch"] for row in rows(sweep / "2")} == {"0"}
    assert not (sweep / "2" / "metrics.json").exists()


def test_whoever_has_validated_for_the_last_time_is_tested(
    train_here: Train, tmp_path: Path
) -> None:
    for name in "01":
        trial(tmp_path / "sweep", name, [0.01])
    halving = Halving(tmp_path / "sweep" / "2", 3)
    train_here("trainer.max_epochs=1", name="sweep/2", callbacks=[halving])
    assert (tmp_path / "sweep" / "2" / "metrics.json").is_file()
