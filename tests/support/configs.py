"""The config of `python -m imdb_cls.train …`, without a process for it."""

import functools

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from imdb_cls.config import CONF_DIR, Config, parse
from imdb_cls.errors import UserError

GROUPS = ("data", "model", "trainer", "logger", "sweep", "experiment")


@functools.cache
def composed(*overrides: str) -> DictConfig:
    """What Hydra makes of conf/ and these overrides."""
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        return compose("train", list(overrides))


def parsed(*overrides: str) -> Config:
    """The same as typed dataclasses, checked. Hydra itself only sees group=option, which is faster
    where many values are tried."""
    choices = [o for o in overrides if o.partition("=")[0] in (*GROUPS, "+backend")]
    config = OmegaConf.create(composed(*choices))
    OmegaConf.set_struct(config, False)
    config.merge_with_dotlist([o for o in overrides if o not in choices])
    return parse(config)


def refused(*overrides: str) -> str:
    """The one line that refuses these overrides."""
    with pytest.raises(UserError) as error:
        parsed(*overrides)
    line = str(error.value)
    assert len(line.splitlines()) == 1
    return line
