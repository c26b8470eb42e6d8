"""Batches of token ids, padded to their longest review."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from imdb_cls.inference.engine import Lengths, Rows, TokenIds


@dataclass(frozen=True)
class Batch:
    """What the network is given."""

    input_ids: torch.Tensor
    """[reviews, tokens] int64, padded to the longest."""
    attention_mask: torch.Tensor | None
    """[reviews, tokens] bool; None where nothing is padded."""
    labels: torch.Tensor
    """[reviews] int64."""
    share: float = 1.0
    """This rank's part of the reviews of the whole step."""

    def to(self, device: torch.device) -> "Batch":
        return self.mapped(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> "Batch":
        return self.mapped(torch.Tensor.pin_memory)

    def mapped(self, change: Callable[[torch.Tensor], torch.Tensor]) -> "Batch":
        mask = None if self.attention_mask is None else change(self.attention_mask)
        return Batch(change(self.input_ids), mask, change(self.labels), self.share)


def pad(ids: TokenIds, labels: Rows, pad_id: int, share: float = 1.0) -> Batch:
    lengths = np.array([len(row) for row in ids])
    kept = np.arange(lengths.max()) < lengths[:, None]
    padded = np.full(kept.shape, pad_id, dtype=np.int64)
    padded[kept] = np.concatenate(ids)
    mask = None if kept.all() else torch.from_numpy(kept)
    return Batch(torch.from_numpy(padded), mask, torch.from_numpy(np.array(labels)), share)


def eval_batches(lengths: Lengths, batch_size: int) -> list[Rows]:
    """The rows of every batch: all reviews once, the longest first."""
    order = np.argsort(-lengths.astype(np.int64), kind="stable")
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
