"""Reviews and weights that come as pinned Python packages."""

import importlib.util
from pathlib import Path

from imdb_cls.errors import UserError


def package_directory(package: str, requirement: str, what: str) -> Path:
    """Where an installed package lies. It is not imported: that would take seconds. Raises
    UserError, which names `what` it holds and the `requirement`, if it is not installed."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise UserError(f"the packaged {what} are not installed: pip install {requirement}")
    return Path(spec.submodule_search_locations[0])
