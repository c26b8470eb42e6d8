"""What is wrong with a request, in one line."""

import json
from collections.abc import Sequence
from typing import Any

KINDS = {bool: "a boolean", int: "a number", float: "a number", type(None): "null"}
KINDS |= {str: "a text", list: "a list", dict: "an object"}


class BadRequest(ValueError):
    """Says on one line what is wrong with a request, where, and what is allowed."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


def check_object(values: Any, where: str, wanted: str, allowed: Sequence[str]) -> None:
    """Raises BadRequest for what is no object, and for a key that is not allowed."""
    if not isinstance(values, dict):
        raise BadRequest(400, f"{where}: {KINDS[type(values)]}, not {wanted}")
    for name in values:
        if name not in allowed:
            known = f"{', '.join(allowed[:-1])} and {allowed[-1]}"
            raise BadRequest(400, f"{where}: unknown key {quoted(name)}: allowed are {known}")


def shown(value: Any) -> str:
    """A value as it is if it is short, else its kind."""
    if isinstance(value, str):
        return f"the text {quoted(value)}"
    return KINDS[type(value)] if isinstance(value, (list, dict)) else json.dumps(value)[:20]


def quoted(text: str) -> str:
    """A text in quotes, in ASCII, cut if it is long in JSON, which doubles every backslash."""
    said = ascii(text)[1:-1]
    return f"'{said}'" if len(json.dumps(said)) <= 60 else f"'{said[:24]}...'"
