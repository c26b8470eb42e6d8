"""A sweep's directory, read at any time: finished, running, half-written."""

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from imdb_cls.errors import UserError
from imdb_cls.runs import seals
from imdb_cls.runs.results import TrialResult, read
from tests.support.damage import DAMAGES
from tests.support.made_sweeps import COMMON, Made

LR = "model.learning_rate"


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path / "sweep")


def only(made: Made) -> TrialResult:
    (trial,) = read(made.path).trials
    return trial


def sealed(made: Made) -> None:
    """Gives all trials the hashes of their files."""
    for path in made.path.glob("*/run.json"):
        record = json.loads(path.read_text())
        record["sha256"] = seals.hashes(path.parent, [seals.CONFIG, *seals.RESULTS])
        path.write_text(json.dumps(record))


def age(run: Path) -> None:
    """run.json was not written just now."""
    os.utime(run / "run.json", (1, 1))


def test_a_trial_has_what_its_files_say(made: Made) -> None:
    run = made.trial(f"{LR}=1e-4", "seed=3", accuracy=0.85, tested=0.83, seconds=12.5)
    trial = only(made)
    assert (trial.name, trial.path, trial.status, trial.seed) == ("0", run, "completed", 3)
    assert trial.overrides[LR] == 0.0001
    assert trial.metrics["val/accuracy"] == trial.best == 0.85
    assert trial.metrics["test/accuracy"] == 0.83
    assert trial.metrics["test/accuracy_ci95_low"] < 0.83 < trial.metrics["test/accuracy_ci95_high"]
    assert (trial.seconds, trial.cost, trial.rehearsed) == (12.5, None, False)


def test_trials_that_differ_only_by_their_seed_share_a_recipe(made: Made) -> None:
    for rate in ("1e-4", "4e-4"):
        for seed in (1, 2, 3):
            made.trial(f"{LR}={rate}", f"seed={seed}")
    recipes = [trial.recipe for trial in read(made.path).trials]
    assert recipes[0] == recipes[1] == recipes[2]
    assert recipes[3] == recipes[4] == recipes[5] != recipes[0]


def test_a_seed_of_the_data_that_stays_is_no_difference(made: Made) -> None:
    """data.seed=1 beside seed=1 is the same setting as beside seed=2."""
    for seed in (1, 2):
        made.trial("data.seed=1", f"seed={seed}")
    for seed in (1, 2):
        made.trial("data.seed=2", f"seed={seed}")
    recipes = [trial.recipe for trial in read(made.path).trials]
    assert recipes[0] == recipes[1] != recipes[2]
    assert recipes[2] == recipes[3]


@pytest.mark.parametrize("fact", [{"code": "f" * 16}, {"resolved": {"weights_sha256": "other"}}])
def test_other_code_or_weights_are_another_recipe(made: Made, fact: dict[str, Any]) -> None:
    made.trial("seed=1")
    made.trial("seed=2", **fact)
    one, other = read(made.path).trials
    assert one.recipe != other.recipe


def test_where_a_run_logs_and_how_often_is_no_difference(made: Made) -> None:
    made.trial("seed=1", "trainer.log_every_n_steps=5", "trainer.checkpoint_minutes=1.0")
    made.trial("seed=2", "+backend=sagemaker", "backend.spot=true")
    results = read(made.path)
    assert results.keys == ["seed"]
    assert results.trials[0].recipe == results.trials[1].recipe


def test_what_differs_is_named_shortly_unless_that_is_ambiguous(made: Made) -> None:
    made.trial(f"{LR}=1e-4", "model.dropout=0.1", "seed=1", "data.seed=1", "data.max_length=64")
    made.trial(f"{LR}=4e-4", "model.dropout=0.1", "seed=2", "data.seed=3", "data.max_length=64")
    results = read(made.path)
    assert results.names == {LR: "learning_rate", "data.seed": "data.seed", "seed": "seed"}
    assert results.trials[1].differs == {LR: 4e-4, "data.seed": 3, "seed": 2}


def test_a_key_that_a_trial_leaves_out_has_its_configs_value(made: Made) -> None:
    made.trial(f"{LR}=1e-4")
    made.trial()
    results = read(made.path)
    assert results.keys == [LR]
    assert [trial.differs[LR] for trial in results.trials] == [1e-4, 4e-4]


def test_the_same_value_in_another_spelling_is_no_difference(made: Made) -> None:
    made.trial(f"{LR}=1e-4")
    made.trial(f"{LR}=0.0001")
    assert read(made.path).keys == []


