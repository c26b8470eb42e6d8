"""What a user did wrong or can mend: one line on stderr, exit code 2, no traceback."""

import contextlib
import difflib
import errno
from collections.abc import Iterable, Iterator
from pathlib import Path


class UserError(Exception):
    """One line that names the thing, the value, what is allowed and what to try."""


# What the file system says no with; EFBIG is a file size limit (ulimit -f).
_DISK = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG),
    *(errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENAMETOOLONG),
)


def nearest(word: str, known: Iterable[str]) -> str:
    """A sentence that asks for the nearest known word, or nothing if none is near."""
    match = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" Did you mean '{match[0]}'?" if match else ""


def missing(path: Path, kind: str) -> str:
    """Says that `path` is no file or directory (the `kind`), and which name beside it is near."""
    if path.exists():
        return f"not a {kind}."
    siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    return f"no such {kind}.{nearest(path.name, siblings)}"


@contextlib.contextmanager
def translated(message: str, *kinds: type[Exception]) -> Iterator[None]:
    """Raises what a library raises as a UserError: `message`, then the library's own on one line.

    Args:
        kinds: the exceptions that this is done for.
    """
    try:
        yield
    except kinds as error:
        raise UserError(f"{message}: {one_line(error)}") from None


def one_line(error: BaseException, limit: int = 300) -> str:
    """A library's message on one line of at most `limit` characters."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= limit else text[: limit - 1] + "…"


def as_user_error(error: BaseException) -> UserError | None:
    """The UserError in an exception or in what caused it; a full or read-only disk is one too."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        if isinstance(cause, UserError):
            return cause
        if isinstance(cause, OSError) and cause.errno in _DISK:
            where = cause.filename or "the disk"
            if cause.errno in (errno.EACCES, errno.EPERM):
                return UserError(
                    f"cannot read or write {where}: {cause.strerror}: allow it, or choose another"
                    " place (of a run: hydra.run.dir=… and cache_dir=…)"
                )
            return UserError(
                f"cannot write {where}: {cause.strerror}:"
                " make room, or choose another place (of a run: hydra.run.dir=… and cache_dir=…)"
            )
        cause = cause.__cause__ or cause.__context__
    return None
