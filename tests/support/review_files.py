"""Files of reviews, in every format that is read."""

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from imdb_cls.data import files
from imdb_cls.data.reviews import Layout
from imdb_cls.errors import UserError

Row = dict[str, Any]

ENDINGS = ("csv", "tsv", "json", "jsonl", "parquet")
# Those whose lines are rows.
LINES = ("csv", "tsv", "jsonl")
TABLES = (".csv", ".tsv")
GOOD: Row = {"text": "A fine film.", "label": 1}


def write(path: Path, rows: list[Row]) -> Path:
    """The rows as a file of the format that the name ends in."""
    if path.suffix == ".gz":
        plain = write(path.with_suffix(""), rows)
        path.write_bytes(gzip.compress(plain.read_bytes()))
    elif path.suffix in (".csv", ".tsv"):
        with path.open("w", encoding="utf-8", newline="") as file:
            separator = "\t" if path.suffix == ".tsv" else ","
            writer = csv.DictWriter(file, list(rows[0]), delimiter=separator)
            writer.writeheader()
            writer.writerows(rows)
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows, indent=2), encoding="utf-8")
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def pairs(path: Path) -> list[tuple[str, int | None]]:
    return [(review.text, review.label) for review in files.read(path)]


def refusal(path: Path, text: str = "text", label: str | None = "label") -> str:
    """What reading says is wrong, checked to be one line that names the file."""
    with pytest.raises(UserError) as caught:
        list(files.read(path, Layout(text, label)))
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def place(path: Path, row: int) -> str:
    """How an error names a row that spans one line, counted from 1."""
    if path.suffix in (".json", ".parquet"):
        return f"{path}, {'item' if path.suffix == '.json' else 'row'} {row}: "
    return f"{path}, line {row + (path.suffix in TABLES)}: "
