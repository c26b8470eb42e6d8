"""Engines turn token ids into log-odds: ONNX Runtime's is here, torch's in network.py."""

import importlib.util
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from imdb_cls.errors import UserError, translated
from imdb_cls.inference.settings import check_file
from imdb_cls.names import LABELS
from imdb_cls.storage import readable

Rows = npt.NDArray[np.int64]
Lengths = npt.NDArray[np.int32]
LogOdds = npt.NDArray[np.float64]
Logits = npt.NDArray[np.float64]
TokenIds = Sequence[Sequence[int] | npt.NDArray[np.int32]]
Ids = Callable[[Rows], TokenIds]
Advance = Callable[[int], None]

# The key of a tensor that lies in another file, as protobuf writes it: field 1, of 8 bytes.
_EXTERNAL = b"\x0a\x08location"


class Engine(ABC):
    @property
    @abstractmethod
    def name(self) -> str:
        """For people: onnx int8, torch 32-true."""

    @abstractmethod
    def logits(self, lengths: Lengths, ids: Ids, advance: Advance = lambda _: None) -> Logits:
        """[reviews, labels], in the order of `lengths`.

        Args:
            lengths: [reviews], in tokens.
            ids: the token ids of some reviews, by number.
            advance: is called with the number of reviews that were just done.
        """

    def log_odds(self, lengths: Lengths, ids: Ids, advance: Advance = lambda _: None) -> LogOdds:
        """[reviews]: log p / (1 - p) of POSITIVE, in the order of `lengths`. See `logits`."""
        logits = self.logits(lengths, ids, advance)
        return np.asarray(logits[:, 1] - logits[:, 0])


class OnnxEngine(Engine):
    """Every core runs one review at a time. So nothing is padded, and a review's result does not
    depend on the others (an int8 model takes its scales from all reviews that it is given)."""

    def __init__(self, file: Path, threads: int | None = None) -> None:
        """Raises UserError if the file is damaged, or no fast model."""
        import onnxruntime

        with (
            translated(f"{file} cannot be read", OSError, ValueError),
            file.open("rb") as opened,
            mmap(opened.fileno(), 0, access=ACCESS_READ) as content,
        ):
            if content.find(_EXTERNAL) >= 0:
                raise UserError(f"{file} keeps weights in other files: a fast model is one file")
        onnxruntime.disable_telemetry_events()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Without VNNI the fast product of signed weights saturates in 16 bits, and a model would
        # label otherwise on another CPU: this takes the exact one there.
        options.add_session_config_entry("session.x64quantprecision", "1")
        with translated(f"{file} cannot be read", Exception):  # onnxruntime has nothing narrower
            self._session: Any = onnxruntime.InferenceSession(
                str(file),
                options,
                providers=["CPUExecutionProvider"],
                # The fused kernel is slower than an addition and a normalization one by one.
                disabled_optimizers=["SkipLayerNormFusion"],
            )
        inputs = [(i.name, i.type, len(i.shape)) for i in self._session.get_inputs()]
        outputs = [o.shape[1:] for o in self._session.get_outputs()]
        if inputs != [("input_ids", "tensor(int64)", 2)] or outputs != [[len(LABELS)]]:
            raise UserError(
                f"{file} takes {', '.join(name for name, *_ in inputs)} and gives {outputs}: a fast"
                " model takes input_ids alone, and gives two logits"
            )
        self._file, self.threads = file, threads or cores()

    @property
    def name(self) -> str:
        return f"onnx {self._file.suffixes[-2].lstrip('.')}"

    def logits(self, lengths: Lengths, ids: Ids, advance: Advance = lambda _: None) -> Logits:
        found = np.empty((len(lengths), len(LABELS)), dtype=np.float64)

        def one(row: np.int64) -> None:
            tokens = np.asarray(ids(np.array([row])), dtype=np.int64)
            with translated(f"{self._file} is no model for these tokens", Exception):
                (logits,) = self._session.run(None, {"input_ids": tokens})
            found[row] = logits[0]

        # The longest go first, so that the cores finish at about the same time.
        order = np.argsort(-lengths, kind="stable")
        alone = self.threads == 1 or len(order) == 1
        with ThreadPoolExecutor(self.threads) as pool:
            for _ in (map if alone else pool.map)(one, order):
                advance(1)
        return found


def open_fast(model: Path, file: str | None, threads: int | None = None) -> OnnxEngine | None:
    """The engine of the fast model, the `file` of a model/ directory. None if it has none; without
    ONNX Runtime too, which is said. Raises UserError if it is damaged or missing."""
    if file is None:
        return None
    if importlib.util.find_spec("onnxruntime") is None:
        print(f"{file} is left aside: onnxruntime is not installed: torch labels", file=sys.stderr)
        return None
    readable(model / file)
    check_file(model, file)
    return OnnxEngine(model / file, threads)


def has_gpu() -> bool:
    """Whether torch can run on a GPU. It takes seconds to load, and is not asked if this is no Mac
    and there is no driver of NVIDIA or AMD."""
    if sys.platform != "darwin":
        hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
        drivers = ("nvidia[0-9]*", "kfd", "dxg")
        if hidden or not any(path for name in drivers for path in Path("/dev").glob(name)):
            return False
    import torch

    return torch.cuda.is_available() or torch.backends.mps.is_available()


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
