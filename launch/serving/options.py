"""The options of `python -m launch.endpoint serve`, whose --help tells them."""

from dataclasses import dataclass
from typing import Any

from imdb_cls.errors import UserError


@dataclass
class ServingOptions:
    host: str = "127.0.0.1"
    port: int = 8080
    threads: int | None = None
    max_body_mb: int = 6
    max_texts: int = 1024
    max_characters: int = 100_000
    body_seconds: int = 10
    verbose: bool = False


# The highest values that are allowed. The lowest is 1, for a port 0.
_HIGHEST = {
    "port": 65535,
    "threads": 1024,
    "max_body_mb": 1024,
    "max_texts": 100_000,
    "max_characters": 10_000_000,
    "body_seconds": 3600,
}


def check_options(options: ServingOptions) -> None:
    """Raises UserError for a value that is out of its bounds."""
    for name, highest in _HIGHEST.items():
        value: Any = getattr(options, name)
        lowest = 0 if name == "port" else 1
        if value is not None and not lowest <= value <= highest:
            raise UserError(f"{name}={value}: allowed are {lowest} to {highest}")
    if not options.host.strip():
        raise UserError("host= is empty: allowed are 127.0.0.1, 0.0.0.0 or an address of this one")
