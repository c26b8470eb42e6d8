"""Reviews and weights that come as pinned Python packages."""

import importlib.util
from pathlib import Path

from imdb_cls.errors import UserError


def directory_of(package: str, requirement: str, what: str) -> Path:
    """Where an installed package lies. It is not imported: its own imports take seconds.

    Args:
        requirement: what pip is to install if the package is not there.
        what: what the package holds, for the error.

    Raises:
        UserError: it is not installed.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise UserError(f"the packaged {what} are not installed: pip install {requirement}")
    return Path(spec.submodule_search_locations[0])
