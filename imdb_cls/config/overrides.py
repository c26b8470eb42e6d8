"""The key=value overrides of a Hydra command, as text."""

import re
from typing import cast

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Quote, QuotedString
from omegaconf import OmegaConf


def quoted(value: str) -> str:
    """A value with the quotes, if it needs any, that it must have behind key= for Hydra."""
    if re.fullmatch(r"[A-Za-z0-9/._-]+", value):
        return value
    return QuotedString(value, Quote.single).with_quotes()


def task_overrides() -> list[str]:
    """The overrides of the run that Hydra has begun, as typed: ${oc.env:…} may name a secret, so it
    is not resolved."""
    typed = OmegaConf.to_container(HydraConfig.get().overrides.task, resolve=False)
    return [str(override) for override in cast(list[str], typed)]


def key_of(override: str) -> str:
    """+model@net=distilbert → model@net"""
    return override.lstrip("+~").split("=")[0]


def group_of(override: str) -> str:
    """+backend.spot=true → backend"""
    return key_of(override).split(".")[0].split("@")[0]


def without_place(overrides: list[str]) -> list[str]:
    """Leaves out those of the backend and the sweep, which do not say what is trained."""
    return [o for o in overrides if group_of(o) not in ("backend", "sweep")]


def same_trial(one: list[str], other: list[str]) -> bool:
    """Whether two lists of overrides train the same, wherever they run."""
    return sorted(without_place(one)) == sorted(without_place(other))
