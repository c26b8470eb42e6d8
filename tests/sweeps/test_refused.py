"""What is wrong with a sweep is one line, exit code 2, and nothing has started."""

from pathlib import Path

import pytest

from tests.support.called import call

CASES = {
    "a wrong metric": (["metric=val/acuracy", "seed=1,2"], "metric=val/acuracy: allowed are"),
    "an empty range": (["seed=range(5,1)"], "seed=range(5,1) holds no value"),
    "a sweep over the backend": (["+backend=sagemaker,other"], "+backend=sagemaker,other: backend"),
    "a sweep over its knobs": (
        ["+backend=sagemaker", "backend.instance_type=ml.g5.xlarge,ml.p3.2xlarge"],
        "backend.instance_type does not change",
    ),
    "a typo in a key": (["model.learnin_rate=1e-4,1e-3"], "Did you mean 'model.learning_rate'?"),
    "a wrong value in the last trial": (["seed=1,a"], "seed=a is not a whole number"),
    "a contradiction": (["model.warmup_steps=1,9999"], "is longer than the run"),
    "a typo in the search space": (
        ["sweep=optuna", "model.learnin_rate=interval(1e-4,1e-3)"],
        "Did you mean 'model.learning_rate'?",
    ),
    "a typo in an interval": (
        ["sweep=optuna", "model.dropout=intervall(0,0.5)"],
        "intervall",
    ),
    "an interval the wrong way round": (
        ["sweep=optuna", "model.dropout=interval(0.5,0.1)"],
        "model.dropout=interval(0.5,0.1) is empty",
    ),
    "an end that is out of range": (
        ["sweep=optuna", "model.dropout=interval(0.5,1.5)"],
        "model.dropout=1.5 must lie between",
    ),
    "a key that is gone": (
        ["sweep=optuna", "sweep.direction=maximize"],
        "sweep.direction is no key any more: `metric` says",
    ),
    "no trials": (["sweep=optuna", "sweep.trials=0"], "sweep.trials=0 must be at least 1"),
    "an unknown sweep": (["sweep=optunna"], "sweep=optunna: allowed are grid, optuna."),
    "an interval in a grid": (["model.dropout=interval(0,0.5)"], "sweep=optuna"),
    "resume": (["resume=outputs/a", "seed=1,2"], "a sweep goes on by itself"),
    "a launcher for jobs": (
        ["+backend=sagemaker", "backend.dry_run=true", "hydra/launcher=joblib", "seed=1,2"],
        "backend.max_parallel at once",
    ),
    "pruning of jobs": (
        ["+backend=sagemaker", "sweep.reduction_factor=3", "seed=1,2"],
        "sweep.reduction_factor=3: trials are pruned on this machine only",
    ),
    "one name for many jobs": (
        ["+backend=sagemaker", "backend.job_name=mine", "seed=1,2"],
        "backend.job_name=mine",
    ),
    "a search that does not wait": (
        ["+backend=sagemaker", "backend.wait=false", "sweep=optuna"],
        "a search learns from its trials",
    ),
    "a price that is too high": (
        ["+backend=sagemaker", "backend.max_cost=1", "seed=1,2,3"],
        "for each of 3 jobs: allow at least $1.92",
    ),
    "a name that would nest": (["hydra.sweep.subdir=a/b", "seed=1,2"], "hydra.sweep.subdir=a/b"),
}


@pytest.mark.parametrize("case", CASES)
def test_nothing_starts(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words, part = CASES[case]
    done = call("imdb_cls.train", "-m", "experiment=quickstart", "logger=none", *words)
    assert part in done.line
    assert done.out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_search_needs_m(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = call("imdb_cls.train", "experiment=quickstart", "sweep=optuna")
    assert "train -m sweep=optuna" in done.line
    assert done.out == ""
    assert list(tmp_path.iterdir()) == []
