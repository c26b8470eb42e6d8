"""Files of reviews that are broken, ambiguous or made to harm."""

import gzip
import json
import os
import random
import socket
import struct
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.support.review_files import ENDINGS, write
from torture.cases import Case, End, Kind, Verdict
from torture.damaged import evaluated
from torture.lab import Lab

Rows = list[dict[str, Any]]
ROWS: Rows = [
    {"text": "A fine film.", "label": 1},
    {"text": 'He said "no", then\n"yes".', "label": 0},
    {"text": "Étonnant, 傑作 \U0001f3ac", "label": 1},
    {"text": "What a waste, of time; really", "label": 0},
    {"text": "i liked it", "label": 1},
]
# A file, as it is to be written; gives the reviews that it may be read as, or None: it is refused.
Harm = Callable[[Path, random.Random], Rows | None]


def _changed(**values: Any) -> Harm:
    """One row has these values: no review, or a label that is none."""

    def harm(path: Path, chance: random.Random) -> None:
        rows = [dict(row) for row in ROWS]
        rows[chance.randrange(len(rows))] |= values
        if path.suffix == ".parquet":
            rows = [{name: str(value) for name, value in row.items()} for row in rows]
        write(path, rows)

    return harm


def _bytes(change: Callable[[bytes, random.Random], bytes], readable: bool = False) -> Harm:
    def harm(path: Path, chance: random.Random) -> Rows | None:
        write(path, ROWS)
        path.write_bytes(change(path.read_bytes(), chance))
        return ROWS if readable else None

    return harm


def _text(**by_ending: str) -> Harm:
    """The whole text of a file by its ending; refused."""

    def harm(path: Path, chance: random.Random) -> None:
        path.write_text(by_ending.get(path.suffix[1:], "\x00"), encoding="utf-8")

    return harm


def _labels(negative: Any, positive: Any) -> Harm:
    def harm(path: Path, chance: random.Random) -> Rows:
        write(path, [{**row, "label": (negative, positive)[row["label"]]} for row in ROWS])
        return ROWS

    return harm


def _twice(path: Path, chance: random.Random) -> None:
    """The label stands twice, and says two things."""
    if path.suffix == ".parquet":
        texts = pa.array([row["text"] for row in ROWS])
        labels = [pa.array([row["label"] ^ turned for row in ROWS]) for turned in (0, 1)]
        pq.write_table(pa.table([texts, *labels], names=["text", "label", "label"]), path)
    elif path.suffix in (".csv", ".tsv"):
        mark = "," if path.suffix == ".csv" else "\t"
        path.write_text(f"text{mark}label{mark}label\nfine{mark}1{mark}0\n")
    else:
        row = '{"text": "fine", "label": 1, "label": 0}'
        path.write_text(f"[{row}]" if path.suffix == ".json" else f"{row}\n")


def _kind(make: Callable[[Path], object]) -> Harm:
    """What is no file."""

    def harm(path: Path, chance: random.Random) -> None:
        make(path)

    return harm


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as found:
        here = Path.cwd()
        found.bind(os.path.relpath(path, here))


def _foreign(path: Path, chance: random.Random) -> None:
    """The bytes of another kind of file."""
    other = path.with_name("other")
    kind = chance.choice(["zip", "png", "gzip", "elf", "parquet", "csv", "noise"])
    if kind == "zip":
        with zipfile.ZipFile(other, "w") as archive:
            archive.writestr("xl/workbook.xml", "<x/>")
    elif kind == "gzip":
        other.write_bytes(gzip.compress(b"text,label\nfine,1\n"))
    elif kind in ("parquet", "csv"):
        ending = "csv" if path.suffix == ".parquet" else "parquet"
        write(other.with_suffix(f".{ending}"), ROWS).rename(other)
    else:
        begin = {"png": b"\x89PNG\r\n\x1a\n", "elf": b"\x7fELF"}.get(kind, b"")
        other.write_bytes(begin + chance.randbytes(400))
    other.rename(path)


def _bomb(path: Path, chance: random.Random) -> Rows | None:
    """Some kilobytes that are 64 megabytes, of one text."""
    packed = path.with_name(f"{path.name}.gz")
    begin, end = b'{"label": 1, "text": "', b'"}\n'
    with gzip.open(packed, "wb") as file:
        file.write(begin)
        for _ in range(64):
            file.write(b"a" * (1 << 20))
        file.write(end)
    packed.rename(path)
    return [{"text": "a" * (64 << 20), "label": 1}]


