"""A vulnerability is told from a service that cannot say whether there is one."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.support import audit


def vulnerable(name: str, *mended: str) -> dict[str, Any]:
    """What osv.dev answers of a package."""
    events = [{"introduced": "0"}, *({"fixed": version} for version in mended)]
    affected = {
        "package": {"name": name, "ecosystem": "PyPI"},
        "ranges": [{"type": "ECOSYSTEM", "events": events}],
    }
    return {"vulns": [{"id": f"PYSEC-{name}", "affected": [affected]}]}


class Service(ThreadingHTTPServer):
    known: dict[str, dict[str, Any]]


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        assert isinstance(self.server, Service)
        body = json.dumps(self.server.known.get(asked["package"]["name"], {})).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Says nothing."""


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A vulnerability service of our own, asked about two pins."""
    monkeypatch.setattr(audit, "CONSTRAINTS", tmp_path / "constraints.txt")
    audit.CONSTRAINTS.write_text("# Pins.\nfirst==1.0\nsecond==2.0\n")
    with Service(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def ask(server: Service, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    url = f"http://127.0.0.1:{server.server_port}/"
    code = audit.main(["--vulnerability-service=osv", f"--osv-url={url}"])
    return code, capsys.readouterr().out.splitlines()


DJANGO = vulnerable("django", "2.2.1")


@pytest.mark.parametrize(
    ("known", "code", "said"),
    [
        ({"django": DJANGO}, 0, ["pip-audit: 2 packages, 0 to be raised"]),
        (
            {"django": DJANGO, "first": vulnerable("first"), "second": vulnerable("second", "2.1")},
            1,
            [
                "first 1.0: PYSEC-first: not mended yet",
                "second 2.0: PYSEC-second: mended in 2.1",
                "pip-audit: 2 packages, 1 to be raised",
            ],
        ),
        (
            {"first": vulnerable("first", "1.1")},
            0,
            [f"pip-audit was left out: the service knows of no vulnerability of {audit.CONTROL}"],
        ),
    ],
    ids=["clean", "vulnerable", "without data"],
)
def test_what_can_be_mended_fails(
    known: dict[str, Any],
    code: int,
    said: list[str],
    service: Service,
    capsys: pytest.CaptureFixture[str],
) -> None:
    service.known = known
    assert ask(service, capsys) == (code, said)


def test_a_service_that_cannot_be_reached_leaves_the_audit_out(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    service.shutdown()
    service.server_close()
    code, (line,) = ask(service, capsys)
    assert code == 0
    assert line.startswith("pip-audit was left out: ")
    assert "Max retries exceeded" in line
