"""Metrics and predictions of a split, which agree with each other to the last digit."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from imdb_cls.data.splits import Split
from imdb_cls.data.tokens import Tokens
from imdb_cls.inference.engine import Engine
from imdb_cls.inference.labeller import probability
from imdb_cls.model import metrics
from imdb_cls.storage import replacing


@dataclass(frozen=True)
class Evaluation:
    metrics: dict[str, Any]
    predictions: pa.Table
    """One row a review, in the order of the split: index (its row in the source), label (0 or 1),
    probability (of POSITIVE), correct, tokens (before truncation), truncated."""
    log_odds: npt.NDArray[np.float64]
    """[reviews]: of POSITIVE."""
    labels: npt.NDArray[np.int64]

    def write_predictions(self, path: Path) -> None:
        with replacing(path) as partial:
            pq.write_table(self.predictions, partial)

    def divided(self, temperature: float) -> "Evaluation":
        """What a network would have given whose log-odds are these, divided by `temperature`."""
        log_odds = self.log_odds / temperature
        scores = probability(log_odds)
        values = metrics.evaluate(torch.from_numpy(scores), torch.from_numpy(self.labels))
        column = self.predictions.schema.get_field_index("probability")
        return replace(
            self,
            metrics={**self.metrics, **values},
            predictions=self.predictions.set_column(column, "probability", [scores]),
            log_odds=log_odds,
        )


def evaluate(
    engine: Engine, split: Split, tokens: Tokens, advance: Callable[[int], None]
) -> Evaluation:
    """Scores every review of a split once; `advance` is told how many were scored just now."""
    start = time.perf_counter()
    log_odds = engine.log_odds(tokens.lengths, tokens.ids, advance)
    seconds = time.perf_counter() - start
    scores, labels = probability(log_odds), tokens.labels.copy()
    values = metrics.evaluate(torch.from_numpy(scores), torch.from_numpy(labels))
    predictions = pa.table(
        {
            "index": split.rows,
            "label": labels,
            "probability": scores,
            "correct": (scores > 0.5) == (labels == 1),
            "tokens": tokens.whole,
            "truncated": tokens.truncated,
        }
    )
    speed = {"runtime_s": round(seconds, 3), "samples_per_second": round(len(tokens) / seconds, 2)}
    return Evaluation({**values, **speed}, predictions, log_odds, labels)
