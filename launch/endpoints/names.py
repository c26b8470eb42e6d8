"""What an endpoint and its parts are called, so that a second deploy finds the first one's."""

import re
from datetime import UTC, datetime

from imdb_cls.runs.run import Run
from launch.aws.limits import Request
from launch.hosting.names import PREFIX, digest

ENDPOINT_TAG = "imdb-cls:endpoint"
PRICE_TAG = "imdb-cls:price-per-hour"
VARIANT = "AllTraffic"
# A part's name is the endpoint's, cut to this, a hyphen and 8 hex digits: at most 63 characters.
_STEM = 54


def of_run(run: Run) -> str:
    """imdb-cls-<date>-<time>-<fingerprint>: always the same for a run."""
    info = run.info()
    started = datetime.fromisoformat(str(info.started)).astimezone(UTC)
    fingerprint = str(info.fingerprint or "0" * 6)[:6]
    return f"{PREFIX}{started:%y%m%d-%H%M%S}-{fingerprint}"


def of_part(endpoint: str, request: Request) -> str:
    """The name of a model or a configuration, by what it is made of."""
    return f"{stem(endpoint)}-{digest(request)[:8]}"


def stem(endpoint: str) -> str:
    """What the names of an endpoint's parts begin with."""
    return endpoint[:_STEM].rstrip("-")


def is_part(name: str, endpoint: str) -> bool:
    """Whether a model or configuration has the name of a part of this endpoint."""
    return bool(re.fullmatch(rf"{re.escape(stem(endpoint))}-[0-9a-f]{{8}}", name))
