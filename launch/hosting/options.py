"""What the commands of endpoints and batch jobs share: their words, and how they end."""

from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar, cast

from omegaconf import OmegaConf

from imdb_cls import cli
from imdb_cls.config import CONF_DIR, typed
from imdb_cls.config.overrides import applied, readable
from imdb_cls.errors import UserError, nearest
from imdb_cls.storage import write_json
from imdb_cls.terminal import Screen

T = TypeVar("T")


def carry_out(run: Callable[[list[str]], None], words: list[str], usage: str) -> None:
    """Runs a command with its words, or shows its usage. A user's error is one line."""
    ours = words[: words.index("--")] if "--" in words else words
    with cli.one_line_errors():
        if any(word in ("-h", "--help") for word in ours):
            return print(usage.strip())
        from launch.aws.client import ConnectionLost

        try:
            return run(words)
        except ConnectionLost as error:
            raise UserError(f"{error}; the same command goes on from there") from None


def write_requests(file: Path, sent: Iterable[tuple[str, Any]], screen: Screen) -> None:
    """What a dry run does with operations and their requests in place of sending them."""
    write_json(file, [{"operation": operation, "request": request} for operation, request in sent])
    screen.say(f"dry run: nothing was sent; the requests are in {file}")


def split(words: list[str]) -> tuple[list[str], list[str]]:
    """The paths and s3:// URIs among the words of a command, and its key=value words."""
    keys = [w for w in words if "=" in w and not (w.startswith("s3://") or Path(w).exists())]
    return [word for word in words if word not in keys], keys


def from_words(schema: type[T], given: list[str], file: str | None = None) -> T:
    """The defaults of `schema`, over them those of a file of conf/, over them what is given; the
    values not compared with each other yet.

    Raises:
        UserError: an unknown key, or a value of the wrong type.
    """
    known = [item.name for item in fields(cast(Any, schema))]
    for word in given:
        key, _, value = word.partition("=")
        if key.partition(".")[0] not in known:
            where = f": conf/{file} has" if file else ": allowed are"
            raise UserError(f"unknown key '{key}'{where} {', '.join(known)}.{nearest(key, known)}")
        if not value:
            raise UserError(f"{key}= has no value")
    defaults = OmegaConf.load(CONF_DIR / file) if file else OmegaConf.create()
    return typed(schema, applied(defaults, readable(given)))
