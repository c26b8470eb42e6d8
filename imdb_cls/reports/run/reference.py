"""The figures of the project that this one re-implements."""

import contextlib
from typing import Any

import yaml

from imdb_cls.config import CONF_DIR
from imdb_cls.model.metrics import wilson_interval
from imdb_cls.reports.run.predictions import Interval

# The number of its test reviews.
_SAMPLES = 5000


def original() -> dict[str, Any]:
    """`reference` of conf/train.yaml; empty if it has none."""
    with contextlib.suppress(OSError, KeyError, TypeError, yaml.YAMLError):
        content = yaml.safe_load((CONF_DIR / "train.yaml").read_text(encoding="utf-8"))
        return dict(content["reference"])
    return {}


def interval(accuracy: float) -> Interval:
    """The 95 % interval of the original's accuracy."""
    return wilson_interval(round(accuracy * _SAMPLES), _SAMPLES)
