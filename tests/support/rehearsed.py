"""What jobs in a local AWS are asked for, and how they are looked at."""

import os
import sysconfig
from pathlib import Path

SMALL = ("data.train_size=480",)
"""30 steps an epoch: long enough to be stopped in the middle of one."""
REHEARSED = ("+backend=sagemaker", "backend.rehearse=true")

IMPATIENT = """
import launch.training.attach as attaching, launch.aws.client as client
from botocore.config import Config
from launch.jobs import main
attach = attaching.attach
attaching.attach = lambda run, aws, screen, poll_seconds: attach(run, aws, screen, 0.05)
few = Config(retries={"mode": "standard", "total_max_attempts": 2})
client._CLIENT = client._CLIENT.merge(few)
main()
"""
"""The program `python -m launch.jobs`, but it looks more often and gives up sooner."""


def outside(*directories: Path) -> dict[str, str]:
    """All that a rehearsal could change by accident: name, size and time of every file."""
    packages = {Path(sysconfig.get_paths()[kind]) for kind in ("purelib", "platlib", "scripts")}
    tops = [*packages, *directories]
    found = [path for top in tops for path in top.rglob("*") if "__pycache__" not in path.parts]
    found += [*Path("/opt").glob("*"), *Path("/opt").glob("*/*"), Path("/etc/hosts")]
    stats = {str(path): path.lstat() for path in found}
    # Python writes __pycache__ into the directories of packages.
    return {
        name: "directory" if os.path.isdir(name) else f"{s.st_size} {s.st_mtime_ns}"  # noqa: PTH112
        for name, s in stats.items()
    }
