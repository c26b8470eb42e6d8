"""Reviews as a transform job takes them, a request a line, and its answers as predictions."""

import contextlib
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from imdb_cls.data import files
from imdb_cls.data.reviews import Layout
from imdb_cls.errors import UserError
from imdb_cls.inference.contract import Limits
from imdb_cls.outputs import Prediction
from launch.hosting import labelling

Answers = dict[str, Path]
"""The files of answers, by the names of the files of requests."""

# Texts and bytes of one line: few requests are sent, and each is answered in time.
_MOST = (64, 1_000_000)
# Reviews of one file: a machine labels them in a minute or less, and a million are 400 files.
_PART = 2_500


def write(source: str, column: str, directory: Path) -> tuple[list[Path], int]:
    """Writes the reviews of a file as JSON lines `{"inputs": ["…", …]}`, into files of a few
    thousand reviews each: machines share them, and a job that fails keeps those it has answered.
    Returns the files in the order of the reviews, and how many reviews there are.

    Raises:
        UserError: no such file or column, or a text that the server would refuse.
    """
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


def predictions(asked: list[Path], answers: Answers, who: str) -> Iterator[list[Prediction]]:
    """The predictions of each line, in the order of the input.

    Args:
        asked: the files that `write` wrote.
        answers: those that there are.
        who: what an error calls the job.

    Raises:
        UserError: an answer is missing, or is none.
    """
    for part in asked:
        if not is_answered(part, answers):
            raise UserError(f"{who}: not as many answers as requests: {part.name}.out")
        for texts, answer in zip(_texts(part), _lines(answers[part.name]), strict=True):
            yield labelling.predictions(answer.encode(), texts, who)


def of_others(answers: Answers, who: str) -> Iterator[list[Prediction]]:
    """The same for requests that are not ours: their texts are not known."""
    for file in answers.values():
        for answer in _lines(file):
            yield labelling.predictions(answer.encode(), None, who)


def is_answered(part: Path, answers: Answers) -> bool:
    """Whether there is an answer for each line of a file that `write` wrote."""
    answer = answers.get(part.name)
    return answer is not None and sum(1 for _ in _lines(part)) == sum(1 for _ in _lines(answer))


def answers_below(directory: Path) -> Answers:
    """Those that a job has left, whatever folders SageMaker made for them."""
    found = {path.relative_to(directory): path for path in sorted(directory.rglob("*.out"))}
    # Ours have names of their own; those of others may stand twice, in two folders.
    names = Counter(path.name for path in found)
    return {
        (path.name if names[path.name] == 1 else str(path)).removesuffix(".out"): found[path]
        for path in found
    }


def _lines(file: Path) -> Iterator[str]:
    with file.open(encoding="utf-8") as opened:
        yield from (line for line in opened if line.strip())


def _texts(part: Path) -> Iterator[list[str]]:
    for line in _lines(part):
        yield json.loads(line)["inputs"]
