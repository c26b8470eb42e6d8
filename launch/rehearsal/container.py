"""One container: a process in namespaces of its own, with this machine's files and an /opt/ml."""

import os
import shutil
import signal
import subprocess
import threading
from pathlib import Path

from launch.rehearsal.logs import LogWriter

_SCRIPT = Path(__file__).with_name("container.sh")


def namespaces(isolated: bool) -> list[str]:
    """The command that begins a container."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    network = ["--net"] if isolated else []
    # Whatever becomes of this process, none of its containers outlives it.
    bound = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
    return [
        *bound,
        *("unshare", *user, *network, "--mount", "--uts", "--pid", "--fork", "--kill-child"),
        *("--mount-proc", "--propagation", "private"),
    ]


class Container:
    """Starts at once.

    Args:
        base: a directory with ml, tmp, home and hosts.
        readonly: directories of this machine that the container must not write to.
        program: what runs as its first process.
        variables: its whole environment.
        log: takes every line that it prints.
    """

    def __init__(
        self,
        namespaces: list[str],
        base: Path,
        host: str,
        readonly: list[Path],
        program: list[str],
        variables: dict[str, str],
        log: LogWriter,
    ) -> None:
        words = [*namespaces, "bash", str(_SCRIPT), str(base), host, *map(str, readonly)]
        self.log = log
        self._process = subprocess.Popen(
            [*words, "--", *program],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=variables,
            # A Ctrl-C at the terminal is for the client, not for what stands for another machine.
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def code(self) -> int | None:
        """The exit code; None while it runs."""
        return self._process.poll()

    @property
    def running(self) -> bool:
        return self.code is None

    def terminate(self) -> None:
        """SIGTERM to the container's first process, which gets it only if it handles it."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._process.kill()

    def finish(self) -> None:
        """Waits for the last line."""
        self._reader.join()
        self.log.close()

    def _signal(self, signum: int) -> None:
        # unshare itself passes nothing on: the container is its only child.
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for child in children:
            subprocess.run(["kill", f"-{signum}", child], check=False)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.log.write(line.rstrip("\n"))
