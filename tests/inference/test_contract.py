"""The request and the answer of the inference contract, without a model."""

import json
from typing import Any

import pytest

from imdb_cls.inference import contract
from imdb_cls.inference.contract import BadRequest, Limits, Request

SMALL = Limits(body_bytes=300, texts=3, characters=20)


def parsed(values: object, limits: Limits = SMALL) -> Request:
    return contract.parse(json.dumps(values).encode(), "application/json", limits)


def refused(body: bytes, content_type: str | None = "application/json") -> tuple[int, str]:
    with pytest.raises(BadRequest) as caught:
        contract.parse(body, content_type, SMALL)
    assert str(caught.value) == caught.value.message
    return caught.value.status, caught.value.message


def test_a_request_is_a_text_or_a_list_of_texts() -> None:
    assert parsed({"inputs": "a film"}) == Request(["a film"], alone=True)
    assert parsed({"inputs": ["a", "b"]}) == Request(["a", "b"])
    assert parsed({"inputs": ["a"], "parameters": {}}) == Request(["a"])
    assert parsed({"inputs": ["a"], "parameters": None}) == Request(["a"])
    assert parsed({"inputs": " tëxt 🎬 "}).texts == [" tëxt 🎬 "]
    raw = '{"inputs": "tëxt \\ud83c\\udfac"}'.encode()
    assert contract.parse(raw, "application/json", SMALL).texts == ["tëxt 🎬"]


def test_what_is_just_within_the_limits_is_taken() -> None:
    assert len(parsed({"inputs": ["a" * 20] * 3}).texts) == 3
    body = json.dumps({"inputs": "a"}).encode().ljust(300)
    assert contract.parse(body, "application/json", SMALL).texts == ["a"]


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=UTF-8"])
def test_json_is_taken_whatever_the_spelling_of_its_type(kind: str) -> None:
    assert contract.parse(b'{"inputs": "a"}', kind, SMALL).texts == ["a"]


@pytest.mark.parametrize(
    "kind", [None, "", "text/csv", "application/jsonlines", "application/json; charset=latin-1"]
)
def test_another_content_type_is_refused(kind: str | None) -> None:
    status, message = refused(b'{"inputs": "a"}', kind)
    assert status == 415
    assert "application/json" in message


HALF = b'{"inputs": ["a", "\\ud800"]}'


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "the body: empty"),
        (b" \n", "the body: empty"),
        (b"inputs", "not JSON: Expecting value at line 1, column 1"),
        (b'{"inputs": "a"} {"inputs": "b"}', "not JSON: Extra data at line 1, column 17"),
        (b'{"inputs": "a"', "not JSON: Expecting ',' delimiter"),
        (b'{"inputs": "a\xff"}', "not UTF-8 at byte 13"),
        ('{"inputs": "a"}'.encode("utf-16"), "not UTF-8 at byte 0"),
        (b'{"inputs": NaN}', "not JSON: NaN"),
        (b'{"inputs": [-Infinity]}', "not JSON: -Infinity"),
        (b'["a"]', 'the body: a list, not an object like {"inputs": "text"}'),
        (b'"a"', "the body: a text"),
        (b"null", "the body: null"),
        (b"{}", "inputs is missing"),
        (b'{"inputs": "a", "inputs": "b"}', "the key 'inputs' stands twice"),
        (b'{"inputs": "a", "text": "b"}', "unknown key 'text': allowed are inputs and parameters"),
        (b'{"inputs": "a", "\\n\\ud800": 1}', r"unknown key '\n\ud800'"),
        (b'{"inputs": null}', "inputs: null, not a text or a list of texts"),
        (b'{"inputs": {"text": "a"}}', "inputs: an object, not a text"),
        (b'{"inputs": 1e999}', "inputs: a number"),
        (b'{"inputs": true}', "inputs: a boolean"),
        (b'{"inputs": []}', "inputs: an empty list"),
        (b'{"inputs": ""}', "inputs: an empty text"),
        (b'{"inputs": ["a", " \\n "]}', "inputs[1]: an empty text"),
        (b'{"inputs": ["a", 1]}', "inputs[1]: a number, not a text"),
        (b'{"inputs": ["a", null]}', "inputs[1]: null, not a text"),
        (b'{"inputs": [["a"]]}', "inputs[0]: a list, not a text"),
        (HALF, "inputs[1]: half a character (a lone surrogate) at position 0"),
        (b'{"inputs": "a", "parameters": []}', "parameters: a list, not an object"),
        (b'{"inputs": "a", "parameters": {"k": 1}}', "parameters: unknown key 'k'"),
        (b'{"inputs": "a", "parameters": {"top_k": 0}}', "parameters.top_k: 0: allowed are 1, 2"),
        (b'{"inputs": "a", "parameters": {"top_k": 1.0}}', "parameters.top_k: 1.0"),
        (b'{"inputs": "a", "parameters": {"top_k": true}}', "parameters.top_k: true"),
        (b'{"inputs": "a", "parameters": {"top_k": "x"}}', "parameters.top_k: the text 'x'"),
        (b'{"inputs": "a", "parameters": {"top_k": [1]}}', "parameters.top_k: a list"),
        (b'{"inputs": "a", "parameters": {"calibrated": 1}}', "parameters.calibrated: 1"),
        (b'{"inputs": "a", "parameters": {"calibrated": null}}', "parameters.calibrated: null"),
    ],
)
def test_a_bad_request_is_told_what_and_where(body: bytes, said: str) -> None:
    status, message = refused(body)
    assert status == 400
    assert said in message
    assert "\n" not in message


