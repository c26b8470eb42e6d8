"""A server that answers wandb as its own does, until it is to refuse or hang."""

import contextlib
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Fault = int | str | None
"""The HTTP status of every answer, `close` or `hang`; None: it answers."""


class WandbServer(ThreadingHTTPServer):
    """`faults` has what becomes of a request from the first one on that has the name: of a GraphQL
    operation, or any with `file_stream` in its path. `seen` has the names of all requests."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.faults: dict[str, Fault] = {}
        self.seen: list[str] = []
        self.streamed: list[bytes] = []
        self.is_over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def fault(self) -> Fault:
        return next((how for name, how in self.faults.items() if name in self.seen), None)

    def handle_error(self, *args: Any) -> None:
        """A client that ends its connection is no error."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: WandbServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"] or 0))
        asked = json.loads(body) if self.path.endswith("/graphql") else {}
        named = re.search(r"(?:query|mutation)\s+(\w+)", asked.get("query", ""))
        name = named[1] if named else self.path.rpartition("/")[2]
        self.server.seen.append(name)
        fault = self.server.fault()
        if fault == "hang":
            self.server.is_over.wait()
        if fault in ("hang", "close"):
            self.connection.close()
            self.close_connection = True
            return
        if name == "file_stream" and fault is None:
            self.server.streamed.append(body)
        data = {"data": self._data(name, asked.get("variables", {}))} if asked else {}
        self._say(json.dumps(data), fault if isinstance(fault, int) else 200)

    do_PUT = do_GET = do_POST

    def _data(self, name: str, variables: dict[str, Any]) -> dict[str, Any]:
        project = {"id": "p", "name": "imdb_cls", "entity": {"id": "e", "name": "somebody"}}
        run = {"id": "r", "name": variables.get("name"), "displayName": "a run", "project": project}
        if name == "UpsertBucket":
            return {"upsertBucket": {"bucket": run, "inserted": True}}
        if name == "RunResumeStatus":
            return {"model": {**project, "bucket": None}}
        if name == "CreateRunFiles":
            files = [
                {"name": file, "uploadUrl": f"{self.server.url}/up/{file}"}
                for file in variables["files"]
            ]
            return {"createRunFiles": {"runID": "r", "uploadHeaders": [], "files": files}}
        return {}

    def _say(self, text: str, status: int) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: Any) -> None:
        return


@contextlib.contextmanager
def serving() -> Iterator[WandbServer]:
    with WandbServer() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        yield server
        server.is_over.set()
        server.shutdown()
