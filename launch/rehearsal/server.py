"""The container of a model: a server process on this machine, from the archive that is in S3."""

import contextlib
import http.client
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import NamedTuple

from launch.rehearsal.process import Batches, BoundProcess

_READY = re.compile(r"^serving .* on http://([\d.]+:\d+)")
_START_S, _END_S, _ANSWER_S = 300.0, 10.0, 60.0


class Answer(NamedTuple):
    status: int
    """HTTP's."""
    body: bytes
    content_type: str = "application/json"


class NotStarted(Exception):
    """A server ended before it was ready; its log."""


class Server:
    """`python -m launch.endpoint serve` on a port of its own, ready when this returns. Raises
    NotStarted if it ended, or was not ready in time."""

    def __init__(self, archive: Path) -> None:
        self._lines: list[str] = []
        self._address: str | None = None
        self._ready = threading.Event()
        self._bound = BoundProcess(
            [sys.executable, "-m", "launch.endpoint", "serve", str(archive), "port=0"],
            # Whatever becomes of it, its files lie beside the archive and are deleted with it.
            {**os.environ, "TMPDIR": str(archive.parent)},
            self._read,
        )
        if not self._ready.wait(_START_S) or self._address is None:
            self.close()
            raise NotStarted("\n".join(self._lines))

    def ask(self, body: bytes, content_type: str, accept: str) -> Answer:
        assert self._address
        connection = http.client.HTTPConnection(self._address, timeout=_ANSWER_S)
        with contextlib.closing(connection):
            try:
                headers = {"Content-Type": content_type, "Accept": accept}
                connection.request("POST", "/invocations", body, headers)
                answer = connection.getresponse()
                return Answer(answer.status, answer.read(), answer.headers["content-type"])
            except OSError as error:
                return Answer(503, str(error).encode())

    def close(self) -> None:
        process = self._bound.process
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_END_S)
        process.kill()

    def _read(self, batches: Batches) -> None:
        for lines in batches:
            self._lines += lines
            for line in lines:
                if found := _READY.match(line):
                    self._address = found[1]
                    self._ready.set()
        self._ready.set()
