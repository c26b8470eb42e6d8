"""The figures of the project that this one re-implements."""

from typing import Any

from imdb_cls.config import CONF_DIR
from imdb_cls.runs.predictions import Interval, wilson_interval
from imdb_cls.runs.records import yaml_of

# The number of its test reviews.
_SAMPLES = 5000


def original() -> dict[str, Any]:
    """`reference` of conf/train.yaml; empty if it has none."""
    return (yaml_of(CONF_DIR / "train.yaml") or {}).get("reference") or {}


def interval(accuracy: float) -> Interval:
    """The 95 % interval of the original's accuracy."""
    return wilson_interval(round(accuracy * _SAMPLES), _SAMPLES)
