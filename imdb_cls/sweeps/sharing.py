"""The part of this machine that one of several trials side by side has: cores, or a GPU."""

import fcntl
import os
from pathlib import Path
from typing import IO

import joblib

# Cores that a trial is worth, where the number of trials at once is not given.
_CORES_PER_TRIAL = 4
# This process's place among the others: kept open, and so locked, for as long as it lives.
_place: IO[str] | None = None


def trials_at_once() -> int:
    """As many as there are GPUs; without any, one for every four cores, but at least two."""
    return len(_gpus()) or max(2, joblib.cpu_count() // _CORES_PER_TRIAL)


def take(places: Path, count: int) -> None:
    """Takes one of `count` places for this process, before torch looks for GPUs.

    Args:
        places: a directory for the lock of each.
    """
    global _place
    import torch

    torch.set_num_threads(max(1, joblib.cpu_count() // count))
    gpus = _gpus()
    if _place is not None or not gpus:
        return
    for number in range(count):
        file = (places / f".place-{number}").open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            continue
        _place = file
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus[number % len(gpus)]
        return


def _gpus() -> list[str]:
    """The GPUs that may be used, as CUDA_VISIBLE_DEVICES names them."""
    import torch

    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [name for name in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if name]
    return [str(number) for number in range(torch.cuda.device_count())]
