"""Optuna's search: what it draws, draws again, and learns from."""

import math
import statistics

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from optuna.trial import TrialState

from imdb_cls.config import SweepConfig
from imdb_cls.config.overrides import key_of
from imdb_cls.errors import UserError
from imdb_cls.runs.outcome import Outcome
from imdb_cls.sweeps.study import Study

SPACE = (
    "experiment=quickstart",
    "model.learning_rate=tag(log, interval(1e-5, 1e-3))",
    "model.dropout=interval(0, 1)",
    "data.batch_size=interval(8, 64)",
    "model.weight_decay=choice(0.0, 0.01)",
    "trainer.max_epochs=range(1, 6, 2)",
)


def study(
    *words: str, drawn: list[list[str]] | None = None, seed: int = 1, trials: int = 8
) -> Study:
    config = SweepConfig(search="optuna", trials=trials, startup_trials=3, seed=seed)
    parsed = OverridesParser.create().parse_overrides(list(words or SPACE))
    return Study(parsed, config, lower_is_better=False, drawn=drawn or [])


def values(trial: list[str]) -> dict[str, float]:
    return {o.split("=")[0]: float(o.split("=")[1]) for o in trial if "experiment" not in o}


def carry_out(
    search: Study, at_once: int = 1, upto: int = 99, fails_over: float = 5e-4
) -> list[list[str]]:
    """The best is a learning rate of 1e-4; where it is too high a trial fails."""
    all_trials: list[list[str]] = []
    while len(all_trials) < upto and (batch := search.ask(at_once)):
        for trial in batch:
            rate = values(trial)["model.learning_rate"]
            score = -abs(math.log(rate / 1e-4))
            search.tell(trial, _failed if rate > fails_over else Outcome("0", "completed", score))
        all_trials += batch
    return all_trials


_failed = Outcome("0", "failed", None, "too much")


def test_draws_lie_in_the_space_and_have_the_types_of_their_keys() -> None:
    trials = [values(trial) for trial in carry_out(study(trials=30))]
    assert all(1e-5 <= t["model.learning_rate"] <= 1e-3 for t in trials)
    # interval(0, 1) of a fraction is not 0 or 1.
    assert len({t["model.dropout"] for t in trials}) > 20
    assert {t["data.batch_size"] % 1 for t in trials} == {0.0}
    assert {t["model.weight_decay"] for t in trials} == {0.0, 0.01}
    assert {t["trainer.max_epochs"] for t in trials} == {1.0, 3.0, 5.0}


def test_a_trial_is_complete() -> None:
    (trial,) = study().ask(1)
    assert [key_of(o) for o in trial] == [key_of(o) for o in SPACE]


def test_the_same_seed_draws_the_same_and_another_draws_others() -> None:
    assert carry_out(study()) == carry_out(study())
    assert carry_out(study())[0] != carry_out(study(seed=2))[0]


def test_no_two_trials_are_alike() -> None:
    drawn = carry_out(study(trials=12))
    assert len({tuple(trial) for trial in drawn}) == 12


def test_a_study_that_was_killed_goes_on_with_the_same_trials() -> None:
    whole = carry_out(study())
    begun = carry_out(study(), upto=5)
    assert carry_out(study(drawn=begun)) == whole


def test_what_was_drawn_is_taken_though_a_failed_trial_now_succeeds() -> None:
    whole = carry_out(study(trials=20))
    again = study(trials=20, drawn=whole)
    taken = []
    while batch := again.ask(1):
        again.tell(batch[0], Outcome("0", "completed", 0.5))
        taken += batch
    assert taken == whole


def test_it_learns_where_it_is_good() -> None:
    early, late = [], []
    for seed in range(4):
        trials = carry_out(study(SPACE[1], trials=30, seed=seed), fails_over=1)
        far = [abs(math.log(values(trial)["model.learning_rate"] / 1e-4)) for trial in trials]
        early += far[:10]
        late += far[15:]
    assert statistics.mean(late) < 0.8 * statistics.mean(early)


def test_a_failed_trial_has_no_value_and_a_pruned_one_has_a_curve() -> None:
    search = study()
    outcomes = [_failed, Outcome("1", "pruned", curve=(0.5, 0.6)), Outcome("2", "completed", 0.7)]
    outcomes.append(Outcome("3", "completed", float("nan")))
    for outcome in outcomes:
        (trial,) = search.ask(1)
        search.tell(trial, outcome)
    found = [(t.state, t.value, t.intermediate_values) for t in search._study.trials]
    assert found == [
        (TrialState.FAIL, None, {}),
        (TrialState.PRUNED, 0.6, {1: 0.5, 2: 0.6}),
        (TrialState.COMPLETE, 0.7, {}),
        (TrialState.FAIL, None, {}),
    ]


def test_trials_at_once_come_in_batches_and_all_count() -> None:
    search = study(trials=5)
    sizes = []
    while batch := search.ask(2):
        sizes.append(len(batch))
        for trial in batch:
            search.tell(trial, Outcome("0", "completed", 0.5))
    assert sizes == [2, 2, 1]


def test_the_samples_to_check_have_both_ends_of_everything() -> None:
    samples = [values(trial) for trial in study().samples()]
    assert {s["model.learning_rate"] for s in samples} == {1e-5, 1e-3}
    assert {s["model.weight_decay"] for s in samples} == {0.0, 0.01}
    assert {s["trainer.max_epochs"] for s in samples} == {1.0, 5.0}


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("seed=1", "nothing to search"),
        ("model.dropout=interval(0.5, 0.1)", "its end must lie above"),
        ("model.learning_rate=tag(log, interval(0, 1))", "above 0"),
        ("seed=range(3, 1)", "no value"),
    ],
)
def test_a_space_that_cannot_be_searched_is_refused(word: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        study(word)
