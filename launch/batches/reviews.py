"""Reviews as a transform job takes them, a request a line, and its answers as predictions."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from imdb_cls.data import files
from imdb_cls.errors import UserError
from imdb_cls.inference import contract
from imdb_cls.outputs import Prediction
from launch.endpoints import invoke
from launch.serving.options import Options as Serving

# Of one line: many texts to a request, so that few are on their way; all in good time.
_TEXTS, _BYTES = 64, 1_000_000


@dataclass(frozen=True)
class Written:
    lines: int
    texts: int


def write(source: str, column: str, target: Path) -> Written:
    """The reviews of a csv, jsonl or parquet file as JSON lines `{"inputs": ["…", …]}`.

    Raises:
        UserError: no such file or column, a text that the server would refuse.
    """
    lines = texts = 0
    with target.open("w", encoding="utf-8") as file:
        for chunk in invoke.requests(_checked(source, column), _TEXTS, _BYTES):
            file.write(contract.encode({"inputs": chunk}).decode() + "\n")
            lines, texts = lines + 1, texts + len(chunk)
    return Written(lines, texts)


def _checked(source: str, column: str) -> Iterator[str]:
    longest = Serving().max_characters
    for review in files.read(source, column, label=None):
        if len(review.text) > longest:
            raise UserError(
                f"{review.where}: {column} has {len(review.text):,} characters: at most {longest:,}"
                " are taken"
            )
        yield review.text


def texts_of(file: Path) -> Iterator[list[str]]:
    """The texts of each line that `write` wrote."""
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)["inputs"]


def joined(
    asked: Iterable[list[str]], answered: Iterable[str], who: str
) -> Iterator[list[Prediction]]:
    """The predictions of each line, in the order of the input.

    Raises:
        UserError: an answer is missing, or is none.
    """
    try:
        for texts, line in zip(asked, answered, strict=True):
            yield invoke.answers(line.encode(), texts, who)
    except ValueError:
        raise UserError(f"{who}: not as many answers as requests") from None


def alone(answered: Iterable[str], who: str) -> Iterator[list[Prediction]]:
    """The same where the requests were not ours, and lie in S3."""
    for line in answered:
        try:
            count = len(json.loads(line))
        except (ValueError, TypeError):
            count = 1
        yield invoke.answers(line.encode(), [""] * count, who)
