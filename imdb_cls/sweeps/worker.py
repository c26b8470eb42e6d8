"""The share of this machine that each of several trials side by side gets: cores, or a GPU."""

import contextlib
import fcntl
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import IO

import joblib

# Where the number of trials at once is not given, each trial gets so many cores.
_CORES_PER_TRIAL = 4
# Seconds between two looks at whether the process that started this one still lives, and seconds
# that a trial has to save its checkpoint once that process is gone.
_LOOK_S, _GRACE_S = 1.0, 120.0


def trials_at_once() -> int:
    """One for each GPU; without any, one for every four cores, but at least two."""
    return len(_gpus()) or max(2, joblib.cpu_count() // _CORES_PER_TRIAL)


class Worker:
    """This process, which is one of several that run the trials of a sweep."""

    def __init__(self) -> None:
        self.stopping = False
        self._busy = False
        self._place: IO[str] | None = None

    @contextlib.contextmanager
    def trial(self, places: Path, count: int) -> Iterator[None]:
        """Runs a trial on this process's share of the machine, of `count` whose locks lie in the
        directory `places`. It is taken at the first trial, before torch looks for GPUs."""
        if self._place is None:
            signal.signal(signal.SIGINT, self._interrupted)
            threading.Thread(target=self._end_with, args=(os.getppid(),), daemon=True).start()
            self._take_place(places, count)
        import torch

        torch.set_num_threads(max(1, joblib.cpu_count() // count))
        self._busy = True
        try:
            yield
        finally:
            self._busy = False

    def _take_place(self, places: Path, count: int) -> None:
        """Locks a share that no other process has. The file stays open, and so locked, for as long
        as this process lives."""
        gpus = _gpus()
        for number in range(count):
            self._place = (places / f".place-{number}").open("w")
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(self._place, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if gpus:
                    os.environ["CUDA_VISIBLE_DEVICES"] = gpus[number % len(gpus)]
                return

    def _interrupted(self, signum: int, frame: FrameType | None) -> None:
        """Begins no other trial after Ctrl-C, which reaches every process of the sweep."""
        self.stopping = True
        if self._busy:
            raise KeyboardInterrupt

    def _end_with(self, parent: int) -> None:
        """Ends this process once the one that leads the sweep is gone: nobody would read its
        results."""
        while os.getppid() == parent:
            time.sleep(_LOOK_S)
        self.stopping = True
        os.kill(os.getpid(), signal.SIGTERM)
        until = time.monotonic() + _GRACE_S
        while self._busy and time.monotonic() < until:
            time.sleep(_LOOK_S / 10)
        os._exit(128 + signal.SIGTERM)


worker = Worker()


def _gpus() -> list[str]:
    """The GPUs that may be used, as CUDA_VISIBLE_DEVICES names them."""
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [name for name in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if name]
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]
