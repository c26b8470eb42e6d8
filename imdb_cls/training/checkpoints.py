"""When best.ckpt and last.ckpt are written."""

import functools
import signal
import time
from pathlib import Path
from types import FrameType
from typing import Any

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint, ModelCheckpoint

from imdb_cls.names import lower_is_better
from imdb_cls.runs.run import Run
from imdb_cls.training.loggers.table import table_of


class Stopped(BaseException):
    """A signal asked the run to end. During the fit it is raised after last.ckpt was written."""

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.signum = signum


class Pruned(BaseException):
    """A trial ends before its last epoch, because other trials of its sweep are better."""


def best_checkpoint(run: Run, metric: str) -> ModelCheckpoint:
    """Keeps best.ckpt: the weights with the best `metric` so far."""
    return ModelCheckpoint(
        dirpath=run.best_checkpoint.parent,
        filename=run.best_checkpoint.stem,
        monitor=metric,
        mode=mode(metric),
        save_top_k=1,
        save_weights_only=True,
        enable_version_counter=False,
        auto_insert_metric_name=False,
    )


def mode(metric: str) -> str:
    """Whether a metric is to be minimized or maximized, as Lightning calls it."""
    return "min" if lower_is_better(metric) else "max"


class LastCheckpoint(Checkpoint):
    """Writes last.ckpt, with everything needed to go on: every `minutes`, after every epoch, and
    when SIGTERM or SIGINT asks to stop. A second SIGINT stops at once.

    Lightning calls the callbacks that are Checkpoints after all others, in the order of its list:
    this one stands last in it, so that it saves what best_checkpoint and early stopping have just
    decided.
    """

    def __init__(self, path: Path, minutes: float) -> None:
        self.path, self.seconds = path, 60 * minutes
        self._saved = time.monotonic()
        self._signum: int | None = None
        self._previous: dict[int, Any] = {}
        self._stopped_early = False

    def state_dict(self) -> dict[str, Any]:
        return {"stopped_early": self._stopped_early}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._stopped_early = state_dict["stopped_early"]

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint["table"] = table_of(trainer).rows

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._saved = time.monotonic()
        trainer.should_stop = trainer.should_stop or self._stopped_early
        for signum in (signal.SIGTERM, signal.SIGINT):
            self._previous[signum] = signal.signal(signum, self._note)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        # A run can only be resumed between two steps of the optimizer. Before a validation none is
        # saved, because the resumed run would leave the validation out.
        step_done = (batch_idx + 1) % trainer.accumulate_grad_batches == 0
        validation_follows = (batch_idx + 1) % int(trainer.val_check_batch or 1) == 0
        if step_done and not trainer.is_last_batch and not validation_follows:
            self._save(trainer, due=time.monotonic() - self._saved >= self.seconds)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._stopped_early = trainer.should_stop
        self._save(trainer, due=True)

    def on_train_end(self, *args: Any, **kwargs: Any) -> None:
        for signum, handler in self._previous.items():
            signal.signal(signum, handler)
        self._previous.clear()

    on_exception = on_train_end

    def _save(self, trainer: Trainer, due: bool) -> None:
        """Saves if it is due or a signal came. All ranks do as soon as one of them has a reason."""
        on_any_rank = functools.partial(trainer.strategy.reduce_boolean_decision, all=False)
        stop = on_any_rank(self._signum is not None)
        if stop or on_any_rank(due):
            trainer.save_checkpoint(self.path)
            self._saved = time.monotonic()
        if stop:
            raise Stopped(self._signum or signal.SIGTERM)

    def _note(self, signum: int, frame: FrameType | None) -> None:
        if self._signum is not None and signum == signal.SIGINT:
            raise Stopped(signum)
        self._signum = signum
