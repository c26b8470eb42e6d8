"""Files that are written as a whole or not at all, locks on them, and their hashes."""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from imdb_cls.errors import UserError, missing

# How often a lock is tried, and the seconds between.
_TRIES, _PAUSE_S = 20, 0.02
# File systems allow 255 bytes for a name. A process id, a hash or an ending may follow.
_NAME_BYTES = 200


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a path beside `path` to write to. At the end that file takes its name, with the mode
    that the umask wants, whoever wrote it; after an error it is deleted."""
    partial = _partial(path)
    # A process that was killed, and had our number, may have left one.
    partial.unlink(missing_ok=True)
    try:
        partial.touch()
        mode = partial.stat().st_mode
        yield partial
        partial.chmod(mode)
        # The bytes must be on the disk before the name is, or a power cut leaves an empty file.
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing_directory(path: Path) -> Iterator[Path]:
    """The same for a directory of files."""
    partial = _partial(path)
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir()
        yield partial
        for file in partial.iterdir():
            file.chmod(partial.stat().st_mode & 0o666)
        shutil.rmtree(path, ignore_errors=True)
        partial.rename(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def shortened(name: str, most: int = _NAME_BYTES) -> str:
    """The beginning of a name, in at most so many bytes of UTF-8."""
    return os.fsencode(name)[:most].decode(errors="ignore")


def _partial(path: Path) -> Path:
    return path.with_name(f".{shortened(path.name)}.{os.getpid()}")


def write_text(path: Path, text: str) -> None:
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, values: Any) -> None:
    write_text(path, json.dumps(values, indent=2, ensure_ascii=False) + "\n")


def lock(file: IO[Any] | int) -> bool:
    """Locks an open file or directory until this process closes it. Gives whether it could: a
    process that only looks whether it is locked holds a lock for a moment, which is waited for. On
    a file system without locks it warns, and counts as locked."""
    for _ in range(_TRIES):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_PAUSE_S)
            continue
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
                raise
            warnings.warn(
                f"{getattr(file, 'name', 'a directory')}: this file system has no locks: start no"
                " second command on the same directory",
                stacklevel=2,
            )
        return True
    return False


def held(path: Path) -> bool:
    """Whether a living process has locked a file."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return isinstance(error, BlockingIOError)
    return False


def may_write(path: Path) -> bool:
    """Whether this user may make the file or directory `path`, or write to it."""
    absolute = path.absolute()
    # Path.exists() raises where one may not look.
    there = next(p for p in (absolute, *absolute.parents) if os.path.exists(p))  # noqa: PTH110
    below_file = there != absolute and not there.is_dir()
    return not below_file and os.access(there, os.W_OK | (os.X_OK * there.is_dir()))


def check_writable(path: Path) -> None:
    """Raises UserError if this user may not write there: before the work is done, not after."""
    if not may_write(path):
        file = next((p for p in path.absolute().parents if os.path.isfile(p)), None)  # noqa: PTH113
        why = f"{file} is a file" if file else "Permission denied"
        raise UserError(f"{path} cannot be written: {why}: set output=…")


def readable(path: Path) -> Path:
    """Gives `path`. Raises UserError if there is no such file, or this user may not read it."""
    if not path.is_file():
        raise UserError(f"{path}: {missing(path, 'file')}")
    if not os.access(path, os.R_OK):
        raise UserError(f"{path}: Permission denied: its owner must let you read it")
    return path


def read_file(path: Path) -> bytes:
    """Raises UserError if there is no such file, or this user may not read it."""
    return readable(path).read_bytes()


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def as_recorded(
    file: Path,
    expected: str,
    owner: str,
    record: str,
    mend: str,
    digest: Callable[[Path], str | None] = sha256_of,
) -> Path:
    """Gives `file`. Raises UserError if it is missing, damaged, or of another owner.

    Args:
        expected: its SHA-256; each of several, with a space between them, is right.
        owner: run or model.
        record: the file that has the hash.
        mend: what brings the right one again.
    """
    if not file.is_file():
        said = missing(file, "file").rstrip(".") if file.exists() else "no such file"
        raise UserError(f"{file}: {said}: {mend}")
    if digest(readable(file)) not in expected.split():
        raise UserError(
            f"{file} is damaged, or of another {owner}: its SHA-256 is not the one in {record}:"
            f" {mend}"
        )
    return file


def seal(path: Path, sealed: Path) -> None:
    """Writes the checksum of the file `path` beside `sealed`, the name that it will have. The
    checksum comes first: what has none, or another one, was not written to its end."""
    write_text(seal_of(sealed), f"{sha256_of(path)}  {sealed.name}\n")


def is_sealed(path: Path) -> bool:
    """Whether a file has the bytes that it was sealed with."""
    try:
        expected = seal_of(path).read_text(encoding="utf-8").split()[:1]
        return path.is_file() and expected == [sha256_of(path)]
    except (FileNotFoundError, IsADirectoryError, UnicodeDecodeError):
        return False


def seal_of(path: Path) -> Path:
    """What `sha256sum --check` reads."""
    return path.with_name(f"{path.name}.sha256")
