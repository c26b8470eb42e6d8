"""Token ids of reviews as a padded batch."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """What the model gets. `share` is this rank's part of the reviews of the whole step."""

    input_ids: torch.Tensor
    """[reviews, tokens] int64, padded to the longest."""
    attention_mask: torch.Tensor | None
    """[reviews, tokens] bool; None where nothing is padded."""
    labels: torch.Tensor
    """[reviews] int64."""
    share: float = 1.0

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device, non_blocking: bool = True) -> "Batch":
        mask = self.attention_mask
        return Batch(
            self.input_ids.to(device, non_blocking=non_blocking),
            None if mask is None else mask.to(device, non_blocking=non_blocking),
            self.labels.to(device, non_blocking=non_blocking),
            self.share,
        )

    def pin_memory(self) -> "Batch":
        mask = self.attention_mask
        return Batch(
            self.input_ids.pin_memory(),
            None if mask is None else mask.pin_memory(),
            self.labels.pin_memory(),
            self.share,
        )


def pad(ids: list[npt.NDArray[np.int32]], labels: Rows, pad_id: int, share: float = 1.0) -> Batch:
    """Token ids of several reviews as one batch."""
    lengths = np.array([len(row) for row in ids])
    longest = int(lengths.max())
    padded = np.full((len(ids), longest), pad_id, dtype=np.int64)
    for row, values in enumerate(ids):
        padded[row, : len(values)] = values
    mask = None
    if lengths.min() < longest:
        mask = torch.from_numpy(np.arange(longest)[None, :] < lengths[:, None])
    return Batch(torch.from_numpy(padded), mask, torch.from_numpy(np.array(labels)), share)


def eval_batches(lengths: npt.NDArray[np.int32], batch_size: int) -> list[Rows]:
    """All reviews once, the longest first."""
    order = np.argsort(-lengths.astype(np.int64), kind="stable")
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
