"""What is wrong with a request is told in one line, and the next request gets its answer."""

import contextlib
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from launch.serving import protocol
from launch.serving.batching import Busy
from launch.serving.options import ServingOptions
from tests.support.served import OF_JSON, Served, head

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
    "top_k=0": ({**GOOD, "parameters": {"top_k": 0}}, 400, "top_k: 0"),
    "top_k=x": ({**GOOD, "parameters": {"top_k": "x"}}, 400, "top_k: the text 'x'"),
    "calibrated=yes": ({**GOOD, "parameters": {"calibrated": "yes"}}, 400, "calibrated"),
    "10,000 texts": ({"inputs": ["a"] * 10_000}, 413, "10,000 texts: at most 1,024"),
    "long text": ({"inputs": ["a" * 100_001]}, 413, "inputs[0]: 100,001 characters"),
    "10 MB": (b" " * 10_000_000, 413, "6,291,456 bytes"),
}
BAD_WAYS: dict[str, tuple[dict[str, Any], int, str]] = {
    "wrong type": ({"headers": {"Content-Type": "text/csv"}}, 415, "'text/csv'"),
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
    "length -1": (head(OF_JSON, "Content-Length: -1"), 400, "not an HTTP request"),
    "two lengths": (head("Content-Length: 1", "Content-Length: 2"), 400, "not an HTTP request"),
    "bad chunk": (head(OF_JSON, "Transfer-Encoding: chunked") + b"x\r\n", 400, "not an HTTP"),
    "not HTTP": (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        400,
        "not an HTTP request",
    ),
    "long headers": (b"GET /ping HTTP/1.1\r\nX: " + b"x" * 40_000, 400, "headers"),
    "no host": (b"GET /ping HTTP/1.1\r\n\r\n", 400, "not an HTTP request"),
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


def test_too_many_connections_are_turned_away_and_one_that_closes_makes_room(
    served: Served,
) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(protocol.MOST_CONNECTIONS):
            stack.enter_context(socket.create_connection(("127.0.0.1", served.port)))
        status, content = served.send(b"")
    assert status == 503
    assert is_one_line(content, f"over {protocol.MOST_CONNECTIONS} connections")
    assert any(served.is_well() for _ in range(50))  # as soon as it has seen them go


class Broken:
    """A model that does not label."""

    temperature = 1.0

    def __init__(self, error: Exception) -> None:
        self.error = error

    def log_odds(self, texts: list[str]) -> Any:
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

    client = TestClient(app.make(Broken(error), ServingOptions()), raise_server_exceptions=False)  # type: ignore[arg-type]
    answer = client.post("/invocations", json={"inputs": "a"})
    assert (answer.status_code, answer.json()) == (status, {"error": said})
    assert ("retry-after" in answer.headers) == (status == 503)
