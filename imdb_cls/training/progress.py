"""The progress bar of a fit."""

from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from rich.progress import TextColumn

from imdb_cls.terminal import clock, progress_bar
from imdb_cls.training.time_left import TimeLeft

# What the bar shows of the metrics, and how it calls them.
_SHOWN = {"train/loss": "loss", "val/loss": "val loss", "val/accuracy": "val accuracy"}


class FitProgress(Callback):
    """One bar over the batches of all epochs, with the end of the whole run, the latest losses and
    val accuracy."""

    def __init__(self, left: TimeLeft) -> None:
        end = TextColumn("{task.fields[left]}", markup=False)
        self.left, self.bar = left, progress_bar(left.screen.console, end)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        total = int(trainer.max_epochs or 1) * int(trainer.num_training_batches)
        done = self.left.done
        self.task = self.bar.add_task("training", total=total, completed=done, figures="", left="")
        self.bar.start()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._describe(trainer, f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}")

    on_validation_end = on_train_epoch_start

    def on_train_batch_end(self, trainer: Trainer, *args: Any, **kwargs: Any) -> None:
        self.bar.advance(self.task)
        self._describe(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._describe(trainer, "validating")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._describe(trainer, "trained")
        self.bar.stop()

    def on_exception(self, *args: Any, **kwargs: Any) -> None:
        self.bar.stop()

    def _describe(self, trainer: Trainer, what: str | None = None) -> None:
        """Shows the latest figures; with `what`, also what is going on now."""
        latest = trainer.callback_metrics
        figures = [f"{short} {latest[n]:.3f}" for n, short in _SHOWN.items() if n in latest]
        seconds = self.left.seconds(trainer)
        left = "-:--" if seconds is None else clock(sum(seconds))
        self.bar.update(self.task, description=what, figures="  ".join(figures), left=left)