def test_what_would_be_an_attack_is_one_line_too() -> None:
    def told(body: bytes) -> str:
        with pytest.raises(BadRequest) as caught:
            contract.parse(body, "application/json", Limits())
        assert caught.value.status == 400
        return caught.value.message

    assert told(b'{"inputs": ' + b"[" * 1_000_000) == "the body: nested too deeply"
    assert told(b'{"inputs": ' + b'{"a":' * 100_000) == "the body: nested too deeply"
    assert told(b'{"inputs": ' + b"9" * 10_000 + b"}").endswith("a number of too many digits")
    assert len(told(json.dumps({"inputs": "a", "k" * 100_000: 1}).encode())) < 200


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"inputs": ["a"] * 4}, "inputs: 4 texts: at most 3 a request"),
        ({"inputs": ["a", "b" * 21]}, "inputs[1]: 21 characters: at most 20 a text"),
        ({"inputs": "a", "parameters": {"k" * 300: 1}}, "the body: over 300 bytes"),
    ],
)
def test_what_is_too_large_is_413(values: dict[str, Any], said: str) -> None:
    status, message = refused(json.dumps(values).encode())
    assert status == 413
    assert said in message


def test_an_answer_has_the_likelier_label_and_its_probability() -> None:
    given = contract.answer(Request(["a", "b", "c"]), [0.75, 0.25, 0.5])
    assert given == [
        {"label": "POSITIVE", "score": 0.75},
        {"label": "NEGATIVE", "score": 0.75},
        {"label": "NEGATIVE", "score": 0.5},
    ]


def test_all_scores_stand_the_best_first() -> None:
    both = parsed({"inputs": ["a"], "parameters": {"top_k": None}})
    best, other = {"label": "NEGATIVE", "score": 0.75}, {"label": "POSITIVE", "score": 0.25}
    assert contract.answer(both, [0.25]) == [[best, other]]
    one = parsed({"inputs": ["a"], "parameters": {"top_k": 1}})
    assert contract.answer(one, [0.25]) == [[best]]


def test_an_answer_is_one_line_of_json_and_never_nan() -> None:
    assert (
        contract.encode([{"label": "é\n", "score": 0.5}])
        == '[{"label":"é\\n","score":0.5}]'.encode()
    )
    with pytest.raises(ValueError, match="not JSON compliant"):
        contract.encode([float("nan")])
