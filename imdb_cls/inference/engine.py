"""What turns token ids into log-odds: ONNX Runtime's engine here, torch's in network.py."""

import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from imdb_cls.errors import UserError, one_line

Ids = Callable[[npt.NDArray[np.int64]], Sequence[Sequence[int] | npt.NDArray[np.int32]]]


class Engine(Protocol):
    @property
    def name(self) -> str:
        """What it is, for people: onnx int8, torch 32-true."""

    def log_odds(
        self,
        lengths: npt.NDArray[np.int32],
        ids: Ids,
        advance: Callable[[int], None] = lambda done: None,
    ) -> npt.NDArray[np.float64]:
        """[reviews]: log p / (1 - p) of POSITIVE, in the order of `lengths`.

        Args:
            lengths: [reviews], in tokens.
            ids: the token ids of some reviews, by number.
            advance: is told how many reviews were done just now.
        """


class OnnxEngine:
    """One review at a time on every core: nothing is padded, and what a review gets does not depend
    on which others stand beside it (an int8 model's scales are drawn from all that it is given)."""

    def __init__(self, file: Path, threads: int | None = None) -> None:
        """
        Raises:
            UserError: the file is damaged.
        """
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session: Any = onnxruntime.InferenceSession(
                str(file),
                options,
                providers=["CPUExecutionProvider"],
                # Its kernel for an addition and the normalization behind it is slower than the two.
                disabled_optimizers=["SkipLayerNormFusion"],
            )
        except Exception as error:  # onnxruntime raises nothing narrower
            raise UserError(f"{file} cannot be read: {one_line(error)}") from None
        self.threads = threads or cores()
        self._kind = file.suffixes[-2].lstrip(".")

    @property
    def name(self) -> str:
        return f"onnx {self._kind}"

    def log_odds(
        self,
        lengths: npt.NDArray[np.int32],
        ids: Ids,
        advance: Callable[[int], None] = lambda done: None,
    ) -> npt.NDArray[np.float64]:
        found = np.empty(len(lengths), dtype=np.float64)

        def one(row: np.int64) -> None:
            tokens = np.asarray(ids(np.array([row])), dtype=np.int64)
            (logits,) = self._session.run(None, {"input_ids": tokens})
            found[row] = float(logits[0, 1]) - float(logits[0, 0])

        # The longest first: none is left for one core while the others have nothing to do.
        order = np.argsort(-lengths, kind="stable")
        if self.threads == 1 or len(order) == 1:
            for row in order:
                one(row)
                advance(1)
            return found
        with ThreadPoolExecutor(self.threads) as pool:
            for _ in pool.map(one, order):
                advance(1)
        return found


def has_onnxruntime() -> bool:
    return importlib.util.find_spec("onnxruntime") is not None


def has_gpu() -> bool:
    """Whether torch has one to run on. It takes seconds to load, and is asked only where there is
    something to ask for."""
    if not _gpu_may_be_here():
        return False
    import torch

    return torch.cuda.is_available() or torch.backends.mps.is_available()


def _gpu_may_be_here() -> bool:
    """A driver of NVIDIA's or AMD's, or a Mac."""
    if sys.platform == "darwin":
        return True
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    devices = [path for name in ("nvidia[0-9]*", "kfd", "dxg") for path in Path("/dev").glob(name)]
    return bool(devices) and not hidden


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
