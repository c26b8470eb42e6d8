"""Whatever a client sends: a valid answer, or a refusal of one short line; never a 500."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from imdb_cls.inference import handler
from imdb_cls.inference.faults import BadRequest
from imdb_cls.inference.labeller import Labeller
from launch.serving import app
from launch.serving.options import ServingOptions
from launch.serving.protocol import Connection
from tests.support.anything import JSON, TEXTS, changed, dumped, few, harmed
from tests.support.served import MODEL, OF_JSON, head

REQUEST = {"inputs": ["a film", "a review"], "parameters": {"top_k": 1, "truncation": False}}
BODY = (JSON | changed(REQUEST)).map(lambda values: dumped(values).encode()) | harmed(
    dumped(REQUEST).encode()
)
# What a header's value may be; most of the time one that means something.
VALUE = st.sampled_from(
    ["application/json", "text/csv", "text/csv; header=absent", "*/*", "gzip", "identity", "1", ""]
) | st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"))
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["content-type", "accept", "content-encoding", "x-a"]),
        VALUE.map(lambda value: value.strip().encode("latin-1")),
    ),
    max_size=3,
)


@pytest.fixture(scope="module")
def labeller(fast_run: Path) -> Labeller:
    return Labeller.open(fast_run / "model", threads=1)


@pytest.fixture(scope="module")
def client(labeller: Labeller) -> Iterator[TestClient]:
    made = app.make(labeller, ServingOptions(), MODEL)
    with TestClient(made, raise_server_exceptions=False) as client:  # one event loop for all
        yield client


@few
@example(b"{", [], "%F0%90%80%80" * 11, "POST")
@given(
    BODY,
    HEADERS,
    st.sampled_from(["invocations"] * 9 + ["ping", "docs"]) | TEXTS.map(quote),
    st.sampled_from(["POST"] * 9 + ["GET", "PUT", "HEAD", "OPTIONS", "BREW"]),
)
def test_the_server_answers_or_refuses(
    client: TestClient, body: bytes, headers: list[tuple[str, bytes]], path: str, method: str
) -> None:
    sent = [("content-type", b"application/json"), *headers]
    answer = client.request(method, f"/{path}", content=body, headers=sent)  # type: ignore[arg-type]
    assert answer.status_code == 200 or 400 <= answer.status_code < 500
    if answer.status_code >= 400 and method != "HEAD":
        assert set(answer.json()) == {"error"}
        assert len(answer.text) <= 200
        assert answer.json()["error"].isprintable()
    elif path == "invocations" and method == "POST":
        assert all("\x00" not in str(one) for one in json.loads(answer.text))


@given(BODY, st.none() | TEXTS, st.none() | st.just("application/json") | TEXTS)
def test_an_endpoint_answers_or_refuses(
    labeller: Labeller, body: bytes, accept: str | None, content_type: str | None
) -> None:
    for given_body in (body, body.decode("utf-8", "surrogateescape")):
        with contextlib.suppress(BadRequest):
            assert handler.transform_fn(labeller, given_body, content_type, accept)


WIRE = head(OF_JSON, "Content-Length: 15", "Transfer-Encoding: chunked", "X: y") + b'{"inputs":"a"}'
PIECES = st.lists(
    st.sampled_from(
        [
            *(b"POST / HTTP/1.1\r\n", b"Host: a\r\n", b"\r\n", b"Content-Length: 3\r\n", b"abc"),
            *(b"Transfer-Encoding: chunked\r\n", b"GET http://a/b HTTP/1.0\r\n", b"0\r\n\r\n"),
        ]
    )
    | st.binary(max_size=8),
    max_size=12,
)


@given(harmed(WIRE) | PIECES.map(b"".join), st.integers(1, 60))
@example(b"GET http:// HTTP/1.1\r\nHost: a\r\n\r\n", 60)
def test_bytes_are_a_request_or_a_fault(sent: bytes, step: int) -> None:
    connection = Connection()
    try:
        for start in range(0, len(sent), step):
            connection.receive_data(sent[start : start + step])
            event: Any = None
            while event not in (h11.NEED_DATA, h11.PAUSED):
                event = connection.next_event()
    except h11.RemoteProtocolError:
        status, said = connection.fault
        assert 400 <= status <= 501
        line = json.dumps({"error": said})
        assert len(line) <= 200
        assert said.isprintable()
