"""A Hub on this machine, and how the libraries of this process are led to it."""

import contextlib
import hashlib
import json
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from imdb_cls.data import hub

UNKNOWN = "0" * 40
"""A revision that no repository has."""


@dataclass
class Hub:
    """The repositories of a Hub on 127.0.0.1, and what was asked of it."""

    repositories: dict[str, tuple[str, dict[str, bytes]]] = field(default_factory=dict)
    """models/<id> or datasets/<id>: its only revision and its files."""
    silent: bool = False
    """Accepts every question but those for an unknown revision, and never answers."""
    asked: list[str] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)


class Handler(BaseHTTPRequestHandler):
    """As much of the Hub's HTTP API as repo_info and snapshot_download use."""

    def __init__(self, hub: Hub, *rest: Any) -> None:
        self.hub = hub
        super().__init__(*rest)

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        self.hub.asked.append(path)
        if UNKNOWN in path:
            self.answer(404, b"", {"X-Error-Code": "RevisionNotFound"})
        elif self.hub.silent:
            self.hub.closing.wait()
            self.close_connection = True
        elif match := re.fullmatch(r"/api/(\w+/[^/]+/[^/]+)/(revision|tree)/[^/]+", path):
            self.describe(match[1], match[2])
        elif match := re.fullmatch(r"/(datasets/)?([^/]+/[^/]+)/resolve/[^/]+/(.+)", path):
            revision, files = self.hub.repositories[(match[1] or "models/") + match[2]]
            content = files[match[3]]
            digest = hashlib.sha256(content).hexdigest()
            self.answer(200, content, {"X-Repo-Commit": revision, "ETag": f'"{digest}"'})
        else:
            self.answer(404, b"", {"X-Error-Code": "RepoNotFound"})

    do_HEAD = do_GET

    def describe(self, name: str, what: str) -> None:
        revision, files = self.hub.repositories[name]
        if what == "revision":
            siblings = [{"rfilename": file} for file in files]
            found: Any = {"id": name.split("/", 1)[1], "sha": revision, "siblings": siblings}
        else:
            found = [
                {
                    "type": "file",
                    "path": file,
                    "size": len(content),
                    "oid": hashlib.sha1(content).hexdigest(),
                }
                for file, content in files.items()
            ]
        self.answer(200, json.dumps(found).encode(), {"Content-Type": "application/json"})

    def answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, format: str, *values: Any) -> None:
        pass


@contextlib.contextmanager
def serving(hub: Hub) -> Iterator[str]:
    """The Hub's address while it runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, hub))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        hub.closing.set()
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def refusing() -> Iterator[str]:
    """An address that belongs to us and where nothing listens."""
    with socket.socket() as ours:
        ours.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{ours.getsockname()[1]}"


@contextlib.contextmanager
def reaching(endpoint: str, home: Path, timeout_s: float = 0.5) -> Iterator[None]:
    """The libraries of this process take this Hub, and a cache in `home`, as had HF_ENDPOINT and
    HF_HOME been set when they were imported."""
    hub.snapshot.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_ENDPOINT", endpoint)
        patch.setenv("NO_PROXY", "127.0.0.1")
        patch.setattr(constants, "ENDPOINT", endpoint)
        template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        patch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
        patch.setattr(hub, "TIMEOUT_S", timeout_s)
        yield
    hub.snapshot.cache_clear()
