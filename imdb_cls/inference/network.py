"""The trained network in torch, on any device and in any precision."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from transformers import DistilBertForSequenceClassification

from imdb_cls.errors import translated
from imdb_cls.inference.engine import Advance, Engine, Ids, Lengths, Logits, Rows
from imdb_cls.inference.padding import eval_batches, pad
from imdb_cls.names import LABELS


@dataclass(frozen=True)
class TorchEngine(Engine):
    network: DistilBertForSequenceClassification
    pad_id: int
    device: torch.device
    precision: str
    batch_size: int

    @property
    def name(self) -> str:
        return f"torch {self.precision}"

    @torch.inference_mode()
    def logits(self, lengths: Lengths, ids: Ids, advance: Advance = lambda _: None) -> Logits:
        """See engine.Engine. The reviews go in batches of like length."""
        torch.nn.Module.to(self.network, self.device)
        self.network.train(False)
        found = np.empty((len(lengths), len(LABELS)), dtype=np.float64)
        pending: list[tuple[Rows, torch.Tensor]] = []
        kind = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}.get(self.precision)
        with torch.autocast(self.device.type, kind, enabled=kind is not None):
            for rows in eval_batches(lengths, self.batch_size):
                tokens = [np.asarray(row, dtype=np.int32) for row in ids(rows)]
                batch = pad(tokens, rows, self.pad_id).to(self.device)
                logits = self.network(batch.input_ids, attention_mask=batch.attention_mask).logits
                pending.append((rows, logits))
                advance(len(rows))
        # They are read at the end, so that a GPU is not waited for after every batch.
        for rows, logits in pending:
            found[rows] = logits.cpu().double().numpy()
        return found


def load_trained(path: Path) -> DistilBertForSequenceClassification:
    """The network of a run's model/ directory, in eval mode. Raises UserError if it is damaged."""
    with translated(f"{path} cannot be read", OSError, ValueError, RuntimeError, SafetensorError):
        return DistilBertForSequenceClassification.from_pretrained(path)
