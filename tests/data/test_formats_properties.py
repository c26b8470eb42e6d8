"""Whatever stands in a file of reviews: it is read as it is, or one line says what is wrong."""

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from imdb_cls.data import files
from imdb_cls.data.reviews import Layout
from tests.support.anything import JSON, REVIEWS, TEXTS, dumped, harmed, refusal
from tests.support.review_files import ENDINGS, GOOD, write

Pairs = list[tuple[str, int]]
PAIRS = st.lists(st.tuples(REVIEWS, st.integers(0, 1)), min_size=1, max_size=8)
# How labels are written, by what they mean.
SPELLINGS: list[tuple[Any, Any]] = [
    *((0, 1), ("0", "1"), (False, True), ("neg", "pos"), ("NEGATIVE", "Positive"), (0.0, 1.0)),
]


@st.composite
def a_file(draw: st.DrawFn) -> tuple[str, bytes, Pairs, Layout]:
    """The name of a file, its bytes as some program writes them, and the reviews in it."""
    pairs, spelling = draw(PAIRS), draw(st.sampled_from(SPELLINGS))
    columns = draw(st.permutations(["text", "label", "id"]))
    values = {"text": [t for t, _ in pairs], "label": [spelling[label] for _, label in pairs]}
    values["id"] = [draw(TEXTS) for _ in pairs]
    rows = [{name: values[name][n] for name in columns} for n in range(len(pairs))]
    ending = draw(st.sampled_from(ENDINGS))
    layout = Layout()
    if ending in ("csv", "tsv"):
        content, layout = draw(_table(ending, columns, rows))
    elif ending == "parquet":
        content = draw(_parquet(rows))
    else:
        content = draw(_json(ending, rows))
    if draw(st.booleans()):
        ending, content = f"{ending}.gz", gzip.compress(content)
    return f"reviews.{ending}", content, pairs, layout


@st.composite
def _table(
    draw: st.DrawFn, ending: str, columns: list[str], rows: list[dict[str, Any]]
) -> tuple[bytes, Layout]:
    separators = [",", ";", "\t", "|"] if ending == "csv" else ["\t"]
    separator, names = draw(st.sampled_from(separators)), draw(st.booleans())
    file = io.StringIO()
    if ending == "csv" and draw(st.booleans()):
        file.write(f"sep={separator}\r\n")
    writer = csv.DictWriter(
        file,
        columns,
        delimiter=separator,
        quoting=draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])),
        # Before 3.13, Python's own writer leaves \r without quotes where lines end with \n.
        lineterminator="\r\n" if r"\r" in str(rows) else draw(st.sampled_from(["\n", "\r\n"])),
    )
    writer.writeheader()
    writer.writerows(rows)
    mark = draw(st.sampled_from(["utf-8", "utf-8-sig"]))
    return file.getvalue().encode(mark), Layout(separator=separator if names else "auto")


@st.composite
def _json(draw: st.DrawFn, ending: str, rows: list[dict[str, Any]]) -> bytes:
    escapes = draw(st.booleans())
    if ending == "json" and draw(st.booleans()):
        indent = draw(st.sampled_from([None, 2]))
        text = json.dumps(rows, ensure_ascii=escapes, indent=indent)
    else:
        text = "".join(json.dumps(row, ensure_ascii=escapes) + "\n" for row in rows)
    return text.encode(draw(st.sampled_from(["utf-8", "utf-8-sig"])))


@st.composite
def _parquet(draw: st.DrawFn, rows: list[dict[str, Any]]) -> bytes:
    table = pa.Table.from_pylist(rows)
    kind = draw(st.sampled_from([pa.string(), pa.large_string(), pa.string_view()]))
    table = table.set_column(table.column_names.index("text"), "text", table["text"].cast(kind))
    sink = io.BytesIO()
    compression = draw(st.sampled_from(["snappy", "zstd", "none"]))
    pq.write_table(table, sink, row_group_size=draw(st.integers(1, 9)), compression=compression)
    return sink.getvalue()


@given(a_file())
def test_what_any_program_wrote_is_read_as_it_was(
    tmp_path: Path, written: tuple[str, bytes, Pairs, Layout]
) -> None:
    name, content, pairs, layout = written
    path = tmp_path / name
    path.write_bytes(content)
    assert [(r.text, r.label) for r in files.read(path, layout)] == pairs


LABELS = st.sampled_from([0, 1, 2, -1, 0.0, 1.5, True, False, "neg", "True", " 1 ", "so-so", ""])


@given(st.lists(st.tuples(TEXTS, LABELS), min_size=1, max_size=4), st.booleans())
def test_the_same_rows_have_one_answer_in_every_format(
    tmp_path: Path, rows: list[tuple[str, Any]], own: bool
) -> None:
    layout = Layout(negative=("1.5", "2"), positive=("neg", "true")) if own else Layout()
    answers = []
    for ending in ENDINGS:
        # Columns of a Parquet file are of one type, as those of a table are.
        given = [{"text": text, "label": str(label)} for text, label in rows]
        if ending.startswith("json"):
            given = [{"text": text, "label": label} for text, label in rows]
        path = write(tmp_path / f"reviews.{ending}", given)
        found: list[Any] = []
        said = refusal(lambda path=path, to=found: to.extend(files.read(path, layout)))
        answers.append("refused" if said else [(r.text, r.label) for r in found])
    assert answers == [answers[0]] * len(ENDINGS)


@pytest.mark.parametrize("ending", [*ENDINGS, "csv.gz", "parquet.gz"])
@given(data=st.data())
def test_harmed_files_are_read_or_refused(tmp_path: Path, ending: str, data: st.DataObject) -> None:
    rows = [GOOD, {"text": 'Two\nlines, "quoted"; and\ta tab é', "label": 0}] * 3
    path = write(tmp_path / f"reviews.{ending}", rows)
    content = data.draw(harmed(path.read_bytes()))
    path.write_bytes(content)
    said = refusal(lambda: list(files.read(path)))
    assert said is None or said.startswith(str(path))


@given(st.lists(st.dictionaries(st.sampled_from(["text", "label"]) | TEXTS, JSON), max_size=3))
@example([{"text": "a", "label": "<4,400 digits>"}])
@example([{"text": "a", "label": float("nan")}])
def test_any_json_is_read_or_refused(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    for name in ("reviews.json", "reviews.jsonl"):
        text = dumped(rows) if name.endswith("json") else "\n".join(map(dumped, rows))
        (tmp_path / name).write_text(text)
        refusal(lambda name=name: list(files.read(tmp_path / name)))


@given(st.lists(st.lists(TEXTS, max_size=4), max_size=4), st.sampled_from(["auto", "comma", "\t"]))
def test_any_table_is_read_or_refused(
    tmp_path: Path, rows: list[list[str]], separator: str
) -> None:
    with (tmp_path / "reviews.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    refusal(lambda: list(files.read(tmp_path / "reviews.csv", Layout(separator=separator))))


@given(st.lists(JSON, min_size=1, max_size=4), JSON)
def test_any_parquet_table_is_read_or_refused(
    tmp_path: Path, texts: list[Any], label: object
) -> None:
    try:
        table = pa.table({"text": texts, "label": [label] * len(texts)})
        pq.write_table(table, tmp_path / "reviews.parquet")
    except (pa.ArrowException, OverflowError, UnicodeError, TypeError):
        return
    refusal(lambda: list(files.read(tmp_path / "reviews.parquet")))
