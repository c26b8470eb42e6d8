"""What is slow to make is made once for all workers of a session."""

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from unittest import mock


def once(shared: Path, name: str, make: Callable[[Path], None]) -> Path:
    """The directory `shared`/`name`. The first worker that asks for it fills it with `make`; the
    others wait until it is filled."""
    path = shared / name
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (path / "made").exists():
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir()
            with mock.patch.dict(os.environ):  # what it sets there is not for the tests
                make(path)
            (path / "made").touch()
    return path
