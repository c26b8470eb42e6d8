"""The files in checkpoints/: each is whole or not there, is verified before it is used, and cannot
run code.

best.ckpt and last.ckpt; previous.ckpt, which was last.ckpt before; sha256.txt, the hashes of the
latest checkpoints that the run wrote, each with its name.
"""

import os
import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO
from torch import Tensor

from imdb_cls.errors import UserError, one_line
from imdb_cls.runs.run import Run
from imdb_cls.storage import replacing, sha256_of, write_text
from imdb_cls.terminal import is_rank_zero

Checkpoint = dict[str, Any]

# What only last.ckpt has.
_ALL_STATES = ("callbacks", "optimizer_states", "lr_schedulers", "loops")
# So many hashes of a name are kept: in the copy of a job in S3, sha256.txt may be of a later moment
# than last.ckpt.
_HASHES = 20


class Unusable(UserError):
    """Says what is wrong with a checkpoint, and begins with its name."""


def read(path: Path) -> Checkpoint:
    """A checkpoint as the run wrote it, on the CPU. Without sha256.txt, as in the directories of
    older versions, the sums inside the file itself are checked. Raises Unusable."""
    if not path.is_file():
        raise Unusable(f"{path.name} is missing")
    known = _hashes(path.parent)
    if known and sha256_of(path) not in (line.split()[0] for line in known):
        raise Unusable(f"{path.name} is not as this run wrote it")
    try:
        _check_archive(path, sums=not known)
        # Tensors, numbers, texts, lists and dictionaries: torch refuses a file of any other class.
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except (OSError, Unusable):
        raise
    except pickle.UnpicklingError:
        raise Unusable(f"{path.name} holds more than weights and plain values") from None
    except Exception as error:  # whatever the bytes of a damaged file make a parser raise
        raise Unusable(f"{path.name} is damaged ({one_line(error, 80)})") from None


def _check_archive(path: Path, sums: bool) -> None:
    """torch.load reads other formats too, and in torch 2.5 weights_only does not make them safe."""
    with path.open("rb") as file:
        begins = file.read(4)
    with zipfile.ZipFile(path) as archive:
        script = any(name.endswith("/constants.pkl") for name in archive.namelist())
        if begins != b"PK\x03\x04" or script:
            raise Unusable(f"{path.name} is not a checkpoint")
        if sums and (record := archive.testzip()):
            raise Unusable(f"{path.name} is damaged (in {record})")


def _hashes(directory: Path) -> list[str]:
    """The lines of sha256.txt, the latest last."""
    file = directory / "sha256.txt"
    text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    return re.findall(r"^[0-9a-f]{64}  \S+$", text, re.MULTILINE)


def _add_hash(path: Path, written: Path) -> None:
    """Puts the hash of what is to be `path`, and is in `written` so far, into sha256.txt."""
    known, of_path = _hashes(path.parent), f"  {path.name}"
    lines = [line for line in known if not line.endswith(of_path)]
    lines += [line for line in known if line.endswith(of_path)][1 - _HASHES :]
    text = "\n".join([*lines, f"{sha256_of(written)}{of_path}"])
    write_text(path.parent / "sha256.txt", f"{text}\n")


class CheckpointFiles(TorchCheckpointIO):
    """Writes the checkpoints of a run for Lightning, and finds the one that it goes on from."""

    def __init__(self, run: Run) -> None:
        self.run, self.last = run, run.last_checkpoint
        self.previous = self.last.with_name("previous.ckpt")
        self.refused: list[str] = []
        """Why `newest` did not take a newer one."""
        self._found: Checkpoint | None = None
        self._last_is_whole = True

    def newest(self, weights: Mapping[str, Tensor]) -> tuple[Path, Checkpoint] | None:
        """The newest checkpoint that is whole, is of this run, fits `weights`, and whose best.ckpt
        is there; None if there is none. Every rank finds the same."""
        for path in (self.last, self.previous):
            if path.exists():
                try:
                    self._found = self._usable(path, weights)
                except Unusable as error:
                    self.refused.append(str(error))
                else:
                    self._last_is_whole = path == self.last
                    return path, self._found
        self._last_is_whole = False
        return None

    def save_checkpoint(
        self, checkpoint: Checkpoint, path: str | Path, storage_options: Any = None
    ) -> None:
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial:
            with partial.open("wb") as file:
                torch.save({**checkpoint, "run": self.run.info().logger_id}, file)
                file.flush()
                os.fsync(file.fileno())
            _add_hash(path, partial)
            if path.name == self.last.name:
                if self._last_is_whole and path.is_file():
                    path.replace(self.previous)
                self._last_is_whole = True

    def load_checkpoint(self, *args: Any, **kwargs: Any) -> Checkpoint:
        """What `newest` has found."""
        found, self._found = self._found, None
        assert found is not None
        return found

    def _usable(self, path: Path, weights: Mapping[str, Tensor]) -> Checkpoint:
        checkpoint, best = self._own(path, weights), self.run.best_checkpoint
        if absent := [name for name in _ALL_STATES if name not in checkpoint]:
            raise Unusable(f"{path.name} has no {absent[0]}")
        states = checkpoint["callbacks"]
        for name in [name for name in states if "best_model_score" in states[name]]:
            score, step = states[name]["best_model_score"], checkpoint["global_step"]
            if score is not None and self._own(best, weights)["global_step"] <= step:
                states[name] |= _best_here(best, score)
            else:
                # Nothing was best yet, or it has been overwritten since. The fit comes to that
                # later best.ckpt again, as no validation before that one is better.
                del states[name]
        if is_rank_zero() and not _hashes(path.parent):
            for file in (path, best):
                if file.is_file():
                    _add_hash(file, file)
        return checkpoint

    def _own(self, path: Path, weights: Mapping[str, Tensor]) -> Checkpoint:
        checkpoint = read(path)
        theirs = checkpoint.get("state_dict", {})
        fits = {name: value.shape for name, value in theirs.items()} == {
            name: value.shape for name, value in weights.items()
        }
        # Checkpoints of older versions do not name their run.
        if not fits or checkpoint.get("run") not in (None, self.run.info().logger_id):
            raise Unusable(f"{path.name} is of another run")
        return checkpoint


def _best_here(best: Path, score: Tensor) -> dict[str, Any]:
    """What Lightning's ModelCheckpoint remembers of best.ckpt, wherever the run lies now. It
    forgets its best if the directory has changed, and would delete a file that it remembers."""
    here = best.resolve()
    return {
        "dirpath": str(here.parent),
        "best_model_path": str(here),
        "kth_best_model_path": str(here),
        "best_k_models": {str(here): score},
        "last_model_path": "",
    }
