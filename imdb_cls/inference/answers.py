"""What a request is answered with: labels and their scores."""

import csv
import io
from typing import Any

import numpy as np

from imdb_cls.inference import contract
from imdb_cls.inference.contract import Request
from imdb_cls.inference.engine import Logits
from imdb_cls.inference.labeller import probability
from imdb_cls.names import LABELS


def write(request: Request, logits: Logits, temperature: float) -> bytes:
    """The body of the answer, as JSON or CSV, by calibrated logits [texts, labels], which were
    divided by `temperature`."""
    asked = request.parameters
    given = answer(request, logits if asked.calibrated else logits * temperature)
    if request.answer_type == contract.JSON:
        return contract.encode(given)
    rows = io.StringIO()
    writer = csv.DictWriter(rows, ("label", "score"))
    writer.writeheader()
    writer.writerows(given)
    return rows.getvalue().encode()


def answer(request: Request, logits: Logits) -> list[Any]:
    """What transformers.pipeline("text-classification") gives for the same inputs and parameters,
    and for logits [texts, labels]."""
    asked = request.parameters
    found = [
        [{"label": label, "score": score} for label, score in zip(LABELS, scores, strict=True)]
        for scores in _scores(logits, asked.function).tolist()
    ]
    if asked.form == "all":
        return found
    for labels in found:
        labels.sort(key=lambda one: -one["score"])  # of equals, the first label stays first
    if asked.form == "best":
        return [labels[0] for labels in found]
    kept = [labels[: asked.top_k] for labels in found]
    return kept[0] if request.alone else kept


def _scores(logits: Logits, function: str) -> Logits:
    """[texts, labels]"""
    if function == "none":
        return logits
    if function == "sigmoid":
        return probability(logits)
    positive = probability(logits[:, 1] - logits[:, 0])
    return np.stack([1 - positive, positive], axis=1)
