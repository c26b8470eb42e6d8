"""The knobs that an endpoint and a batch job share, and how any of them is given."""

import re
from dataclasses import fields, replace
from typing import Any, TypeVar, cast

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from imdb_cls.config import CONF_DIR, AwsConfig
from imdb_cls.errors import UserError, nearest, one_line

T = TypeVar("T")
C = TypeVar("C", bound=AwsConfig)

# As OmegaConf has them.
_KINDS = {"Integer": "a whole number", "Float": "a number", "bool": "true or false"}


def merged(schema: type[T], file: str | None, given: list[str]) -> T:
    """A dataclass of knobs: its defaults, a file of conf/ over them, and the key=value words of a
    command over that; its values not compared with each other yet.

    Raises:
        UserError: an unknown key, a value of the wrong type.
    """
    known = [item.name for item in fields(cast(Any, schema))]
    for word in given:
        key, _, value = word.partition("=")
        if key.partition(".")[0] not in known:
            where = f": conf/{file} has" if file else ": allowed are"
            raise UserError(f"unknown key '{key}'{where} {', '.join(known)}.{nearest(key, known)}")
        if not value:
            raise UserError(f"{key}= has no value")
    try:
        base = OmegaConf.structured(schema)
        if file:
            base = OmegaConf.merge(base, OmegaConf.load(CONF_DIR / file))
        for word in given:
            base = OmegaConf.merge(base, OmegaConf.from_dotlist([word]))
        OmegaConf.resolve(base)
        return cast(T, OmegaConf.to_object(base))
    except OmegaConfBaseException as error:
        raise UserError(_explained(error)) from None


def _explained(error: OmegaConfBaseException) -> str:
    said, key = one_line(error).split(" full_key:")[0], error.full_key or "a key"
    wanted = re.search(r"Value '(.*?)' .*could not be converted to (\w+)", said)
    wanted = wanted or re.search(r"Value '(.*?)' is not a valid (\w+)", said)
    return f"{key}={wanted[1]} is not {_KINDS.get(wanted[2], wanted[2])}" if wanted else said


def rehearsed(options: C) -> C:
    """The same with what an account would have, and shorter pauses."""
    return replace(
        options,
        role=options.role or "arn:aws:iam::123456789012:role/rehearsal",
        bucket=options.bucket or "rehearsal",
        region=options.region or "us-east-1",
        poll_seconds=min(options.poll_seconds, 0.2),
    )
