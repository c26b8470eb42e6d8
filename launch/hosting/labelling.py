"""Texts as requests of the inference contract, and its answers as predictions."""

import json
from collections.abc import Iterable, Iterator

from imdb_cls.errors import UserError, one_line
from imdb_cls.inference import contract
from imdb_cls.names import LABELS
from imdb_cls.outputs import Prediction


def request(texts: list[str]) -> bytes:
    """The body that asks for the labels of texts."""
    return contract.encode({"inputs": texts})


def chunks(texts: Iterable[str], most: int, most_bytes: int) -> Iterator[list[str]]:
    """Lists of at most `most` texts with at most so many bytes as JSON; a longer text is alone."""
    chunk: list[str] = []
    size = 0
    for text in texts:
        length = len(contract.encode(text)) + 1
        if chunk and (len(chunk) == most or size + length > most_bytes):
            yield chunk
            chunk, size = [], 0
        chunk.append(text)
        size += length
    if chunk:
        yield chunk


def predictions(answer: bytes, texts: list[str] | None, who: str) -> list[Prediction]:
    """
    Args:
        texts: what was asked; None: it is not known, and the predictions have no texts.
        who: what an error calls the endpoint or job that answered.

    Raises:
        UserError: it is no answer to these texts.
    """
    try:
        found = [(str(row["label"]), float(row["score"])) for row in json.loads(answer)]
    except (ValueError, TypeError, KeyError):
        shown = one_line(Exception(answer[:200].decode("utf-8", "replace")))
        raise UserError(f"{who}: no answer of a text classifier but {shown}") from None
    texts = [""] * len(found) if texts is None else texts
    if len(found) != len(texts) or any(label not in LABELS for label, _ in found):
        raise UserError(
            f"{who}: {len(found)} answers to {len(texts)} texts, labelled"
            f" {', '.join(sorted({label for label, _ in found})) or 'nothing'}"
        )
    return [Prediction(text, *answered) for text, answered in zip(texts, found, strict=True)]
