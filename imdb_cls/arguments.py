"""key=value arguments of the commands that read a run, beside free text."""

import re
import sys
from dataclasses import MISSING, fields
from typing import Any, TypeVar

from imdb_cls.errors import UserError, nearest

T = TypeVar("T")


def parse(schema: type[T], arguments: list[str], usage: str, free: str | None = None) -> T:
    """Fills the dataclass `schema` with its key=value arguments; everything else, and all that
    stands behind `--`, goes into its list field `free`.

    Raises:
        UserError: an unknown key, a value of the wrong type, a key without a value.
    """
    if any(argument in ("-h", "--help") for argument in arguments):
        print(usage.strip())
        sys.exit(0)
    known = {item.name: item for item in fields(schema) if item.name != free}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    rest: list[str] = []
    for position, argument in enumerate(arguments):
        if argument == "--" and free:
            rest += arguments[position + 1 :]
            break
        key, equals, value = argument.partition("=")
        if equals and key in known:
            values[key] = _typed(key, value, known[key].type)
        elif free and not re.fullmatch(r"-{0,2}[A-Za-z_.-]+=\S*", argument):
            rest.append(argument)
        else:
            behind = " Put texts that look like this behind --" if free else ""
            raise UserError(
                f"unknown argument '{argument}': allowed are {', '.join(f'{k}=' for k in known)}."
                f"{nearest(key.lstrip('-').replace('-', '_'), known)}{behind}"
            )
    for key, item in known.items():
        if key not in values and item.default is MISSING and item.default_factory is MISSING:
            raise UserError(f"{key}=… is missing. {usage.strip().splitlines()[0]}")
    return schema(**values, **({free: rest} if free else {}))


def _typed(key: str, value: str, kind: Any) -> Any:
    if not value:
        raise UserError(f"{key}= has no value")
    if kind in (int, int | None):
        if not value.isdecimal() or int(value) < 1:
            raise UserError(f"{key}={value} is not a whole number from 1")
        return int(value)
    return value
