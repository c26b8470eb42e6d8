"""A label means the same in every format, and what means nothing is refused."""

from pathlib import Path

import datasets
import pytest

from imdb_cls.data import files
from imdb_cls.data.reviews import LEFT_OUT, Layout
from tests.support.review_files import ENDINGS, GOOD, pairs, place, refusal, write


@pytest.mark.parametrize(
    ("value", "label"),
    [
        *((0, 0), (1, 1), ("0", 0), ("1", 1), (0.0, 0), (1.0, 1), (False, 0), (True, 1)),
        *(("negative", 0), ("positive", 1), ("neg", 0), ("pos", 1)),
        *(("NEGATIVE", 0), ("Positive", 1), (" pos ", 1)),
    ],
    ids=repr,
)
@pytest.mark.parametrize("ending", ["json", "jsonl", "parquet"])
def test_a_label_may_be_a_number_or_a_name(
    ending: str, value: object, label: int, tmp_path: Path
) -> None:
    path = write(tmp_path / f"reviews.{ending}", [{"text": "A film.", "label": value}])
    assert pairs(path) == [("A film.", label)]


def test_csv_labels_may_be_numbers_and_names(tmp_path: Path) -> None:
    given = ("0", "1", "negative", "Positive", "neg", "POS", "0.0", "1.0", " 1")
    path = write(tmp_path / "r.csv", [{"text": f"Film {x}", "label": x} for x in given])
    assert [label for _, label in pairs(path)] == [0, 1, 0, 1, 0, 1, 0, 1, 1]


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("value", ["2", "good", "-1", "0.5", ""], ids=repr)
def test_a_label_that_is_neither_is_named_by_its_row(
    ending: str, value: str, tmp_path: Path
) -> None:
    path = write(
        tmp_path / f"reviews.{ending}",
        [{"text": "A film.", "label": "1"}, {"text": "A film.", "label": value}],
    )
    assert f"{place(path, 2)}label={value!r}: allowed are 0" in refusal(path)


@pytest.mark.parametrize("ending", ["json", "jsonl", "parquet"])
def test_a_null_label_is_named_by_its_row(ending: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"reviews.{ending}", [GOOD, {"text": "A film.", "label": None}])
    assert f"{place(path, 2)}label=None" in refusal(path)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(
    ("value", "label"),
    [("True", 1), ("false", 0), (" TRUE ", 1), ("1.0", 1), ("0.00", 0), ("Pos", 1), ("+1", None)],
    ids=repr,
)
def test_a_label_means_the_same_in_every_format(
    ending: str, value: str, label: int | None, tmp_path: Path
) -> None:
    path = write(tmp_path / f"reviews.{ending}", [{"text": "A film.", "label": value}])
    if label is None:
        assert "label=" in refusal(path)
    else:
        assert pairs(path) == [("A film.", label)]


@pytest.mark.parametrize("ending", ENDINGS)
def test_labels_of_ones_own_leave_all_others_out(ending: str, tmp_path: Path) -> None:
    rows = [{"text": f"Film {stars}", "label": stars} for stars in (1, 2, 3, 4, 5)]
    path = write(tmp_path / f"reviews.{ending}", rows)
    found = files.read(path, Layout(negative=("1", "2.0"), positive=("4", " 5")))
    assert [review.label for review in found] == [0, 0, LEFT_OUT, 1, 1]


@pytest.mark.parametrize("names", [["pos", "neg"], ["Negative", "POSITIVE"]])
def test_a_number_means_what_a_hugging_face_file_calls_it(names: list[str], tmp_path: Path) -> None:
    data = datasets.Dataset.from_dict({"text": ["A film", "Another"], "label": [0, 1]})
    path = tmp_path / "reviews.parquet"
    data.cast_column("label", datasets.ClassLabel(names=names)).to_parquet(path)
    assert [label for _, label in pairs(path)] == ([1, 0] if names[0] == "pos" else [0, 1])


def test_a_number_whose_name_means_nothing_is_refused_with_the_way_to_say_it(
    tmp_path: Path,
) -> None:
    data = datasets.Dataset.from_dict({"text": ["A film", "Another"], "label": [0, 1]})
    path = tmp_path / "reviews.parquet"
    data.cast_column("label", datasets.ClassLabel(names=["good", "bad"])).to_parquet(path)
    assert "are called good, bad: say which are which" in refusal(path)
    found = files.read(path, Layout(negative=("bad",), positive=("good",)))
    assert [review.label for review in found] == [1, 0]
