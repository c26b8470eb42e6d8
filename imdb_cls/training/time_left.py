"""When a run will end, from how long its first steps took."""

import math
import time
from dataclasses import dataclass
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from imdb_cls.config.steps import readings
from imdb_cls.data.module import ReviewsDataModule
from imdb_cls.inference.network import TorchEngine
from imdb_cls.inference.padding import Batch
from imdb_cls.reports.formats import duration
from imdb_cls.terminal import Screen
from imdb_cls.training.prepare import PreparedRun

# Steps and seconds that are measured before anything is said; the very first step is none of them.
_STEPS, _SECONDS = 5, 8.0
# The reviews that are scored to see how long those of test will take.
_PROBED = 4
# A training step is a forward and a backward pass; the latter takes twice as long (Kaplan et al.
# 2020, "Scaling Laws for Neural Language Models", section 2.1).
_PASSES = 3
# Of export and report beside the scoring of val: TF-IDF and the words' weights, on two cores.
_PAGE_SECONDS = 12.0
_LONG_SECONDS = 15 * 60


@dataclass
class _Rate:
    seconds: float = 0.0
    tokens: int = 0

    def add(self, since: float, tokens: int) -> None:
        self.seconds += time.perf_counter() - since
        self.tokens += tokens

    def of(self, tokens: float) -> float:
        return self.seconds / max(self.tokens, 1) * tokens


class TimeLeft(Callback):
    """Says once how long a run will take, and knows it at every step after that."""

    def __init__(self, prepared: PreparedRun, data: ReviewsDataModule, screen: Screen) -> None:
        self.prepared, self.config, self.screen = prepared, prepared.resolved.config, screen
        self.train_tokens = [
            int(data.train.lengths(epoch).sum()) * readings(self.config.model, epoch)
            for epoch in range(self.config.trainer.max_epochs)
        ]
        """Those that the network reads in each epoch."""
        self.val_tokens = int(data.val.lengths.sum())
        # The reviews of test are scored too, and are as long as those of val.
        test_tokens = len(prepared.resolved.splits.test) * self.val_tokens / len(data.val)
        self.scored_tokens = self.val_tokens + test_tokens
        self.training, self.validation, self.scoring = _Rate(), _Rate(), _Rate()
        self.done = 0
        """Batches of all epochs."""
        self.steps, self.start = -1, 0.0

    def seconds(self, trainer: Trainer) -> tuple[float, float] | None:
        """Those that are left of the fit, and those behind it; None before the first steps."""
        if not self.scoring.tokens:
            return None
        per_epoch, done = int(trainer.num_training_batches), self.done
        total = int(trainer.max_epochs or 1) * per_epoch
        every = max(1, int(trainer.val_check_batch or per_epoch))
        validations = total // every - done // every
        one = self.validation.of(self.val_tokens)
        if not self.validation.tokens:
            one = self.training.of(self.val_tokens) / _PASSES
        epoch, of_it = divmod(done, per_epoch)
        left = float(sum(self.train_tokens[epoch:]))
        if of_it:
            left -= of_it / per_epoch * self.train_tokens[epoch]
        fit = self.training.of(left) + validations * one
        behind = self.scoring.of(self.scored_tokens)
        if self.config.report and not self.config.container:
            behind += _PAGE_SECONDS
        return fit, behind

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # A run that goes on behind an epoch's end has its batches still in Lightning's progress.
        per_epoch, each = int(trainer.num_training_batches), trainer.accumulate_grad_batches
        epoch, steps = divmod(trainer.global_step, math.ceil(per_epoch / each))
        self.done = epoch * per_epoch + steps * each

    def on_train_batch_start(self, *args: Any, **kwargs: Any) -> None:
        self.start = time.perf_counter()

    on_validation_start = on_train_batch_start

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.steps += 1
        self.done += 1
        if self.steps:
            read = readings(self.config.model, trainer.current_epoch)
            self.training.add(self.start, batch.input_ids.numel() * read)
        known = self.steps >= _STEPS and self.training.seconds >= _SECONDS
        if known and not self.scoring.tokens:
            self._probe(batch)
            if left := self.seconds(trainer):
                self._say(*left)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.validation.add(self.start, self.val_tokens)

    def _probe(self, batch: Batch) -> None:
        """Scores some reviews as those of test will be. A GPU takes no time that matters."""
        start, ids = time.perf_counter(), batch.input_ids[:_PROBED].cpu().numpy()
        module, pad_id = self.prepared.module, self.prepared.tokenizer.pad_id
        precision = self.prepared.device.eval_precision
        engine = TorchEngine(module.network, pad_id, module.device, precision, _PROBED)
        lengths = (ids != pad_id).sum(1)
        engine.logits(lengths, lambda rows: [ids[row][: lengths[row]] for row in rows])
        module.train()
        self.scoring.add(start, int(lengths.sum()))

    def _say(self, fit: float, behind: float) -> None:
        if not self.screen.bar:
            self.screen.say(
                f"about {duration(fit + behind)} to go: {duration(fit)} of training,"
                f" {duration(behind)} of testing and reporting"
            )
        if fit + behind > _LONG_SECONDS and self.prepared.device.accelerator == "cpu":
            self.screen.warn(
                "a long run on a CPU",
                f"about {duration(fit + behind)} to go; quicker: experiment=quickstart, or fewer"
                " reviews (data.train_size), tokens (data.train_max_length) or epochs"
                " (trainer.max_epochs)",
            )