def test_other_code_is_a_column(made: Made) -> None:
    made.trial("seed=1")
    made.trial("seed=1", code="abcdef0123456789")
    results = read(made.path)
    assert results.keys == ["code"]
    assert [trial.differs["code"] for trial in results.trials] == ["01234567", "abcdef01"]


def test_planned_trials_wait_until_they_have_a_directory(made: Made) -> None:
    made.trial(f"{LR}=1e-4", "seed=1")
    made.planned += [[*COMMON, f"{LR}=1e-4", "seed=2"], [*COMMON, f"{LR}=4e-4", "seed=2"]]
    made.record(status="running")
    done, same, other = read(made.path).trials
    assert [same.status, other.status] == ["waiting", "waiting"]
    assert (same.name, same.path, same.seed) == ("1", None, 2)
    assert same.recipe == done.recipe != other.recipe
    assert other.differs == {LR: 4e-4, "seed": 2}


def test_a_trial_that_failed_before_it_began_is_one_of_its_recipe(made: Made) -> None:
    made.trial(f"{LR}=1e-4", "seed=1")
    facts = {"fingerprint": None, "resolved": None, "reason": "UserError('no such file')"}
    made.trial(f"{LR}=1e-4", "seed=2", status="failed", curve=[], **facts)
    done, failed = read(made.path).trials
    assert (failed.status, failed.reason) == ("failed", "no such file")
    assert failed.recipe == done.recipe


def test_a_trial_that_is_not_done_has_the_best_so_far(made: Made) -> None:
    made.trial(curve=[0.6, 0.8, 0.7], status="stopped", pruned=True, reason="pruned: not among")
    trial = only(made)
    assert (trial.status, trial.best, trial.metrics) == ("pruned", 0.8, {})


def test_a_loss_is_best_where_it_is_least_and_never_nan(tmp_path: Path) -> None:
    made = Made(tmp_path / "sweep", metric="val/loss", direction="min")
    run = made.trial(curve=[0.7, 0.8, 0.6], status="stopped")
    with (run / "metrics.csv").open("a") as file:
        file.write("200,3,val/loss,nan,1.0\n")
    assert only(made).best == pytest.approx(0.2)


def test_running_is_what_a_living_process_has_locked(made: Made) -> None:
    run = made.trial(status="running")
    age(run)
    assert only(made).status == "interrupted"
    with (run / "train.log").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert only(made).status == "running"


def test_a_trial_that_has_just_begun_runs(made: Made) -> None:
    made.trial(status="running", curve=[], seconds=None)
    trial = only(made)
    assert trial.status == "running"
    assert trial.seconds is not None


def test_a_remote_trial_runs_until_its_job_says_otherwise(made: Made) -> None:
    age(made.trial(status="running", curve=[], backend="sagemaker", job_name="imdb-cls-1"))
    assert only(made).status == "running"


def test_a_rehearsal_runs_while_its_sweep_does(made: Made) -> None:
    facts = {"backend": "sagemaker", "job_name": "imdb-cls-1", "rehearsal": True}
    age(made.trial(status="running", curve=[], **facts))
    made.record(status="running")
    assert (only(made).status, read(made.path).status) == ("interrupted", "interrupted")
    with (made.path / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert (only(made).status, read(made.path).status) == ("running", "running")


def test_a_trial_costs_what_all_its_jobs_cost_and_a_rehearsal_nothing(made: Made) -> None:
    made.trial("seed=1", job={"cost_usd": 0.5}, previous_jobs=[{"cost_usd": 0.25}, {}])
    made.trial("seed=2", job={"cost_usd": 0.5}, rehearsal=True)
    made.trial("seed=3", job={"price_per_hour": None})
    trials = read(made.path).trials
    assert [trial.cost for trial in trials] == [0.75, None, None]
    assert [trial.rehearsed for trial in trials] == [False, True, False]


def test_something_else_is_left_out(made: Made) -> None:
    run = made.trial("seed=1")
    shutil.copytree(run, made.path / ".rehearsal")
    shutil.copytree(run, made.path / "damaged" / "0")
    (made.path / "notes").mkdir()
    (made.path / "sweep.csv").touch()
    assert only(made).name == "0"


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["run.json", "config.yaml", "metrics.json", "metrics.csv"])
def test_a_damaged_trial_is_named_and_counts_nowhere(made: Made, name: str, damage: str) -> None:
    for seed in (1, 2, 3):
        made.trial(f"{LR}=1e-4", f"seed={seed}")
    sealed(made)
    DAMAGES[damage](made.path / "1" / name)
    results = read(made.path)
    assert [trial.status for trial in results.trials] == ["completed", "damaged", "completed"]
    damaged = results.trials[1]
    assert str(made.path / "1" / name) in str(damaged.reason)
    assert (damaged.metrics, damaged.best, damaged.seed) == ({}, None, 2)
    assert {trial.recipe for trial in results.trials} == {damaged.recipe}
    assert results.keys == ["seed"]


