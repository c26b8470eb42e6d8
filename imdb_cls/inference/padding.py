"""Batches of token ids, padded to their longest review."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from imdb_cls.inference.engine import Lengths, Rows


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

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device) -> "Batch":
        return self._moved(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> "Batch":
        return self._moved(torch.Tensor.pin_memory)

    def _moved(self, move: Callable[[torch.Tensor], torch.Tensor]) -> "Batch":
        mask = None if self.attention_mask is None else move(self.attention_mask)
        return Batch(move(self.input_ids), mask, move(self.labels), self.share)


def pad(ids: list[npt.NDArray[np.int32]], labels: Rows, pad_id: int, share: float = 1.0) -> Batch:
    lengths = np.array([len(row) for row in ids])
    longest = int(lengths.max())
    padded = np.full((len(ids), longest), pad_id, dtype=np.int64)
    for row, values in enumerate(ids):
        padded[row, : len(values)] = values
    mask = None
    if lengths.min() < longest:
        mask = torch.from_numpy(np.arange(longest)[None, :] < lengths[:, None])
    return Batch(torch.from_numpy(padded), mask, torch.from_numpy(np.array(labels)), share)


def eval_batches(lengths: Lengths, batch_size: int) -> list[Rows]:
    """The rows of every batch: all reviews once, the longest first."""
    order = np.argsort(-lengths.astype(np.int64), kind="stable")
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
