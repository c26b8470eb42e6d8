"""Files that can be made again at any time, kept in the cache with their checksums."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from imdb_cls.errors import UserError
from imdb_cls.storage import is_sealed, replacing, seal, seal_of
from imdb_cls.terminal import notice


def has(path: Path) -> bool:
    """Whether the cache has this file, unharmed. If it is damaged, says that it is made again."""
    if is_sealed(path):
        return True
    if path.exists():
        notice(f"{path} is damaged, or of an earlier version: it is made again")
    return False


def check_unharmed(path: Path) -> None:
    """Raises UserError if a file of the cache that is in use was damaged."""
    if path.exists() and seal_of(path).exists() and not is_sealed(path):
        raise UserError(f"{path} was damaged while it was in use: run the command again")


@contextlib.contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Gives a path to write to. At the end it is the file `path` of the cache, with a checksum."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        yield partial
        seal(partial, path)
