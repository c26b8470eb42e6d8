"""The progress bar of a fit on a terminal."""

from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from rich.console import Console

from imdb_cls.terminal import progress_bar

_SHOWN = {"train/loss": "loss", "val/loss": "val loss", "val/accuracy": "val accuracy"}


class FitProgress(Callback):
    """One bar over the batches of all epochs, with the latest losses and val accuracy."""

    def __init__(self, console: Console) -> None:
        self.bar = progress_bar(console)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        per_epoch = int(trainer.num_training_batches)
        of_this_epoch = trainer.fit_loop.epoch_loop.batch_progress.current.ready
        done = trainer.current_epoch * per_epoch + of_this_epoch
        total = int(trainer.max_epochs or 1) * per_epoch
        self.task = self.bar.add_task("training", total=total, completed=done, figures="")
        self.bar.start()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._describe(trainer, f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}")

    on_validation_end = on_train_epoch_start

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.bar.advance(self.task)
        self._describe(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._describe(trainer, "validating")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._describe(trainer, "trained")
        self.bar.stop()

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        self.bar.stop()

    def _describe(self, trainer: Trainer, what: str | None = None) -> None:
        """Shows the latest figures; with `what`, also what is going on now."""
        latest = trainer.callback_metrics
        figures = [f"{short} {latest[n]:.3f}" for n, short in _SHOWN.items() if n in latest]
        self.bar.update(self.task, description=what, figures="  ".join(figures))
