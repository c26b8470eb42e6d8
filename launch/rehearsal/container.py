"""A container: a process in namespaces of its own, with this machine's files and an /opt/ml."""

import contextlib
import os
import platform
import shutil
import signal
import subprocess
from pathlib import Path

from imdb_cls.config import BackendConfig
from imdb_cls.errors import UserError
from launch.rehearsal.process import Process

_SCRIPT = Path(__file__).with_name("container.sh")


def namespaces(isolated: bool) -> list[str]:
    """The command that begins a container."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    network = ["--net"] if isolated else []
    return [
        *("unshare", *user, *network, "--mount", "--uts", "--pid", "--fork", "--kill-child"),
        *("--mount-proc", "--propagation", "private"),
    ]


def check_machine(backend: BackendConfig) -> None:
    """Raises UserError if this machine has no namespaces to make containers of."""
    if platform.system() != "Linux" or not shutil.which("unshare"):
        raise UserError(
            f"backend.rehearse=true needs Linux and its unshare command, and this is"
            f" {platform.system()}: backend.dry_run=true shows and checks the request anywhere"
        )
    tried = subprocess.run([*namespaces(False), "true"], capture_output=True, text=True)
    if tried.returncode:
        raise UserError(
            "backend.rehearse=true: this machine allows no namespaces to its users"
            f" ({' '.join(tried.stderr.split())}): allow them"
            " (sysctl kernel.apparmor_restrict_unprivileged_userns=0, or"
            " user.max_user_namespaces=10000; in Docker --privileged), or rehearse as root"
        )
    if backend.network_isolation and backend.instance_count > 1:
        raise UserError(
            "backend.rehearse=true: hosts without a network cannot find each other here: rehearse"
            " backend.network_isolation=true with backend.instance_count=1"
        )


def command(host: Path, readonly: list[Path], isolated: bool) -> list[str]:
    """What to write before a program to run it as the first process of a container.

    Args:
        host: the directory of the container's files, named like the host that it is.
        readonly: directories of this machine that the container must not write to.
        isolated: it has no network.
    """
    script = ["bash", str(_SCRIPT), str(host), host.name, *map(str, readonly), "--"]
    return [*namespaces(isolated), *script]


def terminate(process: Process) -> None:
    """Sends SIGTERM to the first process of a container, which gets it only if it handles it."""
    # unshare itself passes nothing on: the container is its only child.
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
        for child in listed.read_text().split():
            os.kill(int(child), signal.SIGTERM)
