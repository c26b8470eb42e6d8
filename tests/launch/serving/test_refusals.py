"""What is wrong with a request is told in one line, and the next request gets its answer."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from launch.serving.batching import Busy
from launch.serving.options import ServingOptions
from tests.support.served import JSON, MODEL, OF_JSON, Served, head

GOOD = {"inputs": "a"}
# The answer's status, and what its line says of it.
BAD_BODIES: dict[str, tuple[Any, int, str]] = {
    "not JSON": (b"i liked the movie", 400, "not JSON"),
    "empty": (b"", 400, "empty"),
    "cut": (b'{"inputs": "a', 400, "not JSON"),
    "two": (b'{"inputs": "a"}\n{"inputs": "b"}', 400, "Extra data"),
    "UTF-8": (b'{"inputs": "\xff"}', 400, "not UTF-8"),
    "UTF-16": ('{"inputs": "a"}'.encode("utf-16"), 400, "not UTF-8"),
    "NaN": (b'{"inputs": NaN}', 400, "NaN"),
    "huge number": (b'{"inputs": ' + b"9" * 100_000 + b"}", 400, "digits"),
    "deep": (b'{"inputs": ' + b"[" * 500_000, 400, "nested"),
    "half a character": (b'{"inputs": "\\ud800"}', 400, "surrogate"),
    "key twice": (b'{"inputs": "a", "inputs": "b"}', 400, "twice"),
    "null": (None, 400, "null"),
    "list": (["a"], 400, "a list"),
    "no inputs": ({"texts": ["a"]}, 400, "'texts'"),
    "inputs null": ({"inputs": None}, 400, "inputs: null"),
    "inputs number": ({"inputs": 1}, 400, "inputs: a number"),
    "inputs object": ({"inputs": {"text": "a"}}, 400, "inputs: an object"),
    "no texts": ({"inputs": []}, 400, "empty list"),
    "blank": ({"inputs": ["a", " \n\t"]}, 400, "inputs[1]: an empty text"),
    "nulls": ({"inputs": ["a", None]}, 400, "inputs[1]: null"),
    "nested": ({"inputs": [["a"]]}, 400, "inputs[0]: a list"),
    "mixed": ({"inputs": ["a", 1]}, 400, "inputs[1]: a number"),
    "unknown key": ({**GOOD, "k" * 9000: 1}, 400, "unknown key"),
    "unknown parameter": ({**GOOD, "parameters": {"max_length": 9}}, 400, "'max_length'"),
    "parameters list": ({**GOOD, "parameters": [1]}, 400, "parameters: a list"),
    "bad parameter": ({**GOOD, "parameters": {"top_k": 0}}, 400, "top_k: 0: allowed are"),
    "whole, but too long": (
        {"inputs": ["a", "a film " * 40], "parameters": {"truncation": False}},
        400,
        "inputs[1]: 82 tokens: at most 32 without truncation",
    ),
    "10,000 texts": ({"inputs": ["a"] * 10_000}, 413, "10,000 texts: at most 1,024"),
    "long text": ({"inputs": ["a" * 100_001]}, 413, "inputs[0]: 100,001 characters"),
    "10 MB": (b" " * 10_000_000, 413, "6,291,456 bytes"),
}
BAD_WAYS: dict[str, tuple[dict[str, Any], int, str]] = {
    "wrong type": ({"headers": {"Content-Type": "text/plain"}}, 415, "'text/plain'"),
    "no CSV": ({"headers": {"Content-Type": "text/csv"}}, 400, "names the columns"),
    "gzip": ({"headers": {**JSON, "Content-Encoding": "gzip"}}, 415, "Content-Encoding: 'gzip'"),
    "other answer": ({"headers": {**JSON, "Accept": "text/html"}}, 406, "'text/html'"),
    "no type": ({"headers": {}}, 415, "none"),
    "charset": ({"headers": {"Content-Type": "application/json; charset=latin-1"}}, 415, "UTF-8"),
    "wrong path": ({"path": "/invocation"}, 404, "POST /invocations"),
    "strange path": ({"path": "/%0a%00%ff" + "x" * 900}, 404, "Not Found"),
    "GET": ({"method": "GET"}, 405, "Method Not Allowed"),
    "DELETE /ping": ({"method": "DELETE", "path": "/ping"}, 405, "Method Not Allowed"),
}
# Bytes of which no more follow, on a connection that stays open. The first are waited for.
SLOW: dict[str, tuple[bytes, int, str]] = {
    "slow body": (head(OF_JSON, "Content-Length: 15") + b'{"inputs"', 408, "1 seconds"),
    "slow chunks": (head(OF_JSON, "Transfer-Encoding: chunked") + b"1\r\n{\r\n", 408, "1 seconds"),
    "slow headers": (b"POST /invocations HTTP/1.1\r\nHost: ", 408, "headers"),
    "silence": (b"", 408, "headers"),
}
BAD_WIRE: dict[str, tuple[bytes, int, str]] = {
    "large chunks": (
        head(OF_JSON, "Transfer-Encoding: chunked")
        + (b"100000\r\n" + b" " * 0x100000 + b"\r\n") * 7,
        413,
        "6,291,456 bytes",
    ),
    "large, and lies": (head(OF_JSON, "Content-Length: 99999999999"), 413, "6,291,456 bytes"),
    "length -1": (head(OF_JSON, "Content-Length: -1"), 400, "bad Content-Length"),
    "length +1": (head(OF_JSON, "Content-Length: +1"), 400, "bad Content-Length"),
    "length 0x1": (head(OF_JSON, "Content-Length: 0x1"), 400, "bad Content-Length"),
    "length of digits": (head(OF_JSON, "Content-Length: " + "9" * 5000), 400, "bad Content-Length"),
    "spaced length": (head(OF_JSON, "Content-Length : 1"), 400, "illegal header line"),
    "two lengths": (head("Content-Length: 1", "Content-Length: 2"), 400, "conflicting"),
    "two types": (
        head(OF_JSON, "Content-Type: text/csv", "Content-Length: 9"),
        415,
        "'application/json,text/csv'",
    ),
    "length and chunks": (
        head(OF_JSON, "Content-Length: 9", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
        400,
        "both Content-Length and Transfer-Encoding",
    ),
    "chunks and length": (
        head(OF_JSON, "Transfer-Encoding: chunked", "content-length: 9") + b" " * 3_000_000,
        400,
        "both Content-Length and Transfer-Encoding",
    ),
    "folded chunks and length": (
        head(OF_JSON, "Content-Length: 9", "Transfer-Encoding:", " chunked"),
        400,
        "both Content-Length and Transfer-Encoding",
    ),
    "chunks of HTTP/1.0": (
        head(OF_JSON, "Transfer-Encoding: chunked").replace(b"HTTP/1.1", b"HTTP/1.0"),
        400,
        "HTTP/1.0 has no Transfer-Encoding",
    ),
    "other encoding": (head(OF_JSON, "Transfer-Encoding: gzip, chunked"), 501, "Only Transfer-En"),
    "two encodings": (head(*["Transfer-Encoding: chunked"] * 2), 501, "multiple Transfer-Encoding"),
    "bad chunk": (head(OF_JSON, "Transfer-Encoding: chunked") + b"x\r\n", 400, "illegal chunk"),
    "chunk of -1": (head(OF_JSON, "Transfer-Encoding: chunked") + b"-1\r\n", 400, "illegal chunk"),
    "chunk of 16**30": (
        head(OF_JSON, "Transfer-Encoding: chunked") + b"f" * 30 + b"\r\n",
        400,
        "illegal chunk",
    ),
    "longer than its chunk": (
        head(OF_JSON, "Transfer-Encoding: chunked") + b"1\r\n{}\r\n0\r\n\r\n",
        400,
        "malformed chunk footer",
    ),
    "carriage return": (head(OF_JSON, "X: a\rb"), 400, "illegal header line"),
    "NUL": (head(OF_JSON, "X: a\0b"), 400, "illegal header line"),
    "not HTTP": (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        400,
        "not an HTTP request",
    ),
    "no host": (b"GET /ping HTTP/1.1\r\n\r\n", 400, "Missing mandatory Host"),
    "two hosts": (head(OF_JSON, "Host: there"), 400, "multiple Host"),
    **{
        name: (sent, 431, "over 16,384 bytes of headers")
        for name, sent in {
            "long, and not over": b"GET /ping HTTP/1.1\r\nX: " + b"x" * 40_000,
            "long header": head(OF_JSON, "X: " + "x" * 100_000),
            "long line": b"GET /ping?" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: here\r\n\r\n",
            "many headers": head(OF_JSON, *["X: x"] * 20_000),
            "long padding": head(OF_JSON, "X: " + " " * 100_000 + "x"),
            "just too long": head(OF_JSON, "X: " + "x" * 16_384),
        }.items()
    },
}


def is_one_line(content: Any, said: str) -> bool:
    (message,) = content.values()
    return (
        set(content) == {"error"}
        and said in message
        and "\n" not in message
        and (len(message) <= 200)
    )


@pytest.mark.parametrize("name", BAD_BODIES)
def test_a_bad_body_gets_one_line_and_the_next_request_its_answer(
    name: str, served: Served
) -> None:
    body, status, said = BAD_BODIES[name]
    found, content = served.ask(body)
    assert found == status
    assert is_one_line(content, said), content
    assert served.is_well()


@pytest.mark.parametrize("name", BAD_WAYS)
def test_a_wrong_way_to_ask_gets_one_line(name: str, served: Served) -> None:
    way, status, said = BAD_WAYS[name]
    found, content = served.ask(GOOD, **way)
    assert found == status
    assert is_one_line(content, said), content
    assert served.is_well()


@pytest.mark.parametrize("name", BAD_WIRE)
def test_what_is_no_whole_request_gets_one_line(name: str, served: Served) -> None:
    sent, status, said = BAD_WIRE[name]
    found, content = served.send(sent)
    assert found == status
    assert is_one_line(content, said), content
    assert served.is_well()


def test_what_does_not_come_in_time_gets_one_line_and_holds_up_nobody(served: Served) -> None:
    with ThreadPoolExecutor(len(SLOW)) as clients:
        answers = [clients.submit(served.send, sent) for sent, _, _ in SLOW.values()]
        assert served.is_well()
    for answer, (name, (_, status, said)) in zip(answers, SLOW.items(), strict=True):
        found, content = answer.result()
        assert found == status, name
        assert is_one_line(content, said), content


class Broken:
    """A model that does not label."""

    temperature = 1.0

    def __init__(self, error: Exception) -> None:
        self.error = error

    def logits(self, texts: list[str]) -> Any:
        raise self.error


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (RuntimeError("/secret/path"), 500, "an error of the server's own: its log says more"),
        (Busy("2,048 texts are waiting"), 503, "2,048 texts are waiting: try again"),
    ],
)
def test_an_error_of_our_own_is_one_line_without_what_is_inside(
    error: Exception, status: int, said: str
) -> None:
    from fastapi.testclient import TestClient

    from launch.serving import app

    broken = app.make(Broken(error), ServingOptions(), MODEL)  # type: ignore[arg-type]
    client = TestClient(broken, raise_server_exceptions=False)
    answer = client.post("/invocations", json={"inputs": "a"})
    assert (answer.status_code, answer.json()) == (status, {"error": said})
    assert ("retry-after" in answer.headers) == (status == 503)
