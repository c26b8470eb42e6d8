"""The request and the answer of the inference contract, without a model."""

import json
from typing import Any

import pytest

from imdb_cls.inference import contract
from imdb_cls.inference.contract import Limits, Request
from imdb_cls.inference.faults import BadRequest
from imdb_cls.inference.parameters import Parameters

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
    ("body", "texts"),
    [
        (b"inputs\na\nb\n", ["a", "b"]),
        (b'inputs\r\n"so, so"\r\n"two\nlines"', ["so, so", "two\nlines"]),
        (b"id,inputs\n1,a\n\n2,b\n", ["a", "b"]),
        ("\ufeffinputs\n\u00e9\n".encode(), ["\u00e9"]),
    ],
    ids=["a column", "quotes", "more columns, a blank line", "byte order mark"],
)
def test_csv_is_a_list_of_texts(body: bytes, texts: list[str]) -> None:
    for kind in ("text/csv", "text/csv; charset=utf-8; header=present"):
        assert contract.parse(body, kind, SMALL) == Request(texts)


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"", 400, "the first line of CSV names the columns, and one of them inputs"),
        (b"text\na\n", 400, "one of them inputs"),
        (b"inputs,inputs\na,b\n", 400, "one of them inputs"),
        (b"id;inputs\n1;a\n", 400, "one of them inputs"),
        (b"inputs\n", 400, "an empty list"),
        (b"inputs\nso, so\n", 400, "line 2: fields: 2, columns: 1 (a text with a comma"),
        (b"id,inputs\n1\n", 400, "line 2: fields: 1, columns: 2"),
        (b'inputs\na\n"b\n', 400, "not CSV: unexpected end of data at line 3"),
        (b'inputs\n"a"b\n', 400, "not CSV: "),
        (b"inputs\n\xff\n", 400, "not UTF-8 at byte 7"),
        (b"id,inputs\n1, \n", 400, "inputs[0]: an empty text"),
        (b"inputs\n" + b"a\n" * 4, 413, "4 texts: at most 3"),
        (b"inputs\n" + b"a" * 21, 413, "inputs[0]: 21 characters"),
    ],
)
def test_bad_csv_is_told_what_and_where(body: bytes, status: int, said: str) -> None:
    found, message = refused(body, "text/csv")
    assert found == status
    assert said in message


def test_a_text_of_csv_may_be_as_long_as_one_of_json() -> None:
    """Python's reader stops at 131,072 characters."""
    limits = Limits(characters=200_000)
    assert contract.parse(b"inputs\n" + b"a" * 200_000, "text/csv", limits).texts == ["a" * 200_000]


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("text/html, Text/CSV;q=0.9", "text/csv"),
        ("text/*", "text/csv"),
        ("application/*, text/csv", "application/json"),
    ],
)
def test_the_answer_is_of_the_first_type_that_is_accepted(accept: str | None, kind: str) -> None:
    found = contract.parse(b'{"inputs": "a"}', "application/json", SMALL, accept)
    assert found.answer_type == kind


@pytest.mark.parametrize(
    ("body", "accept", "status", "said"),
    [
        ('{"inputs": "a"}', "text/html", 406, "Accept: 'text/html': the answer is application/j"),
        ('{"inputs": "a", "parameters": {"top_k": 2}}', "text/csv", 400, "leave out top_k"),
        (
            '{"inputs": "a", "parameters": {"return_all_scores": true}}',
            "text/csv",
            400,
            "one label a text",
        ),
    ],
)
def test_an_answer_that_there_is_not_is_refused(
    body: str, accept: str, status: int, said: str
) -> None:
    with pytest.raises(BadRequest, match=said) as caught:
        contract.parse(body.encode(), "application/json", SMALL, accept)
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"top_k": None}, Parameters("ranked")),
        ({"top_k": 10**40}, Parameters("ranked", 10**40)),
        ({"return_all_scores": True}, Parameters("all")),
        ({"return_all_scores": False}, Parameters()),
        ({"return_all_scores": True, "top_k": 1}, Parameters("ranked", 1)),
        ({"function_to_apply": "SIGMOID"}, Parameters(function="sigmoid")),
        ({"function_to_apply": None, "truncation": None}, Parameters()),
        ({"truncation": True}, Parameters()),
        ({"truncation": "longest_first"}, Parameters()),
        ({"truncation": "only_first"}, Parameters()),
        ({"truncation": False}, Parameters(truncation=False)),
        ({"truncation": "do_not_truncate"}, Parameters(truncation=False)),
    ],
    ids=str,
)
def test_parameters_are_those_of_the_pipeline(given: dict[str, Any], expected: Parameters) -> None:
    assert parsed({"inputs": ["a"], "parameters": given}).parameters == expected


@pytest.mark.parametrize(
    "kind",
    [
        *(None, "", "text/plain", "application/jsonlines", "application/json; charset=latin-1"),
        *("text/csv; charset=utf-16", "text/csv; header=absent", "application/json,text/csv"),
    ],
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
    ],
)
def test_a_bad_request_is_told_what_and_where(body: bytes, said: str) -> None:
    status, message = refused(body)
    assert status == 400
    assert said in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("top_k", "0 -1 1.0 1e999 true false {} -99999999999999999999999999"),
        ("top_k", '"x" [1]'),
        ("return_all_scores", '0 1 "true" []'),
        ("calibrated", '0 1 null "true"'),
        ("function_to_apply", '"tanh" "" "default" 1 true [] {}'),
        ("truncation", '"only_second" "x" 0 1 1.0 [] {}'),
    ],
)
def test_a_bad_parameter_is_told_what_is_allowed(name: str, values: str) -> None:
    for value in values.split():
        body = f'{{"inputs": "a", "parameters": {{"{name}": {value}}}}}'
        status, message = refused(body.encode())
        assert status == 400
        assert message.startswith(f"parameters.{name}: "), value
        assert ": allowed are " in message
        assert len(message) < 150


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


def test_an_answer_is_one_line_of_json_and_never_nan() -> None:
    assert (
        contract.encode([{"label": "é\n", "score": 0.5}])
        == '[{"label":"é\\n","score":0.5}]'.encode()
    )
    with pytest.raises(ValueError, match="not JSON compliant"):
        contract.encode([float("nan")])