@pytest.mark.parametrize("name", ["config.yaml", "metrics.json", "metrics.csv"])
def test_so_is_one_with_a_file_of_another_trial(made: Made, name: str) -> None:
    for seed in (1, 2):
        made.trial(f"{LR}=1e-4", f"seed={seed}", accuracy=0.7 + seed / 100)
    sealed(made)
    shutil.copy(made.path / "0" / name, made.path / "1" / name)
    assert [trial.status for trial in read(made.path).trials] == ["completed", "damaged"]


HEAD, ROW = "step,epoch,name,value,time\n", "5,0,val/accuracy,0.7,1.0\n"


@pytest.mark.parametrize(
    ("text", "best"), [("", None), ("step,epo", None), (HEAD, None), (HEAD + ROW + "6,0,va", 0.7)]
)
def test_a_curve_that_is_being_written_has_no_end(
    made: Made, text: str, best: float | None
) -> None:
    run = made.trial(status="running")
    (run / "metrics.csv").write_text(text)
    assert (only(made).status, only(made).best) == ("running", best)
    if text != HEAD:
        made.path.joinpath("0", "run.json").write_text(
            (run / "run.json").read_text().replace('"running"', '"stopped"')
        )
        assert (only(made).status, only(made).best) == ("damaged", None)


@pytest.mark.parametrize(
    "text", [ROW, HEAD + "5,0,val/acc\n" + ROW, HEAD + HEAD + ROW, HEAD + ROW.replace("7", "7\0")]
)
def test_no_other_curve_is_read_in_part(made: Made, text: str) -> None:
    run = made.trial(status="running")
    (run / "metrics.csv").write_text(text)
    assert (only(made).status, only(made).best) == ("damaged", None)


def test_single_runs_side_by_side_are_read_as_a_sweep(made: Made) -> None:
    run = made.trial("metric=val/loss", "seed=1")
    run.rename(made.path / "22-41-00")
    (made.path / "sweep.json").unlink()
    results = read(made.path)
    assert (results.metric, results.lower_is_better) == ("val/loss", True)
    assert [trial.name for trial in results.trials] == ["22-41-00"]


def test_a_result_is_seen_as_soon_as_it_is_there(made: Made) -> None:
    run = made.trial(accuracy=0.8)
    assert only(made).best == 0.8
    metrics = json.loads((run / "metrics.json").read_text())
    metrics["val"]["accuracy"] = 0.9
    (run / "metrics.json").write_text(json.dumps(metrics) + "\n")
    assert only(made).best == 0.9


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("swep", "no such directory. Did you mean 'sweep'?"),
        ("sweep/0", "is a run, not a sweep: its figures are in"),
        ("sweep/sweep.json", "not a directory"),
        ("empty", "is no sweep, no run lies in it: train -m makes one in multirun/"),
        (".", "is no sweep, no run lies in it: it holds sweeps: sweep"),
    ],
)
def test_what_is_no_sweep_is_said_in_a_line(tmp_path: Path, name: str, says: str) -> None:
    Made(tmp_path / "sweep").trial()
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=re.escape(says)) as error:
        read(tmp_path / name)
    assert "\n" not in str(error.value)


def test_a_damaged_sweep_json_is_said_in_a_line(made: Made) -> None:
    made.trial()
    (made.path / "sweep.json").write_text("{")
    with pytest.raises(UserError, match=r"sweep\.json is damaged"):
        read(made.path)


def test_fifty_trials_are_read_again_in_a_moment(made: Made) -> None:
    for seed in range(50):
        made.trial(f"seed={seed}")
    read(made.path)
    before = time.process_time()
    read(made.path)
    assert time.process_time() - before < 0.2


def test_reading_imports_no_library_that_is_slow() -> None:
    script = "import sys, imdb_cls.runs.results; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    slow = {"torch", "optuna", "matplotlib", "scipy", "pandas", "transformers", "hydra"}
    assert not slow & set(done.stdout.split())
