"""What killed processes leave in a run directory: files and directories that they were writing."""

import contextlib
import os
import re
import shutil
from pathlib import Path

from imdb_cls.terminal import is_rank_zero

# The names of imdb_cls.storage, of an export and of a fetch; those of older versions had no number.
_PARTIAL = re.compile(r"\.(?:.+\.(\d+)|(?:export|fetch)-(?:(\d+)-)?\w+)")


def is_partial(name: str) -> bool:
    """Whether a file or directory of this name is being written, or was by a killed process."""
    return _PARTIAL.fullmatch(name) is not None


def remove_leftovers(run: Path) -> None:
    """Deletes them, as far as this user may. No other process may be training the run: if it is on
    another machine, its files would count as left."""
    if not is_rank_zero():
        return
    for directory in (run, run / "checkpoints", run / "model"):
        for path in directory.glob(".*"):
            match = _PARTIAL.fullmatch(path.name)
            if match and not _alive(match[1] or match[2]):
                with contextlib.suppress(OSError):
                    shutil.rmtree(path) if path.is_dir() else path.unlink()


def _alive(process: str | None) -> bool:
    """Whether another process of this machine has this number. A container that is started again
    may give us that of the process that was killed in it."""
    if process is None or int(process) == os.getpid():
        return False
    try:
        with contextlib.suppress(PermissionError):  # it is another user's
            os.kill(int(process), 0)
    except (ProcessLookupError, OverflowError):
        return False
    return True
