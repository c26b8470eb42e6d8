"""Reviews as a transform job takes them, a request a line, and its answers as predictions."""

import contextlib
import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from imdb_cls.data import files
from imdb_cls.data.reviews import Layout
from imdb_cls.errors import UserError
from imdb_cls.inference.contract import Limits
from imdb_cls.outputs import Prediction
from launch.hosting import labelling

# Texts and bytes of one line: few requests are sent, and each is answered in time.
_MOST = (64, 1_000_000)
# Reviews of one file: a machine labels them in a minute or less, and a million are 400 files.
_PART = 2_500


def write(source: str, column: str, directory: Path) -> tuple[list[Path], int]:
    """Writes the reviews of a file as JSON lines `{"inputs": ["…", …]}`, into files of a few
    thousand reviews each: machines share them, and a job that fails keeps those it has answered.
    Returns the files in the order of the reviews, and how many reviews there are. Raises UserError
    if there is no such file or column, or for a text that the server would refuse."""
    parts: list[Path] = []
    count = 0
    with contextlib.ExitStack() as stack:
        for chunk in labelling.chunks(_checked(source, column), *_MOST):
            if count >= _PART * len(parts):
                stack.close()
                parts.append(directory / f"reviews-{len(parts):05}.jsonl")
                file = stack.enter_context(parts[-1].open("wb"))
            file.write(labelling.request(chunk) + b"\n")
            count += len(chunk)
    return parts, count


def _checked(source: str, column: str) -> Iterator[str]:
    longest = Limits().characters
    for review in files.read(source, Layout(column, label=None)):
        if len(review.text) > longest:
            raise UserError(
                f"{review.where}: {column} has {len(review.text):,} characters: at most {longest:,}"
                " are taken"
            )
        yield review.text


def predictions(
    asked: list[Path] | None, answers: list[Path], who: str
) -> Iterator[list[Prediction]]:
    """The predictions of each line, in the order of the input.

    Args:
        asked: the files that `write` wrote; None: the requests are not ours, and their texts not
            known.
        answers: the files of answers, in any order.
        who: what an error calls the job.

    Raises:
        UserError: an answer is missing, or is none.
    """
    if asked is None:
        for line in chain.from_iterable(map(_lines, answers)):
            yield labelling.predictions(line.encode(), None, who)
    for part in asked or []:
        answer = answer_to(part, answers)
        if answer is None:
            raise UserError(f"{who}: not as many answers as requests: {part.name}.out")
        for request, line in zip(_lines(part), _lines(answer), strict=True):
            yield labelling.predictions(line.encode(), json.loads(request)["inputs"], who)


def answer_to(part: Path, answers: list[Path]) -> Path | None:
    """The file that answers each line of one that `write` wrote, whatever folder it lies in; None
    if there is none, or it is not whole."""
    found = next((answer for answer in answers if answer.name == f"{part.name}.out"), None)
    is_whole = found and sum(1 for _ in _lines(part)) == sum(1 for _ in _lines(found))
    return found if is_whole else None


def _lines(file: Path) -> Iterator[str]:
    with file.open(encoding="utf-8") as opened:
        yield from (line for line in opened if line.strip())
