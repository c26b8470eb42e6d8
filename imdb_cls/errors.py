"""Errors that a user can mend, and how any error is said on one line."""

import contextlib
import difflib
import errno
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path


class UserError(Exception):
    """One line that names the thing, the value, what is allowed and what to try. A command that
    ends with it prints that line on stderr, without a traceback, and has the exit code 2."""


# Modules whose absence is our bug; without a name nothing can be said.
_OURS = ("", "imdb_cls", "launch")
# Where the file system refuses to write, or to read: what was tried, and what helps. EFBIG is a
# limit on the size of files (ulimit -f).
_REMEDIES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), ("write", "make room")),
    **dict.fromkeys((errno.EACCES, errno.EPERM), ("read or write", "allow it")),
    **dict.fromkeys((errno.ENOTDIR, errno.EEXIST, errno.EISDIR), ("write", "move it away")),
    errno.ENAMETOOLONG: ("use", "take a shorter name"),
    errno.EROFS: ("write", "mount it for writing"),
}

# What a path can lead to, by its letter in `ls -l`.
_KINDS = {"-": "file", "d": "directory", "p": "pipe", "c": "device", "b": "device", "s": "socket"}


def nearest(word: str, known: Iterable[str]) -> str:
    """A sentence that asks for the nearest known word, or nothing if none is near."""
    match = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" Did you mean '{match[0]}'?" if match else ""


def missing(path: Path, kind: str) -> str:
    """Says that `path` is no file or directory (the `kind`), and which name beside it is near."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        if path.is_symlink():
            return f"a symbolic link to {path.readlink()}, which does not exist."
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        return f"no such {kind}.{nearest(path.name, siblings)}"
    except OSError as error:
        if error.errno == errno.ELOOP:
            return "a symbolic link that leads back to itself."
        raise
    return f"not a {kind} but a {_KINDS[stat.filemode(mode)[0]]}."


@contextlib.contextmanager
def translated(message: str, *kinds: type[Exception]) -> Iterator[None]:
    """Raises what a library raises of these kinds as a UserError: `message`, then the library's own
    on one line."""
    try:
        yield
    except kinds as error:
        raise UserError(f"{message}: {one_line(error)}") from None


# What a terminal or a browser would obey: control characters have a visible sign each in Unicode;
# the direction of writing can be reversed, and half a character (of a file's name) shown nowhere.
_SIGNS = {
    **{code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n\r"},
    0x7F: 0x2421,
    **dict.fromkeys([*range(0x80, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)], 0xFFFD),
    **dict.fromkeys(range(0xD800, 0xE000), 0xFFFD),
}


def printable(text: str) -> str:
    """A text whose control characters can be seen and do nothing."""
    return text.translate(_SIGNS)


def one_line(message: object, limit: int = 300) -> str:
    """A message, such as an exception of a library, on one line of at most `limit` characters."""
    text = printable(" ".join(str(message).split())) or type(message).__name__
    return text if len(text) <= limit else text[: limit - 1] + "…"


def as_user_error(error: BaseException) -> UserError | None:
    """The UserError that an exception is or was caused by; None if there is none. A disk that
    refuses to be written to or read is one, and a package that is not installed."""
    if isinstance(error, ModuleNotFoundError) and (error.name or "").split(".")[0] not in _OURS:
        return UserError(
            f"{error.name} is not installed, and this takes it: pip install -c constraints.txt -e ."
            " brings all of imdb_cls (launch/requirements.txt is for machines that only submit)"
        )
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        if isinstance(cause, UserError):
            return cause
        if isinstance(cause, OSError) and cause.errno in _REMEDIES:
            tried, mend = _REMEDIES[cause.errno]
            return UserError(
                f"cannot {tried} {cause.filename or 'the disk'}: {cause.strerror}: {mend}, or"
                " choose another place (output=…; of a run: hydra.run.dir=… and cache_dir=…)"
            )
        cause = cause.__cause__ or cause.__context__
    return None
