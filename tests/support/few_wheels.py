"""A job without a network that installs 1 MB of wheels instead of 120."""

from pathlib import Path

import pytest

from imdb_cls.errors import UserError
from launch.training import code, wheels

# The last one is in nobody's environment: it must come from the job's channel.
_REQUIREMENTS = "torch\ntransformers\nantlr4-python3-runtime==4.9.3\ninflection==0.5.1\n"

TRAIN = """
import sys
from pathlib import Path
import imdb_cls.train
from launch.training import code, wheels
code.REQUIREMENTS = wheels.REQUIREMENTS = Path(sys.argv.pop(1))
task = imdb_cls.train.task
def shown(config):
    value = task(config)
    print("returned:", value)
    return value
imdb_cls.train.task = shown
imdb_cls.train.main()
"""
"""The program `python -m imdb_cls.train`, but its first word is a file that says what a job
installs, and it prints what the run returns to Hydra."""


def why_not(requirements: Path, cache: Path) -> str | None:
    """Writes that file, and collects its wheels in the cache. Returns why that cannot be done, if
    no index of packages can be reached."""
    requirements.write_text(_REQUIREMENTS)
    with pytest.MonkeyPatch.context() as patch:
        for module in (code, wheels):
            patch.setattr(module, "REQUIREMENTS", requirements)
        try:
            wheels.collect("3.11", cache)
        except UserError as error:
            return str(error)
    return None
