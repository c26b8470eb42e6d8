"""A trained model that labels texts, whatever runs it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from imdb_cls.inference import settings as stored
from imdb_cls.inference import tokenizer as tokenizers
from imdb_cls.inference.engine import Engine, OnnxEngine, has_gpu, has_onnxruntime
from imdb_cls.inference.settings import Settings
from imdb_cls.inference.tokenizer import Tokenizer

# Where torch labels on a CPU: enough to fill the cores, little to pad.
_BATCH = 16


@dataclass(frozen=True)
class Labeller:
    runs: Engine
    tokenizer: Tokenizer
    temperature: float

    @property
    def engine(self) -> str:
        """What runs it: onnx int8, torch 32-true."""
        return self.runs.name

    @classmethod
    def open(cls, model: Path, threads: int | None = None) -> "Labeller":
        """The model of a model/ directory or an unpacked model.tar.gz: its fast one on a CPU if it
        has one, else torch's, on a GPU if there is one.

        Raises:
            UserError: it is damaged.
        """
        settings = stored.read(model)
        tokenizer = tokenizer_of(model, settings)
        if settings.fast and has_onnxruntime() and not has_gpu():
            engine: Engine = OnnxEngine(model / settings.fast, threads)
        else:
            engine = _on_torch(model, tokenizer.pad_id, threads)
        return cls(engine, tokenizer, settings.temperature)

    def log_odds(self, texts: list[str]) -> npt.NDArray[np.float64]:
        """[texts]: log p / (1 - p) of POSITIVE, in the order given. They are calibrated; times
        `temperature` they are those of the network as it was trained."""
        ids = self.tokenizer(texts)["input_ids"]
        lengths = np.array([len(row) for row in ids], dtype=np.int32)
        return self.runs.log_odds(lengths, lambda rows: [ids[row] for row in rows])

    def probabilities(self, texts: list[str]) -> npt.NDArray[np.float64]:
        """[texts]: of POSITIVE, in the order given."""
        return probability(self.log_odds(texts))


def probability(log_odds: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """1 / (1 + exp(-log_odds)), without overflow."""
    small = np.exp(-np.abs(log_odds))
    return np.where(log_odds >= 0, 1 / (1 + small), small / (1 + small))


def tokenizer_of(model: Path, settings: Settings) -> Tokenizer:
    return Tokenizer(tokenizers.load(model), settings.max_length, settings.head_fraction)


def _on_torch(model: Path, pad_id: int, threads: int | None) -> Engine:
    import torch

    from imdb_cls.inference.network import TorchEngine, load_trained

    if threads:
        torch.set_num_threads(threads)
    mps = "mps" if torch.backends.mps.is_available() else "cpu"
    device = torch.device("cuda" if torch.cuda.is_available() else mps)
    return TorchEngine(load_trained(model), pad_id, device, "32-true", _BATCH)
