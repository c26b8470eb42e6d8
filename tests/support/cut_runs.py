"""Runs that were cut off in the middle, and what can be done to their files."""

import os
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from imdb_cls.config import parse
from imdb_cls.training.checkpoints import Stopped
from imdb_cls.training.fit import train
from tests.support.configs import composed

# The first of its four validations is the best: a run that forgets it ends with another model.
FALLING = ("metric=val/loss", "model.learning_rate=0.05", "trainer.max_epochs=4")


class Cut(Callback):
    """Ends a fit after a step, without a checkpoint."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, *args: Any) -> None:
        if trainer.global_step == self.step:
            raise Stopped(signal.SIGTERM)


def make_cut_runs(tiny: list[str], path: Path) -> None:
    """whole/ was never stopped; cut/ is the same run, stopped in its third epoch of six steps;
    other/ is another run of the same network."""

    def make(name: str, *overrides: str, callbacks: Sequence[Callback] = ()) -> None:
        config = parse(composed(*tiny, *FALLING, *overrides))
        train(config, path / name, lambda stand_ins: config, [], callbacks=callbacks)

    make("whole")
    with pytest.raises(Stopped):
        make("cut", callbacks=[Cut(16)])
    with pytest.raises(Stopped):
        make("other", "seed=9", callbacks=[Cut(16)])


def truncate(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def zero(file: Path) -> None:
    file.write_bytes(bytes(file.stat().st_size))


def empty(file: Path) -> None:
    file.write_bytes(b"")


def flip(file: Path) -> None:
    """Inverts 256 bytes of the weights."""
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 256] = bytes(b ^ 0xFF for b in content[middle : middle + 256])
    file.write_bytes(content)


def remove(file: Path) -> None:
    file.unlink()


class _Planted:
    """An object that writes a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.write_text, (self.file, "code was run")


def plant(checkpoint: Path, file: Path) -> None:
    """Puts into a checkpoint what writes a file when it is unpickled; its run knows no hashes, as
    that of an older version, so that nothing else gives it away."""
    content = torch.load(checkpoint, weights_only=True)
    torch.save({**content, "extra": _Planted(file)}, checkpoint)
    (checkpoint.parent / "sha256.txt").unlink(missing_ok=True)


def copied(run: Path, target: Path) -> Path:
    """A copy of a run directory."""
    return Path(shutil.copytree(run, target))
