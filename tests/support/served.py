"""Archives of the tiny model, and servers that serve it."""

import contextlib
import json
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from imdb_cls.inference.settings import Settings
from imdb_cls.runs.run import Run
from launch.hosting import archive
from tests.conftest import once
from tests.test_predict import decided

SAMPLES = ["i liked the movie", "i hated the movie", "the movie was okay"]
JSON = {"Content-Type": "application/json"}
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
    return run


@pytest.fixture(scope="session", name="fast_run")
def fast_run_(trained: Path, shared: Path) -> Path:
    """A run with a fast model. Tests read it and change nothing in it."""

    def make(path: Path) -> None:
        with_fast(shutil.copytree(trained, path / "run"))

    return once(shared, "fast", make) / "run"


@pytest.fixture(scope="session", name="packed")
def packed_(fast_run: Path, shared: Path) -> Path:
    """Its archive."""

    def make(path: Path) -> None:
        archive.build(Run.open(fast_run), path / "model.tar.gz")

    return once(shared, "packed", make) / "model.tar.gz"


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
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            connection.sendall(content)
            return answer_on(connection)

    def until_closed(self) -> None:
        """Waits until it takes no new connection."""
        with contextlib.suppress(ConnectionError):
            while True:
                socket.create_connection(("127.0.0.1", self.port), timeout=60).close()

    def is_well(self) -> bool:
        status, content = self.ask({"inputs": SAMPLES[:1]})
        return status == 200 and set(content[0]) == {"label", "score"}


def _content(raw: bytes, kind: str | None) -> Any:
    return json.loads(raw) if kind == "application/json" else raw.decode("utf-8", "replace")


def answer_on(connection: socket.socket) -> tuple[int, Any]:
    """The next answer on a connection: its status and its JSON."""
    with connection.makefile("rb") as stream:
        status = int(stream.readline().split()[1])
        length = 0
        while line := stream.readline().strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        return status, json.loads(stream.read(length)) if length else None


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


@pytest.fixture(scope="module", name="run")
def run_(fast_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that tells reviews apart, with the fast model of those weights."""
    return with_fast(decided(fast_run, tmp_path_factory.mktemp("served") / "run"))


@pytest.fixture(scope="module", name="served")
def served_(run: Path, python: list[str]) -> Iterator[Served]:
    """One server for most tests: impatient with bodies, so that slow ones cost a second."""
    with starting(python) as start:
        server = start(run, "body_seconds=1", "threads=1")
        yield server
        server.process.terminate()
        said = server.process.communicate(timeout=60)
        # Not a word about all that was asked of it.
        assert (server.process.returncode, said) == (0, ("", ""))


@pytest.fixture(name="start")
def start_(python: list[str]) -> Iterator[Start]:
    with starting(python) as function:
        yield function
