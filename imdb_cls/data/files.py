"""Reviews in csv, jsonl and parquet files, one after the other: memory stays flat."""

import csv
import json
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from imdb_cls.errors import UserError, missing, nearest, translated

ENDINGS = (".csv", ".jsonl", ".parquet")
LABEL_NAMES = {"0": 0, "1": 1, "negative": 0, "positive": 1, "neg": 0, "pos": 1, "0.0": 0, "1.0": 1}
_ADVICE = " Name yours with data.text=… data.label=… (evaluate and predict: text=… label=…)"

Row = dict[str, Any]


@dataclass(frozen=True)
class Review:
    """One review; `where` says where it stands, for an error about it."""

    text: str
    label: int | None
    where: str


def read(path: str | Path, text: str = "text", label: str | None = "label") -> Iterator[Review]:
    """The reviews of a file in their order. They have no labels if `label` is None. Raises
    UserError as `rows` and `checked_review` do."""
    columns = [text] if label is None else [text, label]
    for where, row in rows(path, columns):
        yield checked_review(row, where, text, label)


def rows(path: str | Path, columns: list[str]) -> Iterator[tuple[str, Row]]:
    """For each row of a file, where it stands and its values by column, the asked ones among them.
    Raises UserError if there is no such file or column, for bytes that are not UTF-8, and if there
    are no rows."""
    path = Path(path).expanduser()
    if not path.is_file():
        raise UserError(f"{path}: {missing(path, 'file')}")
    readers = {".csv": _csv, ".jsonl": _jsonl, ".parquet": _parquet}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise UserError(f"{path}: allowed are files that end in {', '.join(ENDINGS)}")
    empty = True
    try:
        for place, row in reader(path, columns):
            empty = False
            yield f"{path}, {place}", row
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}, line {_first_undecodable(path)}: not UTF-8 ({error.reason}):"
            " convert it, for example with iconv -t utf-8"
        ) from None
    if empty:
        raise UserError(f"{path}: no reviews in it")


def _first_undecodable(path: Path) -> int:
    """The first line, from 1, that is not UTF-8."""
    with path.open("rb") as file:
        lines = enumerate(file, start=1)
        return next(n for n, line in lines if line.decode(errors="ignore").encode() != line)


def checked_review(row: Row, where: str, text: str = "text", label: str | None = "label") -> Review:
    """The review of a row, from its columns `text` and `label`. Raises UserError as `checked_text`
    and `parse_label` do."""
    given = checked_text(row[text], where, text)
    return Review(given, None if label is None else parse_label(row[label], where, label), where)


def checked_text(value: Any, where: str, column: str = "text") -> str:
    """The text itself. Raises UserError for what is null, no text, or nothing but spaces."""
    if not isinstance(value, str):
        what = "null" if value is None else f"no text but {value!r}"
        raise UserError(f"{where}: {column} is {what}: every review needs a text")
    if not value.strip():
        raise UserError(f"{where}: {column} is empty: every review needs a text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise UserError(f"{where}: {column} holds half a character, which UTF-8 cannot") from None
    return value


def parse_label(value: Any, where: str, column: str = "label") -> int:
    """0 or 1 from a number or a name. Raises UserError for anything else."""
    known = LABEL_NAMES.get(str(int(value) if isinstance(value, bool) else value).strip().lower())
    if known is None:
        raise UserError(
            f"{where}: {column}={value!r}: allowed are 0, 1, negative, positive, neg and pos"
        )
    return known


def check_names(
    kind: str, names: list[str], found: Collection[str], where: str, advice: str = ""
) -> None:
    """Raises UserError if one of the columns or splits (the `kind`) is not among those found."""
    for name in names:
        if name not in found:
            raise UserError(
                f"{where}: no {kind} '{name}' among {', '.join(found) or 'none'}."
                f"{nearest(name, found)}{advice}"
            )


def _csv(path: Path, columns: list[str]) -> Iterator[tuple[str, Row]]:
    csv.field_size_limit(sys.maxsize)
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        try:
            check_names("column", columns, reader.fieldnames or [], str(path), _ADVICE)
            for row in reader:
                yield f"line {reader.line_num}", row
        except csv.Error as error:
            raise UserError(f"{path}, line {reader.line_num + 1}: not CSV: {error}") from None


def _jsonl(path: Path, columns: list[str]) -> Iterator[tuple[str, Row]]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            where = f"{path}, line {number}"
            with translated(f"{where}: not JSON", ValueError):
                row = json.loads(line)
            if not isinstance(row, dict):
                raise UserError(f"{where}: not a JSON object: every line needs its own {{…}}")
            check_names("column", columns, row, where, _ADVICE)
            yield f"line {number}", row


def _parquet(path: Path, columns: list[str]) -> Iterator[tuple[str, Row]]:
    with translated(f"{path}: not Parquet, or damaged", pa.ArrowException, OSError):
        file = pq.ParquetFile(path)
        check_names("column", columns, file.schema_arrow.names, str(path), _ADVICE)
        batches = file.iter_batches(batch_size=1024, columns=columns)
        found = (row for batch in batches for row in batch.to_pylist())
        for number, row in enumerate(found, start=1):
            yield f"row {number}", row
