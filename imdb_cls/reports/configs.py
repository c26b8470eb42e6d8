"""Configs as keys and values, and how one differs from the defaults."""

from typing import Any

from imdb_cls.runs.fingerprint import WITHOUT_EFFECT
from imdb_cls.runs.overrides import Overrides, comparable

# They follow from the name of what they are of.
_FOLLOW = ("sha256", "revision")


def effective(config: dict[str, Any]) -> Overrides:
    """Every key of a config.yaml with its value, but for those that change no result, and for
    hashes of what another key names."""
    return {
        key: value
        for key, value in _flat(config).items()
        if not key.endswith(_FOLLOW) and not _is_part_of(key, (*WITHOUT_EFFECT, "hydra"))
    }


def from_defaults(config: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """The keys in which a config.yaml differs from the defaults, its value and the default's."""
    theirs = effective(defaults())
    return [
        (key, value, theirs[key])
        for key, value in effective(config).items()
        if key in theirs and comparable(value) != comparable(theirs[key])
    ]


def defaults() -> dict[str, Any]:
    """The config of `python -m imdb_cls.train` without any words behind it."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from omegaconf import OmegaConf

    from imdb_cls.config import CONF_DIR

    # Hydra can be started once at a time, and at the end of a run it is.
    started = GlobalHydra.instance()
    running, started.hydra = started.hydra, None
    try:
        with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
            composed = OmegaConf.to_container(compose("train"), resolve=True)
    finally:
        started.hydra = running
    assert isinstance(composed, dict)
    return {str(key): value for key, value in composed.items()}


def _is_part_of(key: str, groups: tuple[str, ...]) -> bool:
    return any(key == group or key.startswith(f"{group}.") for group in groups)


def _flat(values: dict[str, Any], prefix: str = "") -> Overrides:
    found: Overrides = {}
    for key, value in values.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = str(value) if isinstance(value, list) else value
    return found
