"""Arrays in .json files are read an item at a time."""

import json
import re
from pathlib import Path

import pytest

from imdb_cls.data import files, formats
from imdb_cls.errors import UserError
from tests.support.review_files import GOOD


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("chunk", [1, 7, 65_536])
def test_an_array_is_the_same_however_it_is_cut_into_chunks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, chunk: int, indent: int | None
) -> None:
    monkeypatch.setattr(formats, "_CHUNK", chunk)
    rows = [{"text": f'[{{"é\\, {n}}}]' * n, "label": n % 2, "x": [n, {}]} for n in range(1, 9)]
    path = tmp_path / "reviews.json"
    path.write_text(json.dumps(rows, indent=indent, ensure_ascii=False), encoding="utf-8")
    assert [review.text for review in files.read(path)] == [row["text"] for row in rows]


def test_an_array_is_not_held_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "reviews.json"
    path.write_text(f"[{json.dumps(GOOD)}, {json.dumps(GOOD)}" + " " * 200_000 + "}")
    read = files.read(path)
    assert next(read).text == GOOD["text"]
    with pytest.raises(UserError, match=r"reviews\.json, item 3: not JSON: no ',' before it"):
        list(read)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[]", "no reviews in it"),
        ("[", "item 1: not JSON"),
        ('[{"text": "A film", "label": 1},]', "item 2: not JSON"),
        ('[{"text": "A film", "label": 1} {}]', "item 2: not JSON: no ',' before it"),
        ('[{"text": "A film", "label": 1}', "not JSON: its array has no end"),
        ('[{"text": "A film", "label": 1}] []', "or something stands behind it"),
        ("[1]", "item 1: not a JSON object"),
    ],
)
def test_an_array_that_is_no_json_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "reviews.json").write_text(text)
    with pytest.raises(UserError, match=re.escape(says)):
        list(files.read(tmp_path / "reviews.json"))
