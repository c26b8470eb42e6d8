"""Reviews in csv, jsonl and parquet files, one after the other: memory stays flat."""

import csv
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from imdb_cls.errors import UserError, nearest, one_line

ENDINGS = (".csv", ".jsonl", ".parquet")
_NAMES = {"0": 0, "1": 1, "negative": 0, "positive": 1, "neg": 0, "pos": 1, "0.0": 0, "1.0": 1}


@dataclass(frozen=True)
class Review:
    """One review; `where` says where it stands, for an error about it."""

    text: str
    label: int | None
    where: str


def read(path: str | Path, text: str = "text", label: str | None = "label") -> Iterator[Review]:
    """The reviews of a file in their order; with `label` None, without labels.

    Raises:
        UserError: no such file or column, a text that is null or empty, a label that is neither,
            bytes that are not UTF-8, or no rows at all.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise UserError(f"{path}: no such file.{nearest(path.name, siblings)}")
    readers = {".csv": _csv, ".jsonl": _jsonl, ".parquet": _parquet}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise UserError(f"{path}: allowed are files that end in {', '.join(ENDINGS)}")
    columns = [text] if label is None else [text, label]
    empty = True
    try:
        for where, row in reader(path, columns):
            empty = False
            yield Review(
                checked_text(row[text], where, text),
                None if label is None else parse_label(row[label], where, label),
                where,
            )
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}, line {_first_undecodable(path)}: not UTF-8 ({error.reason}):"
            " convert it, for example with iconv -t utf-8"
        ) from None
    if empty:
        raise UserError(f"{path}: no reviews in it")


def _first_undecodable(path: Path) -> int:
    """The first line, from 1, that is not UTF-8."""
    number = 0
    with path.open("rb") as file:
        for line in file:
            number += 1
            try:
                line.decode()
            except UnicodeDecodeError:
                break
    return number


def checked_text(value: Any, where: str, column: str = "text") -> str:
    """Raises UserError for a text that is null, no text, or nothing but spaces."""
    if isinstance(value, str) and value.strip():
        if any("\ud800" <= letter <= "\udfff" for letter in value):
            raise UserError(f"{where}: {column} holds half a character, which UTF-8 cannot")
        return value
    what = (
        "null" if value is None else "empty" if isinstance(value, str) else f"no text but {value!r}"
    )
    raise UserError(f"{where}: {column} is {what}: every review needs a text")


def parse_label(value: Any, where: str, column: str = "label") -> int:
    """0 or 1 from a number or a name. Raises UserError for anything else."""
    known = _NAMES.get(str(int(value) if isinstance(value, bool) else value).strip().lower())
    if known is None:
        raise UserError(
            f"{where}: {column}={value!r}: allowed are 0, 1, negative, positive, neg and pos"
        )
    return known


def are_labels(names: list[str]) -> bool:
    """Whether parse_label knows all these names."""
    return all(name.strip().lower() in _NAMES for name in names)


def _need(columns: list[str], found: list[str], path: Path) -> None:
    for column in columns:
        if column not in found:
            raise UserError(
                f"{path}: no column '{column}' among {', '.join(found) or 'none'}."
                f"{nearest(column, found)} Name yours with data.text=… data.label=… (evaluate and"
                " predict: text=… label=…)"
            )


def _csv(path: Path, columns: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    csv.field_size_limit(sys.maxsize)
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file, strict=True)
        try:
            _need(columns, list(rows.fieldnames or []), path)
            for row in rows:
                yield f"{path}, line {rows.line_num}", row
        except csv.Error as error:
            raise UserError(f"{path}, line {rows.line_num + 1}: not CSV: {error}") from None


def _jsonl(path: Path, columns: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            where = f"{path}, line {number}"
            try:
                row = json.loads(line)
            except ValueError as error:
                raise UserError(f"{where}: not JSON: {error}") from None
            if not isinstance(row, dict):
                raise UserError(f"{where}: not a JSON object: every line needs its own {{…}}")
            if any(column not in row for column in columns):
                _need(columns, list(row), Path(where))
            yield where, row


def _parquet(path: Path, columns: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        file = pq.ParquetFile(path)
        _need(columns, file.schema_arrow.names, path)
        number = 0
        for batch in file.iter_batches(batch_size=1024, columns=columns):
            for row in batch.to_pylist():
                number += 1
                yield f"{path}, row {number}", row
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path}: not Parquet, or damaged: {one_line(error)}") from None
