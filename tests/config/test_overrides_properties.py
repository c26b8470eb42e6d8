"""Whatever is typed behind key=: it is what the run gets, or one line says what is wrong."""

import copy
import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hypothesis import assume, example, given
from hypothesis import strategies as st
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from imdb_cls.cli import explain
from imdb_cls.config import Config, known_keys, parse
from imdb_cls.config.overrides import readable
from imdb_cls.errors import UserError, as_user_error
from imdb_cls.runs.run import Run, to_yaml
from tests.support.anything import TEXTS, VALUES, few, refusal
from tests.support.configs import GROUPS, composed
from tests.support.records import INFO

# Their other parts decide which keys there are.
BASE = ("data=files", "data.train=reviews.csv", "logger=wandb", "+backend=sagemaker")
KEYS = sorted(set(known_keys()) - {"resume", "container", *GROUPS, "backend"})


def typed(*words: str) -> Config:
    """The config of a command with these words behind BASE, as Hydra makes it, which takes half a
    second for what this takes milliseconds."""
    overrides = OverridesParser.create().parse_overrides(readable(list(words)))
    config = copy.deepcopy(composed(*BASE))
    try:
        ConfigLoaderImpl._apply_overrides_to_config(overrides, config)
        return parse(config)
    except (HydraException, OmegaConfBaseException) as error:
        raise as_user_error(error) or UserError(explain(error)) from error


NAMES = st.text(
    st.characters(exclude_characters="/\x00", exclude_categories=["Cs"]), min_size=1, max_size=30
) | st.text(",[]{}()'\"\\=#$:~ a1.é", min_size=1, max_size=12)


@given(NAMES, st.sampled_from(["data.train", "model.pretrained.name", "data.path"]))
@example("\\", "data.train")
@example("0.", "data.train")
@example("1_0", "data.train")
@example("true", "data.train")
@example("NULL", "data.train")
def test_the_name_of_a_file_that_is_there_is_read_as_it_is(name: str, key: str) -> None:
    assume(name not in (".", "..", "null") and len(name.encode()) < 256 and "${" not in name)
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        Path(name).touch()
        (word,) = readable([f"{key}={name}"])
        config = OmegaConf.create({})
        ConfigLoaderImpl._apply_overrides_to_config(
            OverridesParser.create().parse_overrides([f"++{word}"]), config
        )
        assert OmegaConf.select(config, key) == name or str(OmegaConf.select(config, key)) == name
        assert readable([word]) == [word]


@few
@given(st.sampled_from(KEYS), VALUES)
@example("model.warmup_ratio", "1" * 400)
@example("data.train_size", "1" * 400)
@example("reference", "${oc.env:HOME}")
@example("data.text", "${data.text}")
@example("data.text", r"\${seed}")
def test_any_value_of_any_key_is_taken_or_refused(key: str, value: str) -> None:
    said = refusal(lambda: typed(f"{key}={value}"))
    assert said is None or len(said) < 3000


@few
@given(st.sampled_from(KEYS), VALUES)
def test_a_run_has_the_config_of_its_command(key: str, value: str) -> None:
    try:
        config = typed(f"{key}={value}")
    except UserError:
        return
    with tempfile.TemporaryDirectory() as directory:
        run = Run(directory)
        run.config_file.write_text(to_yaml(config), encoding="utf-8")
        run.record_file.write_text(json.dumps(INFO))
        assert values(run.config()) == values(config)


def values(config: Config) -> Any:
    """What a run's record keeps of its config, NaN being equal to itself."""
    kept = {**asdict(config), "backend": None, "sweep": None, "resume": None}
    return repr(kept)


@few
@given(st.sampled_from(KEYS), VALUES)
@example("data.text", "1e5")
@example("logger.wandb.name", "'1e5'")
@example("data.text", "12:30")
@example("logger.wandb.name", "2026-01-01")
def test_hydra_composes_the_config_of_a_run_again(key: str, value: str) -> None:
    try:
        config = typed(f"{key}={value}")
    except UserError:
        return
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "config.yaml").write_text(to_yaml(config), encoding="utf-8")
        with initialize_config_dir(directory, version_base="1.3"):
            assert values(parse(compose("config"))) == values(config)


@given(st.lists(TEXTS | NAMES | st.tuples(st.sampled_from(KEYS), VALUES).map("=".join), max_size=3))
def test_any_words_are_read_or_refused(words: list[str]) -> None:
    if refusal(lambda: readable(words)) is None:
        again = readable(words)
        assert readable(again) == again


@few
@given(
    st.sampled_from(["data.text", "logger.wandb.name", "backend.tags.a"]),
    st.floats() | st.integers(),
)
@example("data.text", 1e5)
def test_a_text_that_looks_like_a_number_stays_as_it_is(key: str, number: float) -> None:
    for value in {str(number), f"{number:+}", f"{number:e}", f"{number:.3f}", f"0{number}"}:
        found: Any = typed(f"{key}={value}")
        for part in key.split("."):
            found = found[part] if isinstance(found, dict) else getattr(found, part)
        assert found == value
