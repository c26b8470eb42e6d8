"""Commands as an ordinary user, where tests run as root."""

import os
import subprocess
import sys
from pathlib import Path

_NOBODY = 65534
# As root, in mounts of this process's own: the two directories $1 and $2 become readable for an
# ordinary user, who cannot see into $3 or $4 above them; then becomes that user.
_BECOME = f"""
set -e
mount -t tmpfs tmpfs /mnt
for kept in "$1" "$2"; do mkdir -p "/mnt$kept"; mount --bind "$kept" "/mnt$kept"; done
for closed in "$3" "$4"; do
  if [ -n "$closed" ]; then mount -t tmpfs -o mode=755 tmpfs "$closed"; fi
done
for kept in "$1" "$2"; do mkdir -p "$kept"; mount --bind "/mnt$kept" "$kept"; done
umount --recursive /mnt
shift 4
exec setpriv --reuid={_NOBODY} --regid={_NOBODY} --clear-groups "$@"
"""
_PROBE = """
import importlib.util, subprocess
assert importlib.util.find_spec("torch") and importlib.util.find_spec("imdb_cls.train")
subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "true"], check=True)
"""


def as_ordinary_user(work: Path) -> list[str]:
    """What to put before a command to run it as an ordinary user, to whom `work` is given. Nothing
    if that is who we are, or if such a user cannot read this Python or may not have namespaces."""
    if os.geteuid() != 0:
        return []
    python = Path(sys.base_prefix)
    words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _BECOME, "sh"]
    words += [str(python), str(work), _closed(python), _closed(work)]
    probe = [*words, sys.executable, "-c", _PROBE]
    if subprocess.run(probe, cwd="/", capture_output=True).returncode:
        return []
    for path in (work, *work.rglob("*")):
        os.chown(path, _NOBODY, _NOBODY)
    return words


def _closed(path: Path) -> str:
    """The first directory on the way to a path that only its owner may enter."""
    return next((str(p) for p in reversed([path, *path.parents]) if not p.stat().st_mode & 1), "")
