"""Any request gets an answer, or one short line."""

import json
from typing import Any

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from imdb_cls.inference import answers, contract
from imdb_cls.inference.contract import CSV, Limits, Request
from imdb_cls.inference.contract import JSON as JSON_TYPE
from imdb_cls.inference.faults import BadRequest
from tests.support.anything import JSON, REVIEWS, TEXTS, changed, dumped, harmed

LIMITS = Limits(body_bytes=3000, texts=4, characters=50)
TYPES = st.none() | TEXTS | st.sampled_from([JSON_TYPE, CSV, f"{CSV}; charset=utf-8", "*/*"])
WHOLE = {
    "inputs": ["a film", "another"],
    "parameters": {
        "top_k": 2,
        "return_all_scores": True,
        "function_to_apply": "sigmoid",
        "truncation": "longest_first",
        "calibrated": False,
    },
}
ASKED = changed(WHOLE) | JSON | st.fixed_dictionaries({"inputs": JSON, "parameters": JSON})


def check(body: bytes, content_type: str | None, accept: str | None) -> None:
    """It is answered, by JSON or CSV for each of its texts, or refused in one line."""
    try:
        asked = contract.parse(body, content_type, LIMITS, accept)
    except BadRequest as error:
        refused = error
    else:
        _check_answer(asked)
        return
    assert 400 <= refused.status < 500
    assert refused.message.isprintable()
    line = contract.encode({"error": refused.message}).decode()
    assert len(line) <= 200, line


def _check_answer(asked: Request) -> None:
    assert 1 <= len(asked.texts) <= LIMITS.texts
    assert all(text.strip() and len(text) <= LIMITS.characters for text in asked.texts)
    written = answers.write(asked, np.zeros((len(asked.texts), 2)), 1.5)
    if asked.answer_type == CSV:
        assert len(written.splitlines()) == 1 + len(asked.texts)
    elif not (asked.alone and asked.parameters.form == "ranked"):
        assert len(json.loads(written)) == len(asked.texts)


@given(ASKED, TYPES)
def test_any_json_is_answered_or_refused(values: Any, accept: str | None) -> None:
    check(dumped(values).encode(), JSON_TYPE, accept)


@given(harmed(dumped(WHOLE).encode()) | harmed(b'inputs,id\r\n"a ""film""",1\nb,2\n'), TYPES, TYPES)
def test_any_bytes_are_answered_or_refused(
    body: bytes, content_type: str | None, accept: str | None
) -> None:
    check(body, content_type, accept)


@given(st.text(max_size=300), st.text(max_size=300))
@example("\n" * 150, "\x1b[31m" * 40)
@example("\U0001f3ac" * 300, "'\"" * 60)
def test_whatever_a_client_writes_a_refusal_is_short(one: str, other: str) -> None:
    check(b"{}", one, other)
    check(b"{}", JSON_TYPE, other)
    check(dumped({one: other}).encode(), JSON_TYPE, None)
    check(dumped({"inputs": "a", "parameters": {one: other}}).encode(), JSON_TYPE, None)
    for name in WHOLE["parameters"]:
        check(dumped({"inputs": "a", "parameters": {name: other}}).encode(), JSON_TYPE, None)
    check(
        f'{{"inputs": "a", {json.dumps(one)}: 1, {json.dumps(one)}: 2}}'.encode(), JSON_TYPE, None
    )


@given(st.lists(REVIEWS, min_size=1, max_size=4))
def test_the_texts_of_a_request_are_taken_as_they_are(texts: list[str]) -> None:
    limits = Limits()
    for ascii_only in (True, False):
        body = json.dumps({"inputs": texts}, ensure_ascii=ascii_only).encode()
        assert contract.parse(body, JSON_TYPE, limits).texts == texts
    rows = "".join('\r\n"' + text.replace('"', '""') + '"' for text in texts)
    assert contract.parse(f"inputs{rows}".encode(), CSV, limits).texts == texts
