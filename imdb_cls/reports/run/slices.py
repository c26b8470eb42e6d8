"""Accuracy on parts of the reviews: by length, and by whether they were truncated."""

from dataclasses import dataclass

import numpy as np

from imdb_cls.reports.run.predictions import Bools, Part, Predictions

# A part of fewer reviews says nothing.
_FEWEST = 10
_MOST_PARTS = 6


@dataclass(frozen=True, kw_only=True)
class Slice(Part):
    name: str


def by_length(predictions: Predictions) -> list[Slice]:
    """Parts of about equal size by the number of tokens, the shortest reviews first. There are at
    least two, or none if all reviews are of one length."""
    parts = min(_MOST_PARTS, max(2, len(predictions) // _FEWEST))
    tokens = predictions.tokens
    cuts = np.unique(np.quantile(tokens, np.linspace(0, 1, parts + 1)[1:-1], method="higher"))
    number = np.searchsorted(cuts, tokens, side="right")
    found = []
    for part in np.unique(number):
        mask = number == part
        low, high = int(tokens[mask].min()), int(tokens[mask].max())
        found.append(_slice(f"{low}–{high}" if low < high else str(low), mask, predictions))
    return found if len(found) > 1 else []


def by_truncation(predictions: Predictions) -> list[Slice]:
    """The whole reviews and the truncated ones; nothing if all are of one kind."""
    kinds = (("whole", ~predictions.truncated), ("truncated", predictions.truncated))
    found = [_slice(name, mask, predictions) for name, mask in kinds if mask.any()]
    return found if len(found) > 1 else []


def _slice(name: str, mask: Bools, predictions: Predictions) -> Slice:
    return Slice(name=name, n=int(mask.sum()), correct=int(predictions.correct[mask].sum()))
