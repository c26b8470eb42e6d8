"""Files that are written as a whole or not at all, locks on them, and their hashes."""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

# How often a lock is tried, and the seconds between.
_TRIES, _PAUSE_S = 20, 0.02


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a path beside `path` to write to. At the end that file takes its name; after an error
    it is deleted."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield partial
        # The bytes must be on the disk before the name is, or a power cut leaves an empty file.
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing_directory(path: Path) -> Iterator[Path]:
    """The same for a directory of files."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield partial
        shutil.rmtree(path, ignore_errors=True)
        partial.rename(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, values: Any) -> None:
    write_text(path, json.dumps(values, indent=2, ensure_ascii=False) + "\n")


def lock(file: IO[Any] | int) -> bool:
    """Locks an open file or directory until this process closes it. Gives whether it could: a
    process that only looks whether it is locked holds a lock for a moment, which is waited for."""
    for _ in range(_TRIES):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(_PAUSE_S)
    return False


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
