"""Files that can be made again at any time, kept in the cache with their checksums. Reviews are
Arrow files, which are memory-mapped: memory stays flat, however many there are."""

import contextlib
import hashlib
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa

from imdb_cls.data.reviews import Review
from imdb_cls.errors import UserError
from imdb_cls.storage import is_sealed, replacing, seal, seal_of, shortened
from imdb_cls.terminal import notice

_SCHEMA = pa.schema({"text": pa.string(), "label": pa.int64()})
_ROWS_PER_BATCH = 1000


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


def write_rows(path: Path, schema: pa.Schema, rows: Iterable[dict[str, Any]]) -> None:
    """Writes rows as an Arrow stream. Equal rows give equal bytes."""
    rows = iter(rows)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
        while batch := list(islice(rows, _ROWS_PER_BATCH)):
            writer.write_batch(pa.RecordBatch.from_pylist(batch, schema=schema))


def cached(reviews: Iterable[Review], cache: Path, name: str, key: str) -> datasets.Dataset:
    """Reviews from the cache, where they are written first if it does not have them unharmed.

    Args:
        name: what the file's name begins with; of a longer one, its first part.
        key: what the reviews depend on; its hash ends the file's name.
    """
    digest = hashlib.sha256(key.encode()).hexdigest()[:16]
    target = cache / "reviews" / f"{shortened(name, 60)}-{digest}.arrow"
    if not has(target):
        rows = ({"text": review.text, "label": review.label} for review in reviews)
        with writing(target) as partial:
            write_rows(partial, _SCHEMA, rows)
    return datasets.Dataset.from_file(str(target))
