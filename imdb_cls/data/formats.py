"""The rows of csv, tsv, json, jsonl and parquet files, one after the other: memory stays flat."""

import csv
import gzip
import io
import json
import re
import sys
import zlib
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq

from imdb_cls.data.reviews import Layout, Row, check_names
from imdb_cls.data.signatures import SHORTEST, check_is_text, conversion
from imdb_cls.errors import UserError, translated
from imdb_cls.names import SEPARATORS, plain_label

ENDINGS = (".csv", ".tsv", ".json", ".jsonl", ".parquet")
_BLANKS = re.compile(r"[ \t\n\r]*")
ALLOWED = f"{', '.join(ENDINGS)}, each also with .gz behind it"
_ADVICE = " Name yours with data.text=… data.label=… (evaluate and predict: text=… label=…)"

Rows = Iterator[tuple[str, Row]]
"""Where each row stands, its file named, and its values by column."""


def ending(path: Path) -> str:
    """The format that a file's name ends in; a .gz behind it does not count."""
    name = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    return name.suffix.lower()


def rows(path: Path, layout: Layout) -> Rows:
    """The rows of a regular file, with the columns of the layout among their values. Raises
    UserError for another format than the name says, bytes that are not UTF-8, a column that is not
    there or stands twice, a row with more or fewer fields than the header, or no rows."""
    readers: dict[str, Callable[[BinaryIO, Path, Layout], Rows]] = {
        **{".csv": _csv, ".tsv": _csv, ".json": _json, ".jsonl": _jsonl, ".parquet": _parquet}
    }
    reader = readers.get(ending(path))
    if reader is None:
        raise UserError(f"{path}: allowed are files that end in {ALLOWED}")
    damaged = (gzip.BadGzipFile, zlib.error, EOFError)
    empty = True
    with translated(f"{path}: not gzip, or damaged", *damaged):
        try:
            with _opened(path) as file:
                head = file.peek(SHORTEST)  # type: ignore[attr-defined]
                if not (reader is _parquet and head.startswith(b"PAR1")):
                    check_is_text(head, path)
                for where, row in reader(file, path, layout):
                    empty = False
                    yield where, row
        except UnicodeDecodeError as error:
            number, line = _first_undecodable(path)
            raise UserError(
                f"{path}, line {number}: not UTF-8 ({error.reason}): {conversion(path, line)}"
            ) from None
    if empty:
        raise UserError(f"{path}: no reviews in it")


def _opened(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb"))


def _first_undecodable(path: Path) -> tuple[int, bytes]:
    """The first line, from 1, that is not UTF-8."""
    with _opened(path) as file:
        lines = enumerate(file, start=1)
        return next((n, line) for n, line in lines if line.decode(errors="ignore").encode() != line)


def _csv(file: BinaryIO, path: Path, layout: Layout) -> Rows:
    csv.field_size_limit(sys.maxsize)
    lines = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    before, header, separator = 0, _header(lines), layout.separator
    # Excel's own way to name the separator.
    if (first := header.strip().strip('"')).startswith("sep=") and len(first) <= len("sep=x"):
        before, header = 1, _header(lines)
        separator = separator if separator != "auto" else first[len("sep=") :] or "\t"
    if separator == "auto":
        separator = "\t" if ending(path) == ".tsv" else _separator(header, layout)
    separator = SEPARATORS.get(separator, separator)
    begin, end = before, "\n"

    def watched() -> Iterator[str]:
        """The lines; `end` is how the last of them ends."""
        nonlocal end
        for line in chain(io.StringIO(header, newline=""), lines):
            end = line[-1] if line[-1] in "\r\n" else end
            yield line

    reader = csv.reader(watched(), delimiter=separator, strict=True)
    try:
        columns, of_header = next(reader, []), end
        check_names("column", layout.columns, columns, str(path), _ADVICE)
        used = {name: columns.index(name) for name in layout.columns}
        for fields in reader:
            begin = before + reader.line_num
            where = f"{path}, line {begin}"
            if end != of_header:
                raise UserError(
                    f"{where}: it ends with {end!r}, but the header with"
                    f" {of_header!r}: put quotes around a text that holds one of them"
                )
            if not fields:
                continue
            if len(fields) != len(columns):
                raise UserError(
                    f"{where}: {len(fields)} fields, not {len(columns)} as in the header:"
                    f" put quotes around a text that holds the separator, which is {separator!r}"
                )
            yield where, {name: fields[number] for name, number in used.items()}
    except csv.Error as error:
        raise UserError(f"{path}, line {begin + 1}: not CSV: {error}") from None


def _header(lines: io.TextIOWrapper) -> str:
    """The first row: a quoted name may span lines."""
    header = line = lines.readline()
    while line and header.count('"') % 2:
        header += (line := lines.readline())
    return header


def _separator(header: str, layout: Layout) -> str:
    """A comma, if the header then has the columns; else the one separator that gives them; if none
    does, the one that is most frequent."""
    by = {
        separator: next(csv.reader(io.StringIO(header, newline=""), delimiter=separator), [])
        for separator in SEPARATORS.values()
    }
    fitting = [s for s, found in by.items() if set(layout.columns) <= set(found)]
    if "," in fitting or len(fitting) == 1:
        return "," if "," in fitting else fitting[0]
    return max(by, key=lambda separator: len(by[separator]))


def _jsonl(file: BinaryIO, path: Path, layout: Layout) -> Rows:
    lines = io.TextIOWrapper(file, encoding="utf-8-sig")
    for number, line in enumerate(lines, start=1):
        if line.strip():
            where = f"{path}, line {number}"
            with translated(f"{where}: not JSON", ValueError, RecursionError):
                row = json.loads(line, object_pairs_hook=_Object)
            yield where, _object(row, where, layout)


def _json(file: BinaryIO, path: Path, layout: Layout) -> Rows:
    """An array of objects, or an object a line."""
    head = file.peek(SHORTEST)  # type: ignore[attr-defined]
    if not head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"["):
        yield from _jsonl(file, path, layout)
        return
    text = file.read().decode("utf-8-sig")
    for number, row in enumerate(_items(text, path), start=1):
        where = f"{path}, item {number}"
        yield where, _object(row, where, layout)


