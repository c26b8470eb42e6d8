"""A container: a process in namespaces of its own, with this machine's files and an /opt/ml. Its
Python has this one's packages, and a place of its own for what the job installs."""

import configparser
import contextlib
import importlib.util
import os
import platform
import shutil
import signal
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

from imdb_cls.config import BackendConfig
from imdb_cls.errors import UserError
from launch.rehearsal.process import Process

_SCRIPT = Path(__file__).with_name("container.sh")
# What a machine's packages and threads depend on; nothing of a user's.
_KEPT = ("LANG", "LC_ALL", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "LD_LIBRARY_PATH", "SSL_CERT_FILE")
_KEPT_PREFIXES = ("CUDA_", "NVIDIA_")
_PATH = ("/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin")
# These halve the time that pip takes: it neither looks for a newer pip, nor for conflicts among all
# packages of this machine. (For an option that begins with no-, pip takes false for yes.)
_PIP = {"disable-pip-version-check": "true", "no-warn-conflicts": "false"}


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


def packages(directory: Path) -> list[Path]:
    """The directories that this Python's packages lie in, which stand for those of the image. If it
    has no pip, one is put into `directory`: that takes seconds, so all containers share it."""
    named = {sysconfig.get_paths()[kind] for kind in ("purelib", "platlib")}
    named |= {entry for entry in sys.path if entry.endswith(("site-packages", "dist-packages"))}
    found = [Path(entry) for entry in sorted(named) if Path(entry).is_dir()]
    if importlib.util.find_spec("pip") is None:
        venv.EnvBuilder(clear=True, symlinks=True, with_pip=True).create(directory / "pip")
        found += (directory / "pip").glob("lib/python*/site-packages")
    return found


def environment(host: Path, packages: list[Path]) -> dict[str, str]:
    """Makes a virtual environment for one container, which sees the packages. Returns the variables
    that the container has before SageMaker adds to them. They are printed in the job's log: nothing
    secret is in them."""
    venv.EnvBuilder(symlinks=True).create(host / "env")
    (site,) = host.glob("env/lib/python*/site-packages")
    (site / "image.pth").write_text("\n".join(map(str, packages)) + "\n", encoding="utf-8")
    for name in ("pip", "pip3"):
        script = host / "env/bin" / name
        script.write_text('#!/bin/sh\nexec python3 -m pip "$@"\n', encoding="utf-8")
        script.chmod(0o755)
    with (host / "home/pip.conf").open("w", encoding="utf-8") as file:
        _pip_settings().write(file)
    kept = [name for name in os.environ if name in _KEPT or name.startswith(_KEPT_PREFIXES)]
    return {
        **{name: os.environ[name] for name in kept},
        "PATH": os.pathsep.join([str(host / "env/bin"), *_PATH]),
        "HOME": str(host / "home"),
        "TMPDIR": str(host / "tmp"),
        "PIP_CONFIG_FILE": str(host / "home/pip.conf"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _pip_settings() -> configparser.RawConfigParser:
    """Where the user's pip looks for packages, from its files and variables. An index may have a
    password in its address, so the container gets a file."""
    home = Path.home()
    files = [home / ".pip/pip.conf", home / ".config/pip/pip.conf", Path(sys.prefix) / "pip.conf"]
    settings = configparser.RawConfigParser()
    settings.read_dict({"global": _PIP})
    settings.read([*files, os.environ.get("PIP_CONFIG_FILE", os.devnull)])
    for name, value in os.environ.items():
        if name.startswith("PIP_") and name != "PIP_CONFIG_FILE":
            settings["global"][name.removeprefix("PIP_").lower().replace("_", "-")] = value
    return settings
