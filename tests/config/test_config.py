"""conf/ and its schema say the same, and every option of it composes."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from imdb_cls.config import CONF_DIR, Config, known_keys, schema, steps
from tests.support.configs import GROUPS, parsed, refused

# What an option cannot do without.
NEEDS = {
    "data=files": ["data.train=my.csv"],
    "data=arrow": ["data.path=my_dataset"],
    "data=acl_imdb": ["data.path=aclImdb"],
}
# The file with a group's defaults, and the schema they are the defaults of.
BASES = {
    "train.yaml": Config,
    "data/base.yaml": schema.DataConfig,
    "model/base.yaml": schema.ModelConfig,
    "trainer/default.yaml": schema.TrainerConfig,
    "logger/wandb.yaml": schema.LoggerConfig,
    "logger/tensorboard.yaml": schema.LoggerConfig,
    "logger/mlflow.yaml": schema.LoggerConfig,
    "logger/cloudwatch.yaml": schema.LoggerConfig,
    "backend/sagemaker.yaml": schema.BackendConfig,
    "sweep/base.yaml": schema.SweepConfig,
}


def options(group: str) -> list[str]:
    names = sorted(path.stem for path in (CONF_DIR / group).glob("*.yaml"))
    return [f"{group}={name}" for name in names if name != "base"]


def test_every_group_has_options_and_is_tested_here() -> None:
    assert {path.name for path in CONF_DIR.iterdir() if path.is_dir()} == {*GROUPS, "backend"}
    assert all(options(group) for group in GROUPS)


@pytest.mark.parametrize(
    "option", ["+backend=sagemaker", *(option for group in GROUPS for option in options(group))]
)
def test_every_option_composes_and_is_valid(option: str) -> None:
    parsed(option, *NEEDS.get(option, []))


def test_a_base_is_no_option_by_itself() -> None:
    assert "data.source has no value" in refused("data=base")
    assert "model." in refused("model=base")


@pytest.mark.parametrize("source", ["imdb", "imdb_packaged"])
@pytest.mark.parametrize("experiment", options("experiment"))
def test_every_experiment_takes_either_data_source(experiment: str, source: str) -> None:
    config = parsed(experiment, f"data={source}")
    assert config.data.source == {"imdb": "hub", "imdb_packaged": "packaged"}[source]


@pytest.mark.parametrize("model", options("model"))
@pytest.mark.parametrize("experiment", options("experiment"))
def test_every_experiment_takes_every_model(experiment: str, model: str) -> None:
    source = {"distilbert": "hub", "distilbert_minilm": "packaged"}[model.removeprefix("model=")]
    assert parsed(experiment, model).model.pretrained.source == source


def test_several_loggers_at_once() -> None:
    logger = parsed("logger=[wandb,tensorboard]").logger
    assert logger.wandb == schema.WandbConfig()
    assert logger.tensorboard == schema.TensorBoardConfig()
    assert parsed("logger=none").logger == schema.LoggerConfig()


def test_the_original_experiment_is_the_originals_protocol() -> None:
    config = parsed("experiment=original")
    sizes = (config.data.train_size, config.data.test_size, config.data.batch_size)
    assert sizes == (5000, 5000, 32)
    assert (config.model.learning_rate, config.trainer.max_epochs) == (5e-5, 3)
    assert steps.training_steps(config, 5000) == 471
    # 500 steps of warm-up in 471: the rate rose to the end.
    assert steps.warmup_steps(config, 5000) == 471


def test_numbers_are_numbers_however_yaml_writes_them() -> None:
    config = parsed()
    assert config.model.learning_rate == 5e-5
    assert isinstance(config.model.learning_rate, float)
    assert isinstance(config.trainer.gradient_clip_val, float)
    assert config.data.seed == config.seed == 1
    assert parsed("seed=7").data.seed == 7
    assert parsed("seed=7", "data.seed=3").data.seed == 3


def flattened(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from flattened(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def in_file(path: Path) -> dict[str, Any]:
    """A file's keys as a user types them, with the values written in it."""
    values = yaml.safe_load(path.read_text()) or {}
    values.pop("defaults", None)
    values.pop("hydra", None)
    group = path.parent.name in {*GROUPS, "backend"}
    everywhere = path.read_text().startswith("# @package _global_")
    package = path.parent.name if group and not everywhere else ""
    return dict(flattened(values, f"{package}." if package else ""))


def test_every_key_in_conf_is_in_the_schema() -> None:
    known = set(known_keys())
    # instances.yaml is no config but a table of prices; endpoint.yaml and batch.yaml have schemas
    # of their own (tests/launch).
    others = {CONF_DIR / name for name in ("instances.yaml", "endpoint.yaml", "batch.yaml")}
    for path in set(CONF_DIR.rglob("*.yaml")) - others:
        assert set(in_file(path)) <= known, path


def test_every_key_of_the_schema_is_in_conf() -> None:
    known = set(known_keys())
    leaves = {key for key in known if not any(other.startswith(f"{key}.") for other in known)}
    assert len(leaves) > 50
    assert leaves <= {key for path in CONF_DIR.rglob("*.yaml") for key in in_file(path)}


def defaults(kind: type, prefix: str) -> Iterator[tuple[str, Any]]:
    """The schema's defaults; ??? stands for a missing one."""
    for item in dataclasses.fields(kind):
        factory = item.default_factory
        value = item.default if factory is dataclasses.MISSING else factory()
        nested = [t for t in getattr(item.type, "__args__", ()) if dataclasses.is_dataclass(t)]
        if nested and prefix == "logger.":
            value = nested[0]()
        if dataclasses.is_dataclass(value):
            yield from defaults(type(value), f"{prefix}{item.name}.")
        else:
            yield prefix + item.name, value


@pytest.mark.parametrize("name", BASES)
def test_the_schemas_defaults_are_confs(name: str) -> None:
    group = name.partition("/")[0] + "." if "/" in name else ""
    in_schema = dict(defaults(BASES[name], group))
    written = {
        key: value
        for key, value in in_file(CONF_DIR / name).items()
        if not str(value).startswith("${") and not key.startswith("reference.")
    }
    assert written
    assert written == {key: in_schema[key] for key in written}


def test_the_cache_is_in_the_home_directory_unless_the_environment_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("IMDB_CLS_CACHE", raising=False)
    assert parsed().cache_dir == str(Path(Config().cache_dir).expanduser())
    monkeypatch.setenv("IMDB_CLS_CACHE", "/elsewhere")
    assert parsed().cache_dir == "/elsewhere"