def _items(text: str, path: Path) -> Iterator[Any]:
    """The items of an array one after the other: as objects, all of them would take several times
    the memory of their text."""
    decoder = json.JSONDecoder(object_pairs_hook=_Object)
    at = _after_blanks(text, _after_blanks(text, 0) + 1)
    number, more = 1, text[at : at + 1] != "]"
    while more:
        with translated(f"{path}, item {number}: not JSON", ValueError, RecursionError):
            row, at = decoder.raw_decode(text, at)
        yield row
        at = _after_blanks(text, at)
        if more := text[at : at + 1] == ",":
            number, at = number + 1, _after_blanks(text, at + 1)
    if text[at : at + 1] != "]" or _after_blanks(text, at + 1) < len(text):
        raise UserError(
            f"{path}, behind item {number}: not JSON: no comma, no end of the array, or text behind"
        )


def _after_blanks(text: str, at: int) -> int:
    found = _BLANKS.match(text, at)
    assert found
    return found.end()


class _Object(list[tuple[str, Any]]):
    """A JSON object with every key that stands in it, also where one stands twice."""


def _object(row: Any, where: str, layout: Layout) -> Row:
    if not isinstance(row, _Object):
        raise UserError(f"{where}: not a JSON object: every review needs its own {{…}}")
    check_names("column", layout.columns, [key for key, _ in row], where, _ADVICE)
    return dict(row)


def _parquet(file: BinaryIO, path: Path, layout: Layout) -> Rows:
    kinds = (pa.ArrowException, OSError, UnicodeDecodeError)
    with translated(f"{path}: not Parquet, or damaged", *kinds):
        table = pq.ParquetFile(file)
        schema = table.schema_arrow
        check_names("column", layout.columns, schema.names, str(path), _ADVICE)
        named = class_names(schema, layout, str(path))
        batches = table.iter_batches(batch_size=1024, columns=layout.columns)
        found = (row for batch in batches for row in batch.to_pylist())
        for number, row in enumerate(found, start=1):
            yield f"{path}, row {number}", named(row)


def class_names(schema: pa.Schema, layout: Layout, where: str) -> Callable[[Row], Row]:
    """What puts, into a row, the name that its label's number stands for, where the columns of a
    Hugging Face data set have names for them. Raises UserError for names that mean nothing here."""
    if layout.label is None or b"huggingface" not in (schema.metadata or {}):
        return lambda row: row
    import datasets

    feature = datasets.Features.from_arrow_schema(schema).get(layout.label)
    if not isinstance(feature, datasets.ClassLabel):
        return lambda row: row
    label, names = layout.label, feature.names
    unknown = [name for name in names if plain_label(name) not in layout.labels]
    if unknown and not layout.own_labels:
        raise UserError(
            f"{where}: the labels of {label} are called {', '.join(names)}: say which are which, as"
            f" in data.negative=[{names[0]}] data.positive=[{names[-1]}]"
        )

    def name(row: Row) -> Row:
        number = row[label]
        return {**row, label: names[number]} if number in range(len(names)) else row

    return name
