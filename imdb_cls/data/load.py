"""The splits of a run: drawn from their source, or read as they were sent to a remote job."""

import json
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa

from imdb_cls.config import DataConfig
from imdb_cls.data import sources
from imdb_cls.data.arrow import write_rows
from imdb_cls.data.splits import SPLITS, Split, Splits, draw_splits, in_order
from imdb_cls.errors import UserError, translated
from imdb_cls.storage import write_json

_SCHEMA = pa.schema({"text": pa.string(), "label": pa.int64(), "row": pa.int64()})


def load_splits(config: DataConfig, cache: Path) -> Splits:
    """The splits that a config asks for. Raises UserError as sources.load and draw_splits do, and
    HubUnreachable if the reviews are on the Hub, which does not answer."""
    if config.splits:
        return read_splits(Path(config.splits))
    return draw_splits(sources.load(config, cache), config)


def write_splits(splits: Splits, directory: Path) -> None:
    """Writes the three splits as Arrow files. Equal splits give equal bytes."""
    directory.mkdir(parents=True, exist_ok=True)
    parts: dict[str, Split] = {name: getattr(splits, name) for name in SPLITS}
    for name, split in parts.items():
        tables = split.reviews.with_format("arrow").iter(batch_size=1000)
        reviews = (review for table in tables for review in table.to_pylist())
        numbered = zip(reviews, split.rows.tolist(), strict=True)
        rows = ({**review, "row": row} for review, row in numbered)
        write_rows(directory / f"{name}.arrow", _SCHEMA, rows)
    described = {
        "fingerprint": splits.fingerprint,
        "removed": splits.removed,
        "left_out": splits.left_out,
        "splits": {name: split.fingerprint for name, split in parts.items()},
    }
    write_json(directory / "splits.json", described)


def read_splits(directory: Path) -> Splits:
    """What write_splits wrote; every review is checked against its split's fingerprint. Raises
    UserError if a file is missing or damaged."""
    with translated(f"data.splits={directory}", OSError, ValueError, KeyError, TypeError):
        described = json.loads((directory / "splits.json").read_text(encoding="utf-8"))
        fingerprints, whole = dict(described["splits"]), str(described["fingerprint"])
        removed, left_out = int(described["removed"]), int(described["left_out"])
        parts: dict[str, Split] = {}
        for name in SPLITS:
            table = datasets.Dataset.from_file(str(directory / f"{name}.arrow"))
            rows = np.asarray(table.with_format("numpy")["row"][:], dtype=np.int64)
            parts[name] = in_order(table.remove_columns("row"), rows)
    for name, split in parts.items():
        if split.fingerprint != fingerprints.get(name):
            raise UserError(f"data.splits={directory}: {name}.arrow is damaged")
    return Splits(**parts, fingerprint=whole, removed=removed, left_out=left_out)
