"""The container of a model: a server process on this machine, from the archive that is in S3."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Protocol

_READY = re.compile(r"^serving .* on (http://[\d.]+:\d+)")
_START_S, _END_S, _ANSWER_S = 300.0, 10.0, 60.0
# No proxy of the user's leads to loopback.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Running(Protocol):
    """What answers for a model."""

    def ask(self, body: bytes, content_type: str) -> tuple[int, bytes]:
        """The HTTP status and the answer to a request."""

    def close(self) -> None:
        """Ends it."""


class NotStarted(Exception):
    """A server that ended before it was ready; its log."""


class Server:
    """`python -m launch.endpoint serve` on a port of its own, ready when this returns.

    Raises:
        NotStarted: it ended, or was not ready in time.
    """

    def __init__(self, archive: Path) -> None:
        self._lines: list[str] = []
        self._url: str | None = None
        self._process: subprocess.Popen[str] | None = None
        self._ready = threading.Event()
        threading.Thread(target=self._run, args=(archive,), daemon=True).start()
        if not self._ready.wait(_START_S) or self._url is None:
            self.close()
            raise NotStarted(self.log)

    @property
    def log(self) -> str:
        return "".join(self._lines)

    def ask(self, body: bytes, content_type: str) -> tuple[int, bytes]:
        asked = urllib.request.Request(
            f"{self._url}/invocations", body, {"Content-Type": content_type}
        )
        try:
            with _OPENER.open(asked, timeout=_ANSWER_S) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except OSError as error:
            return 503, str(error).encode()

    def close(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_S)
        self._process.kill()

    def _run(self, archive: Path) -> None:
        """Starts the process and reads what it says. The thread lives as long as the process: that
        one dies with the thread that started it."""
        bound = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        command = [sys.executable, "-m", "launch.endpoint", "serve", str(archive), "port=0"]
        self._process = subprocess.Popen(
            [*bound, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # Whatever becomes of it, its files go with the local AWS.
            env={**os.environ, "TMPDIR": str(archive.parent)},
            # A Ctrl-C at the terminal is for the client, not for what stands for another machine.
            start_new_session=True,
        )
        assert self._process.stdout
        for line in self._process.stdout:
            self._lines.append(line)
            if found := _READY.match(line):
                self._url = found[1]
                self._ready.set()
        self._ready.set()
