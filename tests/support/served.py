"""Servers of `python -m launch.endpoint serve`, and what they are asked."""

import contextlib
import json
import re
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, BinaryIO

from imdb_cls.inference.settings import Settings
from imdb_cls.runs.run import Run
from launch.serving.page import ServedModel
from tests.support.runs import resealed

SAMPLES = ["i liked the movie", "i hated the movie", "the movie was okay"]
JSON = {"Content-Type": "application/json"}
MODEL = ServedModel("a run", "an engine", "not tested")
OF_JSON = "Content-Type: application/json"


def head(*lines: str) -> bytes:
    return "\r\n".join(["POST /invocations HTTP/1.1", "Host: here", *lines, "", ""]).encode()


def with_fast(run: Path) -> Path:
    """Gives a copy of a run its fast model, in fp32, and a temperature."""
    from imdb_cls.inference.network import load_trained
    from imdb_cls.model.onnx import graph

    model = run / "model"
    graph.write(load_trained(model), model / "model.fp32.onnx")
    data = Run(run).config().data
    Settings(data.max_length, data.head_fraction, 1.6, "model.fp32.onnx").write(model)
    return resealed(run)


@dataclass
class Served:
    process: "subprocess.Popen[str]"
    ready: str
    port: int

    def ask(
        self,
        body: Any = None,
        method: str = "POST",
        path: str = "/invocations",
        headers: dict[str, str] = JSON,
    ) -> tuple[int, Any]:
        """The status and the content of the answer; what is not bytes is sent as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        with contextlib.closing(HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            connection.request(method, path, content, headers)
            answer = connection.getresponse()
            return answer.status, _content(answer.read(), answer.headers["content-type"])

    def get(self, path: str) -> tuple[int, Any]:
        with contextlib.closing(HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, _content(answer.read(), answer.headers["content-type"])

    def send(self, content: bytes) -> tuple[int, Any]:
        """The answer to bytes as they are, which may be no request; the connection stays open."""
        with self.connected() as connection:
            connection.sendall(content)
            return answer_on(connection)

    def connected(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def until_closed(self) -> None:
        """Waits until it takes no new connection."""
        with contextlib.suppress(ConnectionError):
            while True:
                self.connected().close()

    def is_well(self) -> bool:
        status, content = self.ask({"inputs": SAMPLES[:1]})
        return status == 200 and set(content[0]) == {"label", "score"}


def _content(raw: bytes, kind: str | None) -> Any:
    return json.loads(raw) if kind == "application/json" else raw.decode("utf-8", "replace")


def answer_on(connection: socket.socket) -> tuple[int, Any]:
    """The next answer on a connection: its status and its JSON."""
    with connection.makefile("rb") as stream:
        answer = answer_in(stream)
        assert answer
        return answer


def answer_in(stream: BinaryIO) -> tuple[int, Any] | None:
    """The same; None: the connection was closed."""
    begin = stream.readline()
    if not begin:
        return None
    length = 0
    while line := stream.readline().strip():
        name, _, value = line.partition(b":")
        length = int(value) if name.lower() == b"content-length" else length
    return int(begin.split()[1]), json.loads(stream.read(length)) if length else None


Start = Callable[..., Served]


@contextlib.contextmanager
def starting(python: list[str]) -> Iterator[Start]:
    """Starts servers, and ends those that are left."""
    begun: list[subprocess.Popen[str]] = []

    def start(source: Path, *options: str) -> Served:
        words = [*python, "-m", "launch.endpoint", "serve", str(source), "port=0", *options]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        begun.append(process)
        assert process.stdout
        assert process.stderr
        ready = process.stdout.readline()
        assert ready, process.stderr.read()
        found = re.search(r"http://127\.0\.0\.1:(\d+)", ready)
        assert found
        return Served(process, ready, int(found[1]))

    yield start
    for process in begun:
        process.kill()
        process.communicate()
