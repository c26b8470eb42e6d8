"""Probabilities of reviews by a trained network: one code for test, evaluate and predict."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from transformers import DistilBertForSequenceClassification

from imdb_cls import device as devices
from imdb_cls.checks import ACCELERATORS, PRECISIONS
from imdb_cls.data.batches import eval_batches, pad
from imdb_cls.data.tokens import Tokenizer, Tokens
from imdb_cls.errors import UserError
from imdb_cls.model.pretrained import load_tokenizer, load_trained
from imdb_cls.run import Run
from imdb_cls.terminal import quiet_loaded_libraries


@dataclass(frozen=True)
class Scorer:
    """A network on a device, in a precision."""

    network: DistilBertForSequenceClassification
    tokenizer: Tokenizer
    device: torch.device
    precision: str
    batch_size: int

    def tokens(
        self, tokens: Tokens, advance: Callable[[int], None] = lambda done: None
    ) -> npt.NDArray[np.float64]:
        """[reviews]: probability of POSITIVE, in the order of the split."""
        return self._score(tokens.lengths, tokens.ids, advance)

    def texts(self, texts: list[str]) -> npt.NDArray[np.float64]:
        """[texts]: probability of POSITIVE, in the order given."""
        ids = [np.asarray(row, dtype=np.int32) for row in self.tokenizer(texts)["input_ids"]]
        lengths = np.array([len(row) for row in ids], dtype=np.int32)
        return self._score(lengths, lambda rows: [ids[row] for row in rows])

    @torch.inference_mode()
    def _score(
        self,
        lengths: npt.NDArray[np.int32],
        ids: Callable[[npt.NDArray[np.int64]], list[npt.NDArray[np.int32]]],
        advance: Callable[[int], None] = lambda done: None,
    ) -> npt.NDArray[np.float64]:
        torch.nn.Module.to(self.network, self.device)
        self.network.train(False)
        scores = np.empty(len(lengths), dtype=np.float64)
        pending: list[tuple[npt.NDArray[np.int64], torch.Tensor]] = []
        with self._autocast():
            for rows in eval_batches(lengths, self.batch_size):
                batch = pad(ids(rows), rows, self.tokenizer.pad_id).to(self.device)
                logits = self.network(batch.input_ids, attention_mask=batch.attention_mask).logits
                pending.append((rows, logits))
                advance(len(rows))
        # Read at the end: a GPU is not waited for after every batch.
        for rows, logits in pending:
            scores[rows] = logits.double().softmax(-1)[:, 1].cpu().numpy()
        return scores

    def _autocast(self) -> contextlib.AbstractContextManager[object]:
        kinds = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
        if self.precision not in kinds:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, kinds[self.precision])


def open_scorer(
    run: Run, accelerator: str = "auto", precision: str | None = None, batch_size: int | None = None
) -> Scorer:
    """A run's model, ready to score. None: as the run itself was tested.

    Raises:
        UserError: the model is damaged, or the device or the precision is not to be had.
    """
    for key, value, allowed in (
        ("device", accelerator, ACCELERATORS),
        ("precision", precision or "auto", PRECISIONS),
    ):
        if value not in allowed:
            raise UserError(f"{key}={value}: allowed are {', '.join(allowed)}")
    quiet_loaded_libraries(bars=False)
    config = run.config()
    asked = replace(config.trainer, accelerator=accelerator, devices="auto", precision="auto")
    if precision:
        asked.eval_precision = precision
    settled = devices.settle(asked)
    tokenizer = load_tokenizer(run.model_dir, config.data.max_length)
    return Scorer(
        load_trained(run.model_dir),
        Tokenizer(tokenizer, config.data.max_length, config.data.head_fraction),
        devices.torch_device(settled.accelerator),
        settled.eval_precision,
        batch_size or config.data.eval_batch_size,
    )
