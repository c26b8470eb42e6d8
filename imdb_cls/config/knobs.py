"""A knob of a config: its default, and the rules that its value must keep to."""

import math
import re
from collections.abc import Callable
from dataclasses import field, fields, is_dataclass
from functools import partial
from typing import Any

from imdb_cls.errors import UserError, nearest

_MOST = 2.0**63

Rule = Callable[[Any], str | None]
"""Gives what is wrong with a value, as it is to follow key=value in an error; else None."""


def knob(default: Any, *rules: Rule) -> Any:
    """A field of a dataclass whose value must keep to these rules."""
    return field(default=default, metadata={"rules": rules})


def check_knobs(config: Any, key: Callable[[str], str] = str) -> None:
    """Checks the knobs of a dataclass, then of those in it, which may have the former as defaults:
    data.seed is ${seed}. Raises UserError for the first value that breaks a rule. `key` gives the
    name of a field as a user writes it."""
    values = {item: getattr(config, item.name) for item in fields(config)}
    for item, value in values.items():
        check_value(key(item.name), value, *item.metadata.get("rules", ()))
    for item, value in values.items():
        if is_dataclass(value):
            check_knobs(value, partial("{}.{}".format, key(item.name)))


def check_value(key: str, value: Any, *rules: Rule) -> None:
    """Raises UserError for a value that breaks a rule. None is no value, and breaks none."""
    for rule in rules:
        if value is not None and (wrong := rule(value)):
            raise UserError(f"{key}={value}{wrong}")


def one_of(*allowed: str) -> Rule:
    said = f": allowed are {', '.join(allowed)}."
    return lambda value: None if value in allowed else said + nearest(value, allowed)


def at_least(low: float) -> Rule:
    """And below 2**63: more is no number of anything, and overflows what it is multiplied with."""
    said, most = f" must be at least {low}", f" must be below {_MOST:g}"
    return lambda value: None if low <= value < _MOST else most if value >= _MOST else said


def above_zero(value: float) -> str | None:
    return None if 0 < value < math.inf else " must be a number above 0"


def between(low: float, high: float, why: str = "") -> Rule:
    """`why` says what is wrong with a number above `high`."""
    said = f" must lie between {low} and {high}"
    because = f"{said}: {why}" if why else said
    return lambda value: None if low <= value <= high else because if value > high else said


def matching(pattern: str, wrong: str) -> Rule:
    """Allows an empty text, too. `wrong` says what is wrong with one that does not match."""
    return lambda value: None if not value or re.fullmatch(pattern, value) else wrong


def names(most: int) -> Rule:
    """Allows a name, or a list of up to `most` different ones."""

    def rule(value: Any) -> str | None:
        found = value if isinstance(value, list) else [value]
        if not found or not all(isinstance(name, str) and name for name in found):
            return " is no name, nor a list of names"
        if twice := next((name for name in found if found.count(name) > 1), None):
            return f" names {twice} twice"
        return f" names {len(found)}: allowed are up to {most}" if len(found) > most else None

    return rule


def paths(value: Any) -> str | None:
    """Allows a path or a list of some. A number, as Hydra reads it, is a path too."""
    found = value if isinstance(value, list) else [value]
    valid = [path for path in found if type(path) in (str, int) and path != ""]
    return None if found and valid == found else " is no path, nor a list of paths"
