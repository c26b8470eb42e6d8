"""The grid: Hydra's values in Hydra's order, and what no sweep may vary."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from imdb_cls.errors import UserError
from imdb_cls.sweeps.search import Grid, check_keys


def grid(*words: str) -> Grid:
    return Grid(OverridesParser.create().parse_overrides(list(words)))


def test_every_combination_comes_once_and_the_last_key_varies_fastest() -> None:
    assert grid("experiment=quickstart", "model.learning_rate=1e-4,3e-4", "seed=1,2,1").trials == [
        ["experiment=quickstart", "model.learning_rate=0.0001", "seed=1"],
        ["experiment=quickstart", "model.learning_rate=0.0001", "seed=2"],
        ["experiment=quickstart", "model.learning_rate=0.0003", "seed=1"],
        ["experiment=quickstart", "model.learning_rate=0.0003", "seed=2"],
    ]


def test_ranges_and_group_choices_are_hydras() -> None:
    assert grid("seed=range(1,4)").trials == [["seed=1"], ["seed=2"], ["seed=3"]]
    assert [t[0] for t in grid("+backend=sagemaker", "model=distilbert,other").trials] == [
        "+backend=sagemaker"
    ] * 2


def test_a_value_keeps_its_quotes_and_a_deletion_stays_one() -> None:
    (trial,) = grid("data.text='my, column'", "~reference").trials
    assert trial == ["data.text='my, column'", "~reference"]


def test_a_sweep_of_one_trial_is_one() -> None:
    search = grid("seed=3")
    assert (search.total, search.ask(1), search.ask(1)) == (1, [["seed=3"]], [])


def test_a_label_is_what_varies_with_four_digits() -> None:
    search = grid("logger=none", "model.learning_rate=0.00012345678,1e-4", "seed=1,2")
    assert search.label(search.trials[0]) == "model.learning_rate=0.0001235 seed=1"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["seed=range(5,1)"], "seed=range(5,1) holds no value"),
        (["model.dropout=interval(0,0.5)"], "sweep=optuna"),
    ],
)
def test_what_gives_no_trials_is_refused(words: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said.replace("(", r"\(").replace(")", r"\)")):
        grid(*words)


@pytest.mark.parametrize(
    "word",
    [
        "+backend=sagemaker,other",
        "backend.instance_type=ml.g5.xlarge,ml.p3.2xlarge",
        "logger=wandb,none",
        "trainer.progress=bar,lines",
        "sweep.trials=1,2",
        "metric=val/loss,val/accuracy",
        "resume=multirun/a",
    ],
)
def test_what_changes_no_result_is_not_swept_over(word: str) -> None:
    with pytest.raises(UserError, match=word.split("=")[0].strip("+")):
        check_keys(OverridesParser.create().parse_overrides([word]))
