"""The leaderboard: what is one row, which is first, what is said on the screen and in sweep.csv."""

import csv
import math
import statistics
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from scipy import stats

from imdb_cls import sweep
from imdb_cls.reports.sweep.conclude import write_csv
from imdb_cls.reports.sweep.leaderboard import Leaderboard, ranges
from imdb_cls.reports.sweep.paired import PairedTest, paired_test
from imdb_cls.reports.sweep.summary import show
from imdb_cls.runs.info import RunInfo
from imdb_cls.runs.results import read
from imdb_cls.terminal import Screen
from tests.support.made_sweeps import COMMON, Made

LR = "model.learning_rate"
ACCURACY = "val/accuracy"


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path / "sweep")


def grid(made: Made, values: dict[str, list[float]]) -> None:
    """For each learning rate val accuracies, seed by seed."""
    for rate, accuracies in values.items():
        for seed, accuracy in enumerate(accuracies, start=1):
            made.trial(f"{LR}={rate}", f"seed={seed}", accuracy=accuracy)


def board(made: Made) -> Leaderboard:
    return Leaderboard(read(made.path))


def order(made: Made) -> list[str]:
    return [row.label for row in board(made).rows]


def compared(made: Made) -> PairedTest | None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return paired_test(board(made))


def said(made: Made, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    show(board(made), Screen())
    return capsys.readouterr().out


def test_seeds_are_one_row_with_mean_and_standard_deviation(made: Made) -> None:
    values = [0.81, 0.83, 0.85, 0.82, 0.84]
    grid(made, {"1e-4": values})
    (row,) = board(made).rows
    figure = row.metrics[ACCURACY]
    assert figure.mean == pytest.approx(statistics.mean(values))
    assert figure.deviation == pytest.approx(statistics.stdev(values))
    assert (row.label, row.status) == ("0-4", "5 completed")
    test = [value - 0.01 for value in values]
    assert row.metrics["test/accuracy"].mean == pytest.approx(statistics.mean(test))
    assert row.seconds == sum(range(81, 86))


def test_a_single_trial_has_no_standard_deviation(made: Made) -> None:
    made.trial(accuracy=0.8125)
    (row,) = board(made).rows
    assert row.metrics[ACCURACY].deviation is None
    assert str(row.metrics[ACCURACY]) == "0.8125"


def test_only_completed_trials_count(made: Made) -> None:
    grid(made, {"1e-4": [0.8, 0.82]})
    made.trial(f"{LR}=1e-4", "seed=3", accuracy=0.1, status="failed")
    made.trial(f"{LR}=1e-4", "seed=4", accuracy=0.1, status="stopped", pruned=True)
    (row,) = board(made).rows
    assert (len(row.completed), row.mean(ACCURACY)) == (2, pytest.approx(0.81))
    assert row.status == "2 completed, 1 pruned, 1 failed"


def test_the_best_mean_is_first(made: Made) -> None:
    grid(made, {"1e-4": [0.80, 0.90], "2e-4": [0.86, 0.86], "4e-4": [0.7, 0.7]})
    assert order(made) == ["2, 3", "0, 1", "4, 5"]


def test_the_test_metrics_choose_nothing(made: Made) -> None:
    made.trial(f"{LR}=1e-4", accuracy=0.8, tested=0.9)
    made.trial(f"{LR}=4e-4", accuracy=0.9, tested=0.8)
    assert order(made) == ["1", "0"]
    best = board(made).best_trial
    assert best is not None
    assert best.name == "1"


def test_the_least_loss_is_first_and_nan_last(tmp_path: Path) -> None:
    made = Made(tmp_path / "sweep", metric="val/loss", direction="min")
    for rate, loss in (("1e-4", 0.4), ("2e-4", math.nan), ("3e-4", 0.3), ("4e-4", 0.5)):
        made.trial(f"{LR}={rate}", loss=loss)
    made.trial(f"{LR}=5e-4", status="failed", curve=[])
    assert order(made) == ["2", "0", "3", "1", "4"]


def test_what_a_rehearsal_would_cost_is_no_cost(made: Made) -> None:
    made.trial("seed=1", job={"cost_usd": 0.5}, previous_jobs=[{"cost_usd": 0.25}])
    made.trial("seed=2", job={"cost_usd": 7.0}, rehearsal=True)
    (row,) = board(made).rows
    assert row.cost == 0.75


def test_the_best_two_are_compared_seed_by_seed(made: Made) -> None:
    best, second = [0.86, 0.84, 0.87, 0.90], [0.85, 0.85, 0.85]
    grid(made, {"1e-4": second, "2e-4": best, "4e-4": [0.5, 0.5]})
    test = compared(made)
    expected = stats.ttest_rel(best[:3], second)
    assert test is not None
    assert test.p == pytest.approx(expected.pvalue)
    assert test.interval == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert test.difference == pytest.approx(statistics.mean([0.01, -0.01, 0.02]))
    assert (test.best, test.second, test.n) == ("3-6", "0-2", 3)
    assert str(test).startswith(
        "Paired t-test on val/accuracy, trials 3-6 against 0-2, 3 shared seeds: +0.0067, 95 %"
    )


def test_differences_without_spread_are_not_tested(made: Made) -> None:
    grid(made, {"1e-4": [0.80, 0.81, 0.82], "2e-4": [0.83, 0.84, 0.85]})
    test = compared(made)
    assert test is not None
    assert (test.p, test.interval) == (None, None)
    assert str(test).endswith("+0.0300 at every seed: without any spread there is nothing to test")


def test_a_seed_without_a_number_is_not_compared(tmp_path: Path) -> None:
    made = Made(tmp_path / "sweep", metric="val/loss", direction="min")
    losses = {"1e-4": [0.3, 0.4, 0.5], "2e-4": [0.35, 0.41, math.nan]}
    for rate, values in losses.items():
        for seed, loss in enumerate(values):
            made.trial(f"{LR}={rate}", f"seed={seed}", loss=loss)
    test = compared(made)
    assert test is not None
    assert (test.n, test.difference) == (2, pytest.approx(-0.03))


@pytest.mark.parametrize("seeds", [(1, 2), (1, 1)])
def test_rows_that_do_not_share_two_seeds_are_not_compared(
    made: Made, seeds: tuple[int, int]
) -> None:
    made.trial(f"{LR}=1e-4", f"seed={seeds[0]}")
    made.trial(f"{LR}=4e-4", f"seed={seeds[1]}")
    assert compared(made) is None


def test_the_screen_says_what_to_know(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    grid(made, {"1e-4": [0.80, 0.82], "4e-4": [0.85, 0.84]})
    made.trial(f"{LR}=4e-4", "seed=3", status="failed", reason="UserError('no [red] disk')")
    made.trial(f"{LR}=1e-4", "seed=3", job={"cost_usd": 7.0}, rehearsal=True, accuracy=0.81)
    (made.path / "sweep.csv").touch()
    text = said(made, capsys)
    header, first, second, *rest = text.splitlines()[1:]
    columns = ["trials", "learning_rate", ACCURACY, "test/accuracy", "seconds", "status"]
    assert header.split() == columns
    assert first.split()[:6] == ["2-4", "0.0004", "0.8450", "±", "0.0071", "0.8350"]
    assert first.rstrip().endswith("2 completed, 1 failed")
    assert second.split()[:3] == ["0,", "1,", "5"]
    assert rest == [
        "trial 4 failed: no [red] disk",
        "rehearsed, so nothing was paid: trials 5",
        rest[2],
        "chosen by val/accuracy; test figures choose nothing",
        f"{made.path}/sweep.csv",
        f'best: python -m imdb_cls.predict run={made.path}/2 "i liked the movie"',
    ]
    assert rest[2].startswith("Paired t-test on val/accuracy, trials 2-4 against 0, 1, 5, 2 shared")


@pytest.mark.parametrize("width", [80, 100, 200])
@pytest.mark.parametrize("keys", [1, 7])
def test_a_terminal_shows_every_figure_whole(
    made: Made,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    width: int,
    keys: int,
) -> None:
    others = (
        *("model.dropout", "model.layer_decay", "model.classifier_dropout"),
        *("model.weight_decay", "model.warmup_ratio", "model.attention_dropout"),
    )
    for number, rate in enumerate(("1e-5", "1.234e-4")):
        told = [f"{key}=0.{number}234" for key in others[: keys - 1]]
        for seed in (1, 2):
            cost = {"job": {"cost_usd": 1.5}}
            made.trial(f"{LR}={rate}", *told, f"seed={seed}", accuracy=0.8 + seed / 100, **cost)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(width))
    assert Screen().console.is_terminal
    text = said(made, capsys)
    assert text.count("0.8150 ± 0.0071") == 2
    assert "0.0001234" in text
    assert "…" not in text


def test_a_trial_that_has_not_ended_shows_the_best_so_far(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    made.trial(curve=[0.6, 0.7], status="running")
    assert "0.7000 so far" in said(made, capsys)


def test_a_sweep_of_which_nothing_has_begun_is_shown(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    made.record(status="running")
    assert "no trials yet" in said(made, capsys)
    made.planned.append([*COMMON, f"{LR}=1e-4"])
    made.record(status="running")
    assert "1 waiting" in said(made, capsys)


def test_trials_that_failed_alike_are_one_line(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed in range(4):
        made.trial(f"seed={seed}", status="failed", reason="UserError('no memory')", curve=[])
    made.trial("seed=4", status="failed", reason="UserError('no disk')", curve=[])
    text = said(made, capsys)
    assert "\ntrials 0-3 failed: no memory\ntrial 4 failed: no disk\n" in text


def test_sweep_csv_has_a_row_a_trial_with_all_digits(made: Made) -> None:
    grid(made, {"1e-4": [0.8, 0.8123456789012345], "2.5e-5": [0.9]})
    made.trial(f"{LR}=2.5e-5", "seed=2", status="failed", reason="a, b\nc", curve=[])
    write_csv(board(made), made.path / "sweep.csv")
    with (made.path / "sweep.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["trial"] for row in rows] == ["2", "3", "0", "1"]
    assert [row["status"] for row in rows] == ["completed", "failed", "completed", "completed"]
    assert [float(row[LR]) for row in rows] == [2.5e-5, 2.5e-5, 1e-4, 1e-4]
    assert rows[3][ACCURACY] == "0.8123456789012345"
    assert rows[1][ACCURACY] == rows[1]["cost_usd"] == ""
    assert rows[1]["reason"] == "a, b c"
    assert float(rows[0]["test/accuracy_ci95_low"]) < float(rows[0]["test/accuracy"])
    assert rows[0]["directory"] == str(made.path / "2")
    assert list(rows[0])[:4] == ["trial", "status", LR, "seed"]


@pytest.mark.parametrize(
    ("names", "label"),
    [(["0", "1", "2", "4"], "0-2, 4"), (["3"], "3"), (["1", "2"], "1, 2"), (["a", "7"], "a, 7")],
)
def test_trials_in_a_row_are_named_by_their_ends(names: list[str], label: str) -> None:
    assert ranges(names) == label


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("UserError('it\\'s full')", "it's full"),
        ("RuntimeError('a\\nb')", "RuntimeError: a b"),
        ("OSError(28, 'No space left')", "OSError(28, 'No space left')"),
        ("AlgorithmError: exit code 1", "AlgorithmError: exit code 1"),
        ("ValueError(broken", "ValueError(broken"),
    ],
)
def test_a_reason_is_what_the_exception_says(reason: str, text: str) -> None:
    assert RunInfo(status="failed", reason=reason).plain_reason == text


def test_the_command_leaves_the_files_and_shows_the_table(made: Made) -> None:
    """Without torch, which would take longer to load than all the rest."""
    grid(made, {"1e-4": [0.80, 0.82], "4e-4": [0.85, 0.84]})
    script = "import runpy, sys; runpy.run_module('imdb_cls.sweep', run_name='__main__');"
    script += "print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script, made.path], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "0.8450 ± 0.0071" in done.stdout
    for name in ("sweep.csv", "sweep.html"):
        assert f"{made.path / name}\n" in done.stdout
        assert (made.path / name).stat().st_size > 0
    assert done.stdout.endswith("False\n")


@pytest.mark.parametrize("words", [(), ("a", "b"), ("--all",), ("nowhere",)])
def test_the_command_says_what_it_wants_in_a_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setattr(sys, "argv", ["sweep", *words])
    with pytest.raises(SystemExit) as end:
        sweep.main()
    out, error = capsys.readouterr()
    assert (end.value.code, out) == (2, "")
    assert error.startswith("error: ")
    assert error.count("\n") == 1


def test_the_command_explains_itself(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["sweep", "--help"])
    sweep.main()
    assert capsys.readouterr().out.startswith("usage: python -m imdb_cls.sweep DIR")
