"""Whatever is typed behind resume=…: the run's own config with it, or one line."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from imdb_cls.config import known_keys
from imdb_cls.config.overrides import readable
from imdb_cls.runs.run import Run
from imdb_cls.training.resume import resumed_config
from tests.support.anything import TEXTS, VALUES, few, refusal
from tests.support.made_sweeps import Made

KEYS = sorted(key for key in known_keys() if key.startswith(("trainer.", "logger.", "cache_dir")))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run(Made(tmp_path_factory.mktemp("made") / "sweep").trial("seed=1"))


@few
@given(st.sampled_from(KEYS), st.sampled_from(["", "+", "++"]), VALUES)
@example("logger.wandb.name", "", "it's [a]")
@example("logger.wandb.name", "", "a: b")
@example("trainer.devices", "", "[0,1]")
@example("trainer.max_epochs", "", "1" * 400)
@example("logger.wandb", "", "[1]")
def test_any_change_of_a_resumed_run_is_taken_or_refused(
    run: Run, key: str, plus: str, value: str
) -> None:
    words: list[str] = []
    if refusal(lambda: words.extend(readable([f"{plus}{key}={value}"]))) is None:
        refusal(lambda: resumed_config(run, words))


@given(st.lists(TEXTS | st.tuples(st.sampled_from(KEYS), TEXTS).map(" ".join), max_size=3))
@example(["trainer.=1"])
@example(["trainer..max_epochs=9"])
@example(["~logger.wandb"])
def test_any_words_are_taken_or_refused(run: Run, words: list[str]) -> None:
    read: list[str] = []
    if refusal(lambda: read.extend(readable(words))) is None:
        refusal(lambda: resumed_config(run, read))


@few
@given(TEXTS)
@example("it's [a]")
@example("a: b")
def test_a_text_is_taken_as_it_is(run: Run, name: str) -> None:
    found: list[Any] = []
    (word,) = readable([f"logger.wandb.name=x{name}"])
    if refusal(lambda: found.append(resumed_config(run, [word])[0])) is None and "\\" not in name:
        assert found[0].logger.wandb.name == f"x{name}"
