"""Metrics and predictions of a split, which agree with each other to the last digit."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from imdb_cls import metrics
from imdb_cls.data.splits import Split
from imdb_cls.data.tokens import Tokens
from imdb_cls.scoring import Scorer
from imdb_cls.storage import replacing


@dataclass(frozen=True)
class Evaluation:
    metrics: dict[str, Any]
    predictions: pa.Table
    """One row a review, in the order of the split: index (its row in the source), label (0 or 1),
    probability (of POSITIVE), correct, tokens (before truncation), truncated."""

    def write_predictions(self, path: Path) -> None:
        with replacing(path) as partial:
            pq.write_table(self.predictions, partial)


def evaluate(
    scorer: Scorer, split: Split, tokens: Tokens, advance: Callable[[int], None]
) -> Evaluation:
    """Scores every review of a split once; `advance` is told how many were scored just now."""
    start = time.perf_counter()
    probability = scorer.tokens(tokens, advance)
    seconds = time.perf_counter() - start
    values = metrics.evaluate(torch.from_numpy(probability), torch.from_numpy(tokens.labels.copy()))
    predictions = pa.table(
        {
            "index": split.rows,
            "label": tokens.labels,
            "probability": probability,
            "correct": (probability > 0.5) == (tokens.labels == 1),
            "tokens": tokens.whole,
            "truncated": tokens.truncated,
        }
    )
    speed = {"runtime_s": round(seconds, 3), "samples_per_second": round(len(tokens) / seconds, 2)}
    return Evaluation({**values, **speed}, predictions)
