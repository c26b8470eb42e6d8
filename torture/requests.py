"""HTTP requests that are broken or made to harm, to one server of a run."""

import contextlib
import json
import os
import random
import socket
import threading
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

from tests.support.served import OF_JSON, Served, answer_in, head, starting
from torture.cases import Case, End, Kind, Verdict
from torture.lab import Lab

_GOOD = {"inputs": ["i liked the movie", "what a waste of time"]}
_BODY = json.dumps(_GOOD).encode()
_WHOLE = head(OF_JSON, f"Content-Length: {len(_BODY)}") + _BODY
_JUNK: tuple[Any, ...] = (
    *(None, True, 0, -1, 1e308, "", " \n", "\x00", "\ud800", [], {}, [[]], [None], {"a": 1}),
    *("<script>", "x" * 100_001, ["a"] * 1025, ["a", 1], {"text": "a"}, "\u202e", "\x1b[31m"),
)


def kinds(lab: Lab, count: int) -> list[Kind]:
    server = _Shared(lab)
    cases = [
        Case(f"request number {number}", partial(_judge, server, lab.seed, number))
        for number in range(1, count + 1)
    ]
    last = Case("the server's own end", server.end)
    return [Kind("hostile request to a server", iter(cases), last=last)]


class _Shared:
    """The one server that is asked everything. It is started when it is needed."""

    def __init__(self, lab: Lab) -> None:
        self._lab, self._lock, self._held = lab, threading.Lock(), contextlib.ExitStack()
        self._server: Served | None = None
        self.due: tuple[int, Any] = (0, None)
        """The answer to _GOOD."""

    def get(self) -> Served:
        with self._lock:
            if self._server is None:
                start = self._held.enter_context(starting(self._lab.python))
                options = ("body_seconds=1", "threads=1")
                with mock.patch.dict(os.environ, self._lab.environment):
                    self._server = start(self._lab.whole, *options)
                self.due = self._server.ask(_GOOD)
            return self._server

    def end(self, path: Path) -> Verdict:
        """It still answers, and has not said a word about all that was asked of it."""
        server = self.get()
        with self._held:
            if server.ask(_GOOD) != self.due:
                return Verdict(End.SILENT, "another answer than at its start")
            server.process.terminate()
            out, err = server.process.communicate(timeout=60)
            if server.process.returncode or err:
                said = f"{server.process.returncode} {out[-500:]}{err[-1500:]}"
                return Verdict(End.TRACEBACK, said)
        return Verdict(End.SAME)


def _judge(shared: _Shared, seed: int, number: int, path: Path) -> Verdict:
    server, chance = shared.get(), random.Random(f"{seed} request {number}")
    sent, readable = _request(chance)
    (path / "request").write_bytes(sent)
    try:
        with server.connected() as connection:
            # It may be refused before all of it was sent.
            with contextlib.suppress(OSError):
                connection.sendall(sent)
                if chance.random() < 0.5:
                    connection.shutdown(socket.SHUT_WR)
            with connection.makefile("rb") as stream:
                answer = answer_in(stream)
    except ConnectionResetError:
        answer = None
    if answer is None:
        # Nothing was asked, if the head of a request did not arrive.
        whole = b"\r\n\r\n" in sent or len(sent) > 16_384
        return Verdict(End.SILENT if whole else End.REFUSED, f"no answer to {sent[:200]!r}" * whole)
    status, content = answer
    if status == 200:
        if readable and answer != shared.due:
            return Verdict(End.SILENT, f"{sent[:300]!r}: {str(content)[:300]}")
        return Verdict(End.SAME)
    line = content.get("error") if isinstance(content, dict) else None
    if (400 <= status < 500 or status == 501) and (isinstance(line, str) and "\n" not in line):
        if readable:
            return Verdict(End.SILENT, f"{status} {line}, to {sent[:300]!r}")
        return Verdict(End.REFUSED)
    return Verdict(End.TRACEBACK, f"{status} {str(content)[:300]}, to {sent[:300]!r}")


def _request(chance: random.Random) -> tuple[bytes, bool]:
    """Bytes, and whether they are a right request for _GOOD."""
    way = chance.choice(["good", "chunks", "flipped", "cut", "junk", "junk", "head", "noise"])
    if way == "good":
        return _WHOLE, True
    if way == "chunks":
        body, at = b"", 0
        while at < len(_BODY):
            size = chance.randrange(1, 20)
            body += b"%x\r\n%s\r\n" % (len(_BODY[at : at + size]), _BODY[at : at + size])
            at += size
        return head(OF_JSON, "Transfer-Encoding: chunked") + body + b"0\r\n\r\n", True
    if way == "flipped":
        changed = bytearray(_WHOLE)
        for _ in range(chance.randrange(1, 4)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        return bytes(changed), False
    if way == "cut":
        return _WHOLE[: chance.randrange(1, len(_WHOLE))], False
    if way == "junk":
        values = chance.choice(
            [
                {"inputs": chance.choice(_JUNK)},
                {**_GOOD, "parameters": chance.choice(_JUNK)},
                {**_GOOD, "parameters": {"top_k": chance.choice(_JUNK)}},
                {**_GOOD, "parameters": {"truncation": chance.choice(_JUNK)}},
                {chance.choice(["", "é", "inputs\x00", "__class__"]): chance.choice(_JUNK)},
                chance.choice(_JUNK),
            ]
        )
        body = json.dumps(values).encode()
        return head(OF_JSON, f"Content-Length: {len(body)}") + body, False
    if way == "head":
        extra = chance.choice(
            [
                "X: " + "x" * chance.randrange(20_000, 200_000),
                "Content-Length: 5",
                f"Content-Length: {10 ** chance.randrange(3, 40)}",
                "Transfer-Encoding: chunked",
                "Transfer-Encoding: gzip, chunked",
                "Content-Encoding: gzip",
                "Expect: 100-continue",
                "Content-Type: text/html",
                "X\x00: 1",
                " : ",
                "Host: a\x7fb",
            ]
        )
        return head(OF_JSON, extra, f"Content-Length: {len(_BODY)}") + _BODY, False
    return chance.randbytes(chance.randrange(1, 3000)), False
