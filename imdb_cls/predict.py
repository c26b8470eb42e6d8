"""Labels reviews with a run's model: python -m imdb_cls.predict run=<dir> "text" …"""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import BinaryIO

from imdb_cls import cli
from imdb_cls.errors import UserError
from imdb_cls.names import LABELS
from imdb_cls.terminal import quiet_libraries

USAGE = """
usage: python -m imdb_cls.predict run=DIR "text" … | input=FILE | < FILE

  run=DIR          a run directory
  "text" …         reviews; without any, and without input=, or for a lone -, standard input has a
                   review a line
  input=FILES      reviews in a .csv, .tsv, .json, .jsonl or .parquet file (also .gz), a directory
                   or a 'glob' of some, or an address
  text=COLUMN      the column they are in (text)
  separator=NAME   between a csv file's columns: comma, semicolon, tab or pipe (auto)
  output=FILE      a row a review, in their order: label, score; .csv, .jsonl or .parquet
  device=NAME      auto, cpu, gpu or mps (auto)
  precision=NAME   auto, bf16-mixed, 16-mixed or 32-true (on a CPU the run's fast model, if it has
                   one; else the run's trainer.eval_precision)
  batch_size=N     without the fast model (the run's data.eval_batch_size)
  --               everything behind it is text

A table on a terminal, in a pipe one JSON object a line: {"label": "POSITIVE", "score": 0.9946}.
A score is calibrated: of reviews with 0.9, nine in ten are what their label says.
"""

# A chunk is sorted by length, scored and written; it is full at either number.
CHUNK_REVIEWS = 2048
CHUNK_CHARACTERS = 8_000_000


@dataclass
class Arguments:
    run: str
    input: str | None = None
    text: str = "text"
    separator: str = "auto"
    output: str | None = None
    device: str = "auto"
    precision: str | None = None
    batch_size: int | None = None
    texts: list[str] = field(default_factory=list)


def predict(given: Arguments) -> None:
    """Raises UserError for whatever a user can mend."""
    quiet_libraries()
    from imdb_cls import outputs
    from imdb_cls.runs.run import Run

    run = Run.open(given.run, complete=True)
    outputs.check_output(given.output)
    texts = reviews(given)
    first = next(texts)  # a wrong file is an error at once, not after the model has loaded
    from imdb_cls.model.open import open_labeller

    model = open_labeller(run, given.device, given.precision, given.batch_size)
    with outputs.opened(given.output) as write:
        for chunk in chunks(chain([first], texts)):
            scores = model.probabilities(chunk)
            write(
                [
                    outputs.Prediction(text, LABELS[int(score > 0.5)], float(max(score, 1 - score)))
                    for text, score in zip(chunk, scores, strict=True)
                ]
            )


def reviews(given: Arguments) -> Iterator[str]:
    """The texts of the command line, of files or of standard input; at least one."""
    from imdb_cls.data import files
    from imdb_cls.data.reviews import Layout, checked_text

    if given.texts and given.input:
        raise UserError(f"both input={given.input} and texts are given: '{given.texts[0]}'")
    dash = given.input == "-" or given.texts == ["-"]
    if dash or not (given.texts or given.input):
        if sys.stdin is None or (sys.stdin.isatty() and not dash):
            raise UserError(
                'no reviews: give them as "text" …, with input=<file> or on standard input'
            )
        yield from lines(sys.stdin.buffer)
    elif given.input:
        layout = Layout(given.text, None, given.separator)
        yield from (review.text for review in files.read(given.input, layout))
    else:
        for number, text in enumerate(given.texts, start=1):
            yield checked_text(text, f"text {number}")


def lines(stream: BinaryIO) -> Iterator[str]:
    """A review a line; empty lines at the end are none. Raises UserError for an empty line between
    others, bytes that are not UTF-8, or no line."""
    from imdb_cls.data.reviews import checked_text
    from imdb_cls.data.signatures import recognized

    number, blank = 0, 0
    for number, line in enumerate(stream, start=1):
        where = f"line {number} of standard input"
        if number == 1 and (found := recognized(line)):
            raise UserError(f"standard input: {found[0]}, and not lines of text in UTF-8")
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise UserError(f"{where}: not UTF-8 ({error.reason})") from None
        if not text.strip():
            blank = blank or number
            continue
        if blank:
            raise UserError(f"line {blank} of standard input is empty: every review needs a text")
        yield checked_text(text, where)
    if number == 0 or blank == 1:
        raise UserError("no reviews on standard input")


def chunks(texts: Iterable[str]) -> Iterator[list[str]]:
    """Texts in lists that fit memory, however many and however long they are."""
    chunk: list[str] = []
    characters = 0
    for text in texts:
        chunk.append(text)
        characters += len(text)
        if len(chunk) == CHUNK_REVIEWS or characters >= CHUNK_CHARACTERS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk


def main() -> None:
    with cli.one_line_errors():
        predict(cli.arguments(Arguments, sys.argv[1:], USAGE, free="texts"))


if __name__ == "__main__":
    main()
