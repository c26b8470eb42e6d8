"""Reads a composed config into the typed dataclasses of the schema."""

import contextlib
import functools
import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, cast, get_args, get_origin

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from imdb_cls.config.checks import check_config
from imdb_cls.config.schema import Config
from imdb_cls.errors import UserError, nearest, one_line, translated

T = TypeVar("T")
_structured = functools.cache(OmegaConf.structured)

_PACKAGE = Path(__file__).parents[1]
# Installed, conf/ lies inside the package; in a checkout, beside it.
CONF_DIR = _PACKAGE / "conf" if (_PACKAGE / "conf").is_dir() else _PACKAGE.parent / "conf"

# Keys of earlier versions, and why they are gone.
_REMOVED = {
    "sweep.direction": "`metric` says whether more or less of it is better",
    "backend.name": "+backend=sagemaker names it",
}


def unknown_key(key: str) -> str:
    """Why a key that the schema does not have is refused."""
    if key in _REMOVED:
        return f"{key} is no key any more: {_REMOVED[key]}: leave it out."
    return f"unknown key '{key}'.{nearest(key, known_keys())}"


def known_keys(schema: Any = Config, prefix: str = "") -> dict[str, Any]:
    """Every key of the schema with its dots (data, data.source, …), and its type."""
    keys = {}
    for item in fields(schema):
        keys[prefix + item.name] = item.type
        for kind in (item.type, *get_args(item.type)):
            if is_dataclass(kind):
                keys |= known_keys(kind, f"{prefix}{item.name}.")
    return keys


def with_type(schema: type[T], composed: Any) -> T:
    """A part of a composed config as a dataclass, its values not checked by any rule. Raises
    OmegaConfBaseException for a wrong type, and UserError for what would become another text."""
    if OmegaConf.is_config(composed):
        composed = OmegaConf.to_container(composed, resolve=True)
    _check_texts(schema, composed)
    with translated("a number is too large", OverflowError):
        merged = OmegaConf.merge(_structured(cast(Any, schema)), composed)
    return cast(T, OmegaConf.to_object(merged))


def _check_texts(schema: Any, values: Any) -> None:
    """Refuses 1.10 where a text is wanted: it would be "1.1"; and ${, which a run's config.yaml
    cannot have."""
    for key, kind in known_keys(schema).items():
        value = values
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        is_text = kind in (str, str | None, dict[str, str])
        of_user = isinstance(value, dict) and get_origin(kind) is dict
        for one in value.values() if of_user else [value]:
            if is_text and isinstance(one, bool | float):
                raise UserError(f"{key}={value}: {one} is no text: write it in quotes")
            if "${" in str(one) and not isinstance(one, dict):
                raise UserError(f"{key}={one}: a value with ${{ in it cannot be recorded")


def parse(composed: DictConfig) -> Config:
    """A composed config as typed dataclasses, checked. Raises UserError for an unknown key, a wrong
    type, a missing or a contradictory value."""
    config = typed(Config, composed)
    check_config(config)
    _make_absolute(config)
    return config


def typed(schema: type[T], composed: DictConfig) -> T:
    """A composed config as a dataclass, its values not compared with each other yet. Raises
    UserError for an unknown key, a wrong type or a missing value."""
    try:
        # What is set to ??? would silently have the schema's default.
        for key in sorted(OmegaConf.missing_keys(composed)):
            raise UserError(f"{key} has no value: set {key}=…")
        return with_type(schema, composed)
    except OmegaConfBaseException as error:
        raise UserError(_explain(error, composed)) from None


def _make_absolute(config: Config) -> None:
    """Makes paths hold from any directory: a run is also read and repeated from elsewhere."""
    data, weights = config.data, config.model.pretrained
    paths: list[tuple[Any, str]] = [(data, "path"), (data, "splits"), (weights, "path")]
    if weights.source == "local":
        paths.append((weights, "name"))
    for part, name in paths:
        path = getattr(part, name)
        setattr(part, name, _absolute(path) if path else None)
    for name in ("train", "val", "test"):
        setattr(data, name, _named(getattr(data, name), data.source == "files"))
    config.cache_dir = _absolute(config.cache_dir)


def _named(value: Any, is_path: bool) -> Any:
    """One name or a list of some. A name that looks like a number is one to Hydra."""
    if value is None or isinstance(value, list):
        return value and [_named(name, is_path) for name in value]
    return _absolute(str(value)) if is_path else str(value)


def _absolute(path: str) -> str:
    return path if "://" in path else str(Path(path).expanduser().absolute())


def _explain(error: OmegaConfBaseException, composed: DictConfig) -> str:
    """An error of OmegaConf in plainer words, if we have them."""
    key = error.full_key or ""
    message = one_line(error).split(" full_key:")[0]
    if "not in" in message and "Key" in message:
        return unknown_key(key)
    if "Missing" in message or "missing" in message:
        return f"{key} has no value: set {key}=…"
    value = None
    with contextlib.suppress(OmegaConfBaseException):  # it may be what cannot be resolved
        value = OmegaConf.select(composed, key, throw_on_missing=False) if key else None
    wanted = re.search(r"(?:could not be converted to|is not a valid) (\w+)", message)
    if wanted:
        kind = {"Integer": "a whole number", "Float": "a number", "bool": "true or false"}
        return f"{key}={value} is not {kind.get(wanted[1], wanted[1])}"
    return f"{key}={value}: {message}" if key else message
