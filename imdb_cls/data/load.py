"""The splits of a run: drawn from their source, or as a remote job is sent them."""

import json
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa

from imdb_cls.config import DataConfig
from imdb_cls.data import sources
from imdb_cls.data.splits import Split, Splits, choose, fingerprint_of
from imdb_cls.errors import UserError, one_line
from imdb_cls.storage import write_json

_NAMES = ("train", "val", "test")
_SCHEMA = pa.schema({"text": pa.string(), "label": pa.int64(), "row": pa.int64()})
_ROWS_PER_BATCH = 1000


def load(config: DataConfig, cache: Path) -> Splits:
    """The splits that a config asks for.

    Raises:
        UserError: as sources.load and splits.choose do.
        HubUnreachable: the reviews are on the Hub, which does not answer.
    """
    return (
        read(Path(config.splits)) if config.splits else choose(sources.load(config, cache), config)
    )


def write(splits: Splits, directory: Path) -> None:
    """Writes the three splits as Arrow files. Equal splits give equal bytes."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in _NAMES:
        split: Split = getattr(splits, name)
        with (
            pa.OSFile(str(directory / f"{name}.arrow"), "wb") as sink,
            pa.ipc.new_stream(sink, _SCHEMA) as writer,
        ):
            for start in range(0, len(split), _ROWS_PER_BATCH):
                part = split.reviews[start : start + _ROWS_PER_BATCH]
                rows = split.rows[start : start + _ROWS_PER_BATCH]
                columns = [list(part["text"]), list(part["label"]), rows]
                writer.write_batch(pa.record_batch(columns, schema=_SCHEMA))
    write_json(
        directory / "splits.json",
        {
            "fingerprint": splits.fingerprint,
            "removed": splits.removed,
            "splits": {name: getattr(splits, name).fingerprint for name in _NAMES},
        },
    )


def read(directory: Path) -> Splits:
    """What `write` wrote, every review checked against its fingerprint.

    Raises:
        UserError: a file is missing or damaged.
    """
    try:
        described = json.loads((directory / "splits.json").read_text(encoding="utf-8"))
        fingerprints, whole = dict(described["splits"]), str(described["fingerprint"])
        removed = int(described["removed"])
        parts = {name: _split(directory / f"{name}.arrow") for name in _NAMES}
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowInvalid) as error:
        raise UserError(f"data.splits={directory}: {one_line(error)}") from None
    for name, split in parts.items():
        if split.fingerprint != fingerprints.get(name):
            raise UserError(f"data.splits={directory}: {name}.arrow is damaged")
    return Splits(**parts, fingerprint=whole, removed=removed)


def _split(path: Path) -> Split:
    table = datasets.Dataset.from_file(str(path))
    rows = np.asarray(table.with_format("numpy")["row"][:], dtype=np.int64)
    reviews = table.remove_columns("row")
    return Split(reviews, rows, fingerprint_of(reviews))
