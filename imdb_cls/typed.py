"""JSON files as dataclasses: every value has the type of its field, or the file is refused."""

import functools
import json
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

from imdb_cls.errors import UserError, one_line
from imdb_cls.storage import read_file

T = TypeVar("T")
_hints = functools.cache(get_type_hints)
# No number of ours is as large. NaN and infinity lie outside, too.
_MOST = 2.0**63
_SAID: dict[Any, str] = {
    **{str: "a text", int: "a whole number", float: "a number", bool: "true or false"},
    **{list: "a list", dict: "an object"},
}


def read_object(path: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises UserError if there is none, or the file is damaged."""
    try:
        content = json.loads(read_file(path).decode())
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged: {one_line(error, 100)}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path} is damaged: it is no JSON object")
    return content


def filled(schema: type[T], values: Mapping[str, Any], where: object, partial: bool = False) -> T:
    """A dataclass with the values of a JSON object. Keys that it does not have are left out. If it
    is `partial`, a field without a default may be missing; it is None then. Raises UserError, which
    names the file (`where`), if a value is missing or of another type."""
    found: dict[str, Any] = {}
    for item in fields(cast(Any, schema)):
        value = values.get(item.name)
        if value is not None:
            kind = _hints(cast(Any, schema))[item.name]
            found[item.name] = _converted(value, kind, f"{where}: {item.name}", partial)
        elif item.default is MISSING and item.default_factory is MISSING:
            if not partial:
                raise UserError(f"{where} is damaged: it lacks {item.name}")
            found[item.name] = None
    return schema(**found)


def _converted(value: Any, kind: Any, where: str, partial: bool) -> Any:
    if isinstance(kind, types.UnionType):
        if value is None:
            return None
        (kind,) = (option for option in get_args(kind) if option is not types.NoneType)
    plain, inner = get_origin(kind) or kind, get_args(kind)
    if is_dataclass(plain) and isinstance(value, dict):
        return filled(cast(Any, plain), value, where, partial)
    if plain is Any:
        return value
    if plain is list and isinstance(value, list):
        return [_converted(v, inner[0], f"{where}[{n}]", partial) for n, v in enumerate(value)]
    if plain is dict and isinstance(value, dict):
        return {k: _converted(v, inner[1], f"{where}.{k}", partial) for k, v in value.items()}
    allowed = (int, float) if plain is float else (plain,)
    # Not isinstance: true is no number.
    right = plain in (str, int, float, bool) and type(value) in allowed
    if not right or (plain in (int, float) and not -_MOST < value < _MOST):
        said = _SAID.get(plain, "an object")
        raise UserError(f"{where}={one_line(repr(value), 60)} is not {said}: the file is damaged")
    return float(value) if plain is float else value