def _gzipped(change: Callable[[bytes, random.Random], bytes], readable: bool = False) -> Harm:
    def harm(path: Path, chance: random.Random) -> Rows | None:
        plain = write(path.with_suffix(""), ROWS)
        path.write_bytes(change(gzip.compress(plain.read_bytes()), chance))
        return ROWS if readable else None

    return harm


def _flip(content: bytes, chance: random.Random) -> bytes:
    begin = chance.randrange(len(content) // 4, len(content) - 8)
    return (
        content[:begin] + bytes(255 - b for b in content[begin : begin + 6]) + content[begin + 6 :]
    )


# In the footer: pages have no checksum, unless whoever wrote them wanted one.
_flipped_parquet = _bytes(
    lambda c, chance: c[:-30] + bytes(255 - byte for byte in c[-30:-10]) + c[-10:], readable=True
)


def _encoded(name: str) -> Harm:
    return _bytes(lambda content, chance: content.decode().encode(name, "replace"))


_TABLES, _JSON = ("csv", "tsv"), ("json", "jsonl")
_TEXTS = (*_TABLES, *_JSON)
HARMS: list[tuple[str, tuple[str, ...], Harm]] = [
    (
        "more fields than the header",
        _TABLES,
        _text(csv="text,label\nfine,1,0\n", tsv="text\tlabel\nfine\t1\t0\n"),
    ),
    (
        "fewer fields than the header",
        _TABLES,
        _text(csv="text,label\nfine\n", tsv="text\tlabel\nfine\n"),
    ),
    ("an open quote", ("csv",), _text(csv='text,label\n"fine,1\nbad,0\n')),
    ("a quote inside a field", ("csv",), _text(csv='text,label\n"fi"ne,1\nbad,0\n')),
    ("the label twice", ENDINGS, _twice),
    ("UTF-16", _TEXTS, _encoded("utf-16")),
    ("UTF-16 without a mark", _TEXTS, _encoded("utf-16-le")),
    ("UTF-32", _TEXTS, _encoded("utf-32")),
    ("Latin 1", _TEXTS, _bytes(lambda content, chance: content + "\xe9".encode("latin-1"))),
    (
        "a byte order mark",
        (*_TABLES, "jsonl"),
        _bytes(lambda c, chance: b"\xef\xbb\xbf" + c, True),
    ),
    (
        "blank lines at the end",
        ("csv", "tsv", "jsonl"),
        _bytes(lambda c, chance: c.rstrip() + b"\r\n" * 3, True),
    ),
    ("an empty file", ENDINGS, _kind(Path.touch)),
    ("a header alone", _TABLES, _text(csv="text,label\n", tsv="text\tlabel\n")),
    ("blank lines alone", _TEXTS, _text(**dict.fromkeys(_TEXTS, "\n\n\n"))),
    (
        "cut in the middle",
        ("json", "parquet"),
        _bytes(lambda c, chance: c[: chance.randrange(5, len(c) - 5)]),
    ),
    ("flipped bytes", ("parquet",), _flipped_parquet),
    ("bytes of another kind", ENDINGS, _foreign),
    ("an empty text", ENDINGS, _changed(text="")),
    ("a text of spaces", ENDINGS, _changed(text=" \n\t\u00a0")),
    ("no text", _JSON, _changed(text=None)),
    ("a number as text", _JSON, _changed(text=7)),
    ("a list as text", _JSON, _changed(text=["fine"])),
    ("half a character", _JSON, _changed(text="a \ud800 b")),
    ("a label of 2", ENDINGS, _changed(label=2)),
    ("a label of 0.5", ENDINGS, _changed(label=0.5)),
    ("a label of yes", ENDINGS, _changed(label="yes")),
    ("no label", (*_TABLES, *_JSON), _changed(label=None)),
    ("NaN as label", _JSON, _changed(label=float("nan"))),
    ("infinity as label", _JSON, _changed(label=float("inf"))),
    ("a list as label", _JSON, _changed(label=[1])),
    ("a huge label", _JSON, _changed(label=10**400)),
    ("True and False", ENDINGS, _labels(False, True)),
    ("1.0 and 0.0", ENDINGS, _labels(0.0, 1.0)),
    ("names of labels", ENDINGS, _labels("NEGATIVE", "pos")),
    ("deep nesting", _JSON, _text(json="[" * 200_000, jsonl='{"text": ' + "[" * 200_000 + "\n")),
    ("a huge number", _JSON, _text(json="9" * 100_000, jsonl="9" * 100_000 + "\n")),
    ("a list in a line", ("jsonl",), _text(jsonl='["fine", 1]\n')),
    ("two objects in a line", ("jsonl",), _text(jsonl='{"text": "a", "label": 1}{"text": "b"}\n')),
    ("an object, no list", ("json",), _text(json='{"text": {"a": 1}}')),
    ("a directory", ENDINGS, _kind(Path.mkdir)),
    ("a pipe that nobody writes to", ENDINGS, _kind(os.mkfifo)),
    ("a device", ENDINGS, _kind(lambda path: path.symlink_to("/dev/zero"))),
    ("the null device", ENDINGS, _kind(lambda path: path.symlink_to("/dev/null"))),
    ("a socket", ENDINGS, _kind(_socket)),
    ("a link to itself", ENDINGS, _kind(lambda path: path.symlink_to(path.name))),
    ("a link to nothing", ENDINGS, _kind(lambda path: path.symlink_to("nothing"))),
    ("a bomb", ("jsonl.gz",), _bomb),
    (
        "gzip cut off",
        ("csv.gz", "jsonl.gz"),
        _gzipped(lambda c, chance: c[: len(c) - chance.randrange(9, 60)]),
    ),
    ("gzip flipped", ("csv.gz", "jsonl.gz"), _gzipped(_flip)),
    (
        "gzip of another length",
        ("csv.gz",),
        _gzipped(lambda c, chance: c[:-4] + struct.pack("<I", 7)),
    ),
    ("gzip in gzip", ("csv.gz", "jsonl.gz"), _gzipped(lambda c, chance: gzip.compress(c))),
    ("gzip twice in a row", ("jsonl.gz",), _gzipped(lambda c, chance: c, True)),
]
# What may be read, and may be refused.
_EITHER = (_bomb, _flipped_parquet)
# Names that are read as they are.
_NAMES = (
    *(
        "reviews [old]",
        "a=b",
        "x{1}",
        "it's",
        'say "hi"',
        "é 傑作",
        "a,b",
        "#1",
        "$HOME",
        "${seed}",
    ),
    *("[red]x[/red]", "\x1b[31m", "new\nline", "~", "-x", "a" * 200, "100%", "back\\slash", " "),
)


def kinds(lab: Lab) -> list[Kind]:
    cases = []
    for name, endings, harm in HARMS:
        for ending in endings:
            chance = random.Random(f"{lab.seed} {name} {ending}")
            judge = partial(_judge, lab, harm, f"reviews.{ending}", chance)
            cases.append(Case(f"{name}, .{ending}", judge))
    named = [
        Case(f"{name!r}.csv", partial(_judge, lab, _labels(0, 1), f"{name}.csv", random.Random(0)))
        for name in _NAMES
    ]
    random.Random(f"{lab.seed} reviews").shuffle(cases)
    return [Kind("hostile file of reviews", iter(cases)), Kind("hostile file name", iter(named))]


def _judge(lab: Lab, harm: Harm, name: str, chance: random.Random, path: Path) -> Verdict:
    """Evaluates a run on it: labels and texts are to be right, or one line refuses it."""
    (path / name).parent.mkdir(parents=True, exist_ok=True)  # a name may have a slash in it
    readable = harm(path / name, chance)
    words = [f"run={lab.plain}", f"input={path / name}", f"output={path / 'tested'}"]
    ended = lab.run("imdb_cls.evaluate", *words)
    if ended.crash:
        return Verdict(End.TRACEBACK, ended.crash)
    if ended.refused:
        if (path / "tested").exists():
            return Verdict(End.DIFFERENT, "refused, but an answer was written")
        if readable and harm not in _EITHER:
            return Verdict(End.SILENT, f"it can be read: {ended.err}")
        return Verdict(End.REFUSED)
    if readable is None:
        return Verdict(End.SILENT, f"it was read: {ended.out[-400:]}")
    _, table = evaluated(path / "tested")
    labels = [row["label"] for row in readable]
    good = write(path / "good.jsonl", readable)
    due = lab.must("imdb_cls.evaluate", words[0], f"input={good}", f"output={path / 'due'}")
    assert due.code == 0
    same = table == evaluated(path / "due")[1] and table["label"] == labels
    return Verdict(End.SAME if same else End.SILENT, "" if same else json.dumps(table)[:600])
