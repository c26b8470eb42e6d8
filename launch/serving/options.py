"""The options of `python -m launch.endpoint serve`, whose --help tells them."""

from dataclasses import dataclass

from imdb_cls.config.knobs import Rule, check_knobs, knob
from imdb_cls.errors import UserError


def _within(low: int, high: int) -> Rule:
    return lambda value: None if low <= value <= high else f": allowed are {low} to {high}"


@dataclass
class ServingOptions:
    host: str = "127.0.0.1"
    port: int = knob(8080, _within(0, 65535))
    threads: int | None = knob(None, _within(1, 1024))
    max_body_mb: int = knob(6, _within(1, 1024))
    max_texts: int = knob(1024, _within(1, 100_000))
    max_characters: int = knob(100_000, _within(1, 10_000_000))
    body_seconds: int = knob(10, _within(1, 3600))
    verbose: bool = False


def check_options(options: ServingOptions) -> None:
    """Raises UserError for a value that is out of its bounds."""
    check_knobs(options)
    if not options.host.strip():
        raise UserError("host= is empty: allowed are 127.0.0.1, 0.0.0.0 or an address of this one")
