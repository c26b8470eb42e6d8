"""Reviews as a transform job takes them, a request a line, and its answers as predictions."""

import itertools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from imdb_cls.data import files
from imdb_cls.data.reviews import Layout
from imdb_cls.errors import UserError
from imdb_cls.inference.contract import Limits
from imdb_cls.outputs import Prediction
from launch.hosting import labelling

# Texts and bytes of one line: few requests are sent, and each is answered in time.
_MOST = (64, 1_000_000)


def write(source: str, column: str, target: Path) -> int:
    """Writes the reviews of files as JSON lines `{"inputs": ["…", …]}`.
    Returns how many reviews there are.

    Raises:
        UserError: no such file or column, or a text that the server would refuse.
    """
    count = 0
    with target.open("wb") as file:
        for chunk in labelling.chunks(_checked(source, column), *_MOST):
            file.write(labelling.request(chunk) + b"\n")
            count += len(chunk)
    return count


def _checked(source: str, column: str) -> Iterator[str]:
    longest = Limits().characters
    for review in files.read(source, Layout(column, label=None)):
        if len(review.text) > longest:
            raise UserError(
                f"{review.where}: {column} has {len(review.text):,} characters: at most {longest:,}"
                " are taken"
            )
        yield review.text


def predictions(asked: Path | None, answers: Iterable[str], who: str) -> Iterator[list[Prediction]]:
    """The predictions of each line, in the order of the input.

    Args:
        asked: the file that `write` wrote; None: the lines were not ours, and their texts are not
            known.
        who: what an error calls the job.

    Raises:
        UserError: an answer is missing, or is none.
    """
    texts = itertools.repeat(None) if asked is None else _texts(asked)
    try:
        for chunk, answer in zip(texts, answers, strict=asked is not None):
            yield labelling.predictions(answer.encode(), chunk, who)
    except ValueError:
        raise UserError(f"{who}: not as many answers as requests") from None


def _texts(asked: Path) -> Iterator[list[str]]:
    with asked.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)["inputs"]
