"""Configs as keys and values, and how one differs from the defaults."""

from typing import Any

from imdb_cls.runs.fingerprint import WITHOUT_EFFECT
from imdb_cls.runs.overrides import Overrides, Value, comparable

_LEFT_OUT = tuple(f"{key}." for key in (*WITHOUT_EFFECT, "hydra"))
# These keys follow from the name of the weights or of the reviews.
_FOLLOW = ("sha256", "revision")


def effective(config: dict[str, Any], group: str = "") -> Overrides:
    """The keys of a config.yaml, or of a `group` of it, that can change a result, with their
    values. Hashes of what another key names are left out."""
    found: Overrides = {}
    for name, value in config.items():
        key = group + name
        if f"{key}.".startswith(_LEFT_OUT):
            continue
        if isinstance(value, dict):
            found |= effective(value, f"{key}.")
        elif not key.endswith(_FOLLOW):
            found[key] = str(value) if isinstance(value, list) else value
    return found


def from_defaults(config: dict[str, Any]) -> list[tuple[str, Value, Value]]:
    """The keys in which a config.yaml differs from the defaults, its value and the default's."""
    theirs = effective(_defaults())
    return [
        (key, value, theirs[key])
        for key, value in effective(config).items()
        if key in theirs and comparable(value) != comparable(theirs[key])
    ]


def _defaults() -> dict[str, Any]:
    """The config of `python -m imdb_cls.train` without any words behind it."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from omegaconf import OmegaConf

    from imdb_cls.config import CONF_DIR

    # Only one Hydra can be initialized at a time, and at the end of a run one still is.
    instance = GlobalHydra.instance()
    running, instance.hydra = instance.hydra, None
    try:
        with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
            composed: Any = OmegaConf.to_container(compose("train"), resolve=True)
    finally:
        instance.hydra = running
    return dict(composed)
