"""A trained model that labels texts, whatever engine runs it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from imdb_cls.errors import UserError
from imdb_cls.inference.engine import Engine, Logits, LogOdds, has_gpu, open_fast
from imdb_cls.inference.settings import Settings
from imdb_cls.inference.tokenizer import HeadTailTokenizer

# Enough reviews to fill a CPU's cores, and few enough that little is padded.
_BATCH = 16


@dataclass(frozen=True)
class Labeller:
    engine: Engine
    tokenizer: HeadTailTokenizer
    temperature: float

    @classmethod
    def open(cls, model: Path, threads: int | None = None) -> "Labeller":
        """The model of a model/ directory or an unpacked model.tar.gz. On a CPU it is the fast one,
        if there is one; else torch runs the trained one, on a GPU if there is one. Raises UserError
        if it is damaged."""
        settings = Settings.read(model)
        tokenizer = HeadTailTokenizer.load(model, settings.max_length, settings.head_fraction)
        engine: Engine | None = None if has_gpu() else open_fast(model, settings.fast, threads)
        if engine is None:
            import torch

            from imdb_cls.inference.network import TorchEngine, load_trained

            if threads:
                torch.set_num_threads(threads)
            mps = "mps" if torch.backends.mps.is_available() else "cpu"
            device = torch.device("cuda" if torch.cuda.is_available() else mps)
            engine = TorchEngine(load_trained(model), tokenizer.pad_id, device, "32-true", _BATCH)
        return cls(engine, tokenizer, settings.temperature)

    def log_odds(self, texts: list[str]) -> LogOdds:
        """[texts]: log p / (1 - p) of POSITIVE, calibrated, in the order given. Multiplied by
        `temperature` they are what the network gave before it was calibrated."""
        logits = self.logits(texts)
        return np.asarray(logits[:, 1] - logits[:, 0])

    def logits(self, texts: list[str]) -> Logits:
        """[texts, labels], calibrated, in the order given."""
        ids = self.tokenizer(texts)["input_ids"]
        lengths = np.array([len(row) for row in ids], dtype=np.int32)
        found = self.engine.logits(lengths, lambda rows: [ids[row] for row in rows])
        if not np.isfinite(found).all():
            raise UserError(
                f"the model ({self.engine.name}) gives no numbers but NaN or infinity: its weights"
                " are damaged, or its training diverged: train it again, with a lower learning rate"
            )
        return found

    def probabilities(self, texts: list[str]) -> npt.NDArray[np.float64]:
        """[texts]: of POSITIVE, in the order given."""
        return probability(self.log_odds(texts))


def probability(log_odds: LogOdds) -> npt.NDArray[np.float64]:
    """1 / (1 + exp(-log_odds)), without overflow."""
    small = np.exp(-np.abs(log_odds))
    return np.where(log_odds >= 0, 1 / (1 + small), small / (1 + small))
