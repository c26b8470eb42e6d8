"""Whether this machine can rehearse."""

import platform
import shutil
import subprocess

from imdb_cls.config import BackendConfig
from imdb_cls.errors import UserError
from launch.rehearsal.container import namespaces


def check_machine(backend: BackendConfig) -> None:
    """
    Raises:
        UserError: this machine has no namespaces to make containers of.
    """
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
