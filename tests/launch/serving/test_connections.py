"""Whoever asks properly is answered, whatever his connection is like and however many others are
open."""

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
import uvicorn

from launch.serving import protocol
from launch.serving.server import bound
from tests.support.served import OF_JSON, SAMPLES, Served, answer_in, answer_on, head

BODY = json.dumps({"inputs": SAMPLES}).encode()
WHOLE = head(OF_JSON, f"Content-Length: {len(BODY)}") + BODY
CHUNKED = head(OF_JSON, "Transfer-Encoding: chunked")
CHUNK = b"%x\r\n%s\r\n" % (len(BODY), BODY)
# Ways to write one request.
WRITTEN: dict[str, bytes] = {
    "plain": WHOLE,
    "chunks": CHUNKED + CHUNK + b"0\r\n\r\n",
    "small chunks": CHUNKED + b"".join(b"1\r\n%c\r\n" % one for one in BODY) + b"0\r\n\r\n",
    "chunk extensions": CHUNKED + CHUNK.replace(b"\r\n", b';a="b"\r\n', 1) + b"0;c\r\n\r\n",
    "trailers": CHUNKED + CHUNK + b"0\r\nX: y\r\nContent-Length: 3\r\n\r\n",
    "the length twice": WHOLE.replace(b"Host:", b"Content-Length: %d\r\nHost:" % len(BODY)),
    "a folded header": WHOLE.replace(b"Host:", b"X: a\r\n b\r\nHost:"),
    "line feeds alone": WHOLE.replace(b"\r\n", b"\n"),
    "absolute form": WHOLE.replace(b"POST /", b"POST http://here:80/"),
    "an offer to upgrade": WHOLE.replace(b"Host:", b"Connection: upgrade\r\nUpgrade: h2c\r\nHost:"),
    "headers of 15 KB": WHOLE.replace(b"Host:", b"X: " + b"x" * 15_000 + b"\r\nHost:"),
    "HTTP/1.0": WHOLE.replace(b"HTTP/1.1", b"HTTP/1.0"),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_a_request_is_answered_however_it_is_written(name: str, served: Served) -> None:
    assert served.send(WRITTEN[name]) == served.ask({"inputs": SAMPLES})


def answers_to(served: Served, sent: bytes) -> list[tuple[int, Any]]:
    """All answers to bytes after which the client sends no more."""
    with served.connected() as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        found = []
        with connection.makefile("rb") as stream:
            while answer := answer_in(stream):
                found.append(answer)
        return found


@pytest.mark.parametrize("name", WRITTEN)
def test_who_sends_no_more_after_his_request_gets_his_answer(name: str, served: Served) -> None:
    assert answers_to(served, WRITTEN[name]) == [served.ask({"inputs": SAMPLES})]


def test_who_sends_no_more_gets_the_answers_to_all_that_he_has_sent(served: Served) -> None:
    good = served.ask({"inputs": SAMPLES})
    assert answers_to(served, WHOLE * 3) == [good] * 3
    assert answers_to(served, b"") == []
    cut = "the request: the client closed the connection before its end"
    for end in (4, len(BODY) + 4):  # in the body, and in the head
        *whole, (status, content) = answers_to(served, WHOLE + WHOLE[:-end])
        assert (whole, status, content) == ([good], 400, {"error": cut})


def test_a_long_header_is_refused_behind_another_request_too(served: Served) -> None:
    long = WHOLE.replace(b"Host:", b"X: " + b"x" * 17_000 + b"\r\nHost:")
    assert [status for status, _ in answers_to(served, WHOLE + long + WHOLE)] == [200, 431]


IDLE = {
    "silent": b"",
    "in a head": b"POST /invocations HTTP/1.1\r\nHost: ",
    "in a body": WHOLE[:-1],
}


@pytest.mark.parametrize("name", IDLE)
def test_idle_connections_lock_nobody_out(name: str, served: Served) -> None:
    with contextlib.ExitStack() as stack:
        idle = [
            stack.enter_context(served.connected()) for _ in range(protocol.MOST_CONNECTIONS + 12)
        ]
        for one in idle:
            with contextlib.suppress(ConnectionError):  # it was turned away already
                one.sendall(IDLE[name])
        assert served.is_well()


def test_the_one_that_has_been_idle_for_the_longest_is_told_why_it_goes(served: Served) -> None:
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(served.connected()) for _ in range(protocol.MOST_CONNECTIONS)]
        assert served.is_well()
        status, content = answer_on(idle[0])
    assert (status, list(content)) == (503, ["error"])
    assert "over 128 connections are open" in content["error"]


def test_connections_that_wait_for_their_next_request_lock_nobody_out(served: Served) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(protocol.MOST_CONNECTIONS + 12):
            connection = stack.enter_context(served.connected())
            connection.sendall(b"GET /ping HTTP/1.1\r\nHost: here\r\n\r\n")
            assert answer_on(connection)[0] == 200


App = Callable[[Any, Any, Any], Awaitable[None]]


@contextlib.contextmanager
def running(app: App, seconds: float) -> Iterator[Callable[[], socket.socket]]:
    """Our protocol before another app. Gives what connects to it."""
    http = type("Protocol", (protocol.Protocol,), {"seconds": seconds})
    server = uvicorn.Server(uvicorn.Config(app, http=http, lifespan="off", log_config=None))  # type: ignore[arg-type]
    with bound("127.0.0.1", 0) as listener, contextlib.ExitStack() as stack:
        listener.listen()
        address = listener.getsockname()
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        yield lambda: stack.enter_context(socket.create_connection(address, timeout=30))
        server.should_exit = True
        thread.join(30)


def test_one_that_is_being_answered_makes_room_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "MOST_CONNECTIONS", 2)
    has_one, may_answer = threading.Semaphore(0), threading.Event()

    async def answer_later(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["more_body"]:
            pass
        has_one.release()
        assert await asyncio.to_thread(may_answer.wait, 30)
        headers = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"{}"})

    with running(answer_later, seconds=30) as connect:
        first, second = connect(), connect()
        for one in (first, second):
            one.sendall(WHOLE)
            assert has_one.acquire(timeout=30)
        assert answer_on(connect()) == (
            503,
            {"error": "over 2 connections are open: try again later"},
        )
        may_answer.set()
        assert [answer_on(one) for one in (first, second)] == [(200, {})] * 2


def test_who_does_not_read_his_answer_is_not_waited_for() -> None:
    is_gone = threading.Event()

    async def answer_much(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        part = {"type": "http.response.body", "body": b" " * 2**20, "more_body": True}
        for _ in range(100):  # more than the buffers of both sides hold
            await send(part)
        while (await receive())["type"] != "http.disconnect":
            pass
        is_gone.set()

    with running(answer_much, seconds=0.1) as connect:
        connect().sendall(WHOLE)
        assert is_gone.wait(30)
