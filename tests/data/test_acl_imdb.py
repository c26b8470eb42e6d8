"""IMDB as its authors publish it is read whole, or one line says what is missing."""

from pathlib import Path

import pytest

from imdb_cls.config import DataConfig
from imdb_cls.data import sources
from imdb_cls.errors import UserError

NUMBERS = range(12)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """The directory aclImdb with a dozen reviews of each label in train and test."""
    directory = tmp_path / "aclImdb"
    for part in ("train", "test"):
        for name, rating in (("neg", 1), ("pos", 10)):
            place = directory / part / name
            place.mkdir(parents=True)
            for number in NUMBERS:
                text = f"{part} {name} {number}<br />é"
                (place / f"{number}_{rating}.txt").write_text(text, encoding="utf-8")
            urls = "http://www.imdb.com/title/tt0064354/usercomments\n" * len(NUMBERS)
            (directory / part / f"urls_{name}.txt").write_text(urls)
    (directory / "train" / "unsup").mkdir()
    (directory / "train" / "unsup" / "0_0.txt").write_text("no label")
    return directory


def load(path: Path) -> dict[str, list[tuple[str, int]]]:
    config = DataConfig(source="acl_imdb", path=str(path))
    found = sources.load(config, path.parent / "cache")
    return {
        part: list(zip(reviews["text"][:], reviews["label"][:], strict=True))
        for part, reviews in found.items()
    }


def refusal(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_train_and_test_are_read_by_the_numbers_of_their_reviews(published: Path) -> None:
    assert load(published) == {
        part: [
            *((f"{part} neg {number}<br />é", 0) for number in NUMBERS),
            *((f"{part} pos {number}<br />é", 1) for number in NUMBERS),
        ]
        for part in ("train", "test")
    }


def test_a_changed_review_is_read_anew(published: Path) -> None:
    load(published)
    (published / "test" / "pos" / "3_10.txt").write_text("another text")
    assert ("another text", 1) in load(published)["test"]


def test_an_archive_that_was_not_unpacked_whole_is_refused(published: Path) -> None:
    (published / "train" / "pos" / "5_10.txt").unlink()
    assert "1 reviews are missing, such as number 5: unpack" in refusal(published)
    for number in (5, 10, 11):
        (published / "train" / "pos" / f"{number}_10.txt").unlink(missing_ok=True)
    assert "3 reviews are missing, such as number 5" in refusal(published)


def test_a_directory_that_is_missing_is_named(published: Path) -> None:
    (published / "test").rename(published / "tset")
    assert f"{published}/test/neg: no such directory." in refusal(published)
    assert "data.path is the directory aclImdb" in refusal(published)


@pytest.mark.parametrize("name", ["12_4.txt", "12_5.txt", "twelve_10.txt", "12.txt"])
def test_a_rating_that_contradicts_its_directory_is_refused(name: str, published: Path) -> None:
    (published / "train" / "pos" / name).write_text("a text")
    assert f"{name}: not a name of the data set, which are" in refusal(published)


def test_a_number_that_stands_twice_is_refused(published: Path) -> None:
    (published / "train" / "neg" / "3_2.txt").write_text("a text")
    assert "have the same number" in refusal(published)


@pytest.mark.parametrize(
    ("content", "said"), [(b"caf\xe9", "3_1.txt: not UTF-8"), (b" \n", "3_1.txt: text is empty")]
)
def test_a_damaged_review_is_named(content: bytes, said: str, published: Path) -> None:
    (published / "train" / "neg" / "3_1.txt").write_bytes(content)
    assert said in refusal(published)
