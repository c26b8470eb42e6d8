"""Metrics and predictions of a split, which agree with each other to the last digit."""

import time
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from imdb_cls.data.splits import Split
from imdb_cls.data.tokens import Tokens
from imdb_cls.inference.engine import Advance, Engine, LogOdds
from imdb_cls.inference.labeller import probability
from imdb_cls.model.metrics import compute_metrics
from imdb_cls.storage import replacing


@dataclass(frozen=True)
class Evaluation:
    """What a network says of a split's reviews, and what follows from it."""

    log_odds: LogOdds
    """[reviews]: of POSITIVE."""
    split: Split
    tokens: Tokens
    seconds: float
    """How long the network took."""

    @cached_property
    def metrics(self) -> dict[str, Any]:
        scores = torch.from_numpy(probability(self.log_odds))
        return {
            **compute_metrics(scores, torch.tensor(self.tokens.labels)),
            "runtime_s": round(self.seconds, 3),
            "samples_per_second": round(len(self.tokens) / self.seconds, 2),
        }

    def write_predictions(self, path: Path) -> None:
        """Writes a row a review, in the order of the split: index (its row in the source), label
        (0 or 1), probability (of POSITIVE), correct, tokens (before truncation), truncated."""
        scores = probability(self.log_odds)
        table = pa.table(
            {
                "index": self.split.rows,
                "label": self.tokens.labels,
                "probability": scores,
                "correct": (scores > 0.5) == (self.tokens.labels == 1),
                "tokens": self.tokens.whole,
                "truncated": self.tokens.truncated,
            }
        )
        with replacing(path) as partial:
            pq.write_table(table, partial)

    def divided(self, temperature: float) -> "Evaluation":
        """What a network says whose log-odds are these, divided by `temperature`."""
        return replace(self, log_odds=self.log_odds / temperature)


def evaluate_split(engine: Engine, split: Split, tokens: Tokens, advance: Advance) -> Evaluation:
    """Scores every review of a split once. `advance` is told how many were just scored."""
    start = time.perf_counter()
    log_odds = engine.log_odds(tokens.lengths, tokens.ids, advance)
    return Evaluation(log_odds, split, tokens, time.perf_counter() - start)
