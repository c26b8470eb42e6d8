"""Arrays in .json files."""

import json
import re
from pathlib import Path

import pytest

from imdb_cls.data import files
from imdb_cls.errors import UserError


@pytest.mark.parametrize("indent", [None, 2])
def test_an_array_is_the_same_however_it_is_written(tmp_path: Path, indent: int | None) -> None:
    rows = [{"text": f'[{{"é\\, {n}}}]' * n, "label": n % 2, "x": [n, {}]} for n in range(1, 9)]
    path = tmp_path / "reviews.json"
    path.write_text(json.dumps(rows, indent=indent, ensure_ascii=False), encoding="utf-8")
    assert [review.text for review in files.read(path)] == [row["text"] for row in rows]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[]", "no reviews in it"),
        ("[", "item 1: not JSON"),
        ('[{"text": "A film", "label": 1},]', "item 2: not JSON"),
        ('[{"text": "A film", "label": 1} {}]', "behind item 1: not JSON: no comma"),
        ('[{"text": "A film", "label": 1}', "behind item 1: not JSON: no comma, no end"),
        ('[{"text": "A film", "label": 1}] []', "or text behind"),
        ("[1]", "item 1: not a JSON object"),
    ],
)
def test_an_array_that_is_no_json_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "reviews.json").write_text(text)
    with pytest.raises(UserError, match=re.escape(says)):
        list(files.read(tmp_path / "reviews.json"))
