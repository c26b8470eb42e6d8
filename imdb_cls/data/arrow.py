"""Reviews as Arrow files, which are memory-mapped: memory stays flat, however many there are."""

import hashlib
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa

from imdb_cls.data.cache import has, writing
from imdb_cls.data.reviews import Review
from imdb_cls.storage import shortened

_SCHEMA = pa.schema({"text": pa.string(), "label": pa.int64()})
_ROWS_PER_BATCH = 1000


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
