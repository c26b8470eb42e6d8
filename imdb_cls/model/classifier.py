"""The LightningModule around DistilBertForSequenceClassification."""

import math
from typing import Any

import torch
from pytorch_lightning import LightningModule
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.optim import Optimizer
from transformers import DistilBertForSequenceClassification

from imdb_cls.config import ModelConfig
from imdb_cls.config.steps import readings
from imdb_cls.errors import UserError
from imdb_cls.inference.forward import logits
from imdb_cls.inference.padding import Batch
from imdb_cls.model import optim
from imdb_cls.model.metrics import in_order, scalar_metrics


class SentimentClassifier(LightningModule):
    """Trains and validates. It does not test: evaluation.py does, for the commands as well.

    Args:
        network: the pretrained network, two labels.
        config: how to optimize it.
        warmup_steps, total_steps: of the optimizer, over the whole run.
        seed: dropout is drawn from it, the step and the rank, so that a resumed run draws what an
            uninterrupted one would have.
        log_every_n_steps: how often train/ metrics are logged.
        plain_scores: up to how many scores a batch has plain attention (device.plain_scores).
    """

    def __init__(
        self,
        network: DistilBertForSequenceClassification,
        config: ModelConfig,
        warmup_steps: int,
        total_steps: int,
        seed: int,
        log_every_n_steps: int,
        plain_scores: int = 0,
    ) -> None:
        super().__init__()
        self.network, self.config, self.seed = network, config, seed
        self.warmup_steps, self.total_steps = warmup_steps, total_steps
        self.log_every_n_steps, self.plain_scores = log_every_n_steps, plain_scores
        self.val_metrics = scalar_metrics("val/")
        self._losses: list[Tensor] = []  # of the batches of one step
        if config.freeze_embeddings:
            network.distilbert.embeddings.requires_grad_(False)
        self._trained = list(network.parameters())  # to look for them takes a millisecond a step

    def forward(self, batch: Batch) -> Tensor:
        """Logits [reviews, 2] of NEGATIVE and POSITIVE, in float32."""
        reviews, tokens = batch.input_ids.shape
        fused = reviews * self.network.config.n_heads * tokens**2 > self.plain_scores
        return logits(self.network, batch.input_ids, batch.attention_mask, fused).float()

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        number = self.current_epoch * int(self.trainer.num_training_batches) + batch_idx
        mixed = (self.seed * 1_000_003 + number) * 1_009 + self.global_rank
        # torch.manual_seed takes a traceback for every kind of device that is not in use.
        torch.default_generator.manual_seed(mixed % 2**63)
        if self.device.type in ("cuda", "mps"):
            getattr(torch, self.device.type).manual_seed(mixed % 2**63)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        twice = readings(self.config, self.current_epoch) == 2
        if twice:  # each half has dropouts of its own
            batch = batch.mapped(lambda tensor: torch.cat([tensor, tensor]))
        found = self(batch)
        loss = cross_entropy(found, batch.labels)
        # DDP averages over ranks, but each rank is to count by its share of the reviews.
        part = batch.share * self.trainer.world_size
        self._losses.append(loss.detach() * part)
        loss = (loss + self.config.rdrop * divergence(*found.chunk(2)) if twice else loss) * part
        whole = len(self._losses) == self.trainer.accumulate_grad_batches
        if whole or self.trainer.is_last_batch:
            self._log_step(torch.stack(self._losses).mean())
            self._losses.clear()
        return loss

    def _log_step(self, loss: Tensor) -> None:
        step = self.global_step + 1
        if step % self.log_every_n_steps == 0 or step in (1, self.total_steps):
            mean = float(self.trainer.strategy.reduce(loss, reduce_op="mean"))
            rate = max(group["lr"] for group in self.trainer.optimizers[0].param_groups)
            self._record({"train/loss": mean, "train/learning_rate": rate}, step)
            if not math.isfinite(mean):
                raise UserError(
                    f"train/loss is {mean} at step {step}: the run has diverged: take a smaller"
                    f" model.learning_rate than {self.config.learning_rate:g}"
                )

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        found = self(batch)
        precise = found if found.device.type == "mps" else found.double()
        self.val_metrics.update(precise.softmax(-1)[:, 1], batch.labels)

    def on_validation_epoch_end(self) -> None:
        values = in_order(self.val_metrics.compute(), "val/")
        self.val_metrics.reset()
        self._record(values, self.global_step)

    def _record(self, metrics: dict[str, float], step: int) -> None:
        """Gives every logger the values, with the number of optimizer steps done. Lightning's own
        log() would round them to float32 and count steps from 0."""
        for logger in self.trainer.loggers:
            logger.log_metrics({**metrics, "epoch": self.current_epoch}, step)
        for name, value in metrics.items():
            self.log(name, value, logger=False)

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        # Lightning's own refuses any fused optimizer in mixed precision, even in bf16.
        if gradient_clip_val is not None:
            torch.nn.utils.clip_grad_norm_(self._trained, gradient_clip_val)

    def configure_optimizers(self) -> Any:
        # A fused optimizer unscales fp16's gradients itself, which is too late: they are clipped.
        fused = self.trainer.precision != "16-mixed"
        optimizer, schedule = optim.build(
            self.network, self.config, self.warmup_steps, self.total_steps, fused
        )
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]


def divergence(one: Tensor, other: Tensor) -> Tensor:
    """How far two answers to the same reviews, logits [reviews, 2], are apart: the mean of
    KL(one, other) and KL(other, one), averaged over the reviews (Liang et al. 2021, "R-Drop",
    equation 2)."""
    first, second = one.log_softmax(-1), other.log_softmax(-1)
    return ((first.exp() - second.exp()) * (first - second)).sum(-1).mean() / 2
