"""What an endpoint and its parts are called, so that a second deploy finds the first one's."""

import hashlib
import json
import re
from datetime import UTC, datetime
from typing import Any

from imdb_cls.runs.run import Run

Request = dict[str, Any]

# Marks what is ours: delete touches nothing else.
RUN_TAG = "imdb-cls:run"
ENDPOINT_TAG = "imdb-cls:endpoint"
PRICE_TAG = "imdb-cls:price-per-hour"

PREFIX = "imdb-cls-"
VARIANT = "AllTraffic"
# Behind it come a hyphen and 8 hex digits: 63 in all.
_STEM = 54


def of_run(run: Run) -> str:
    """imdb-cls-<date>-<time>-<fingerprint>: the same whenever and wherever it is asked for."""
    info = run.info()
    started = datetime.fromisoformat(str(info.started)).astimezone(UTC)
    fingerprint = str(info.fingerprint or "0" * 6)[:6]
    return f"{PREFIX}{started:%y%m%d-%H%M%S}-{fingerprint}"


def of_part(endpoint: str, request: Request) -> str:
    """The name of a model or a configuration: what it is made of decides it."""
    content = json.dumps(request, sort_keys=True).encode()
    return f"{stem(endpoint)}-{hashlib.sha256(content).hexdigest()[:8]}"


def stem(endpoint: str) -> str:
    return endpoint[:_STEM].rstrip("-")


def is_part(name: str, endpoint: str) -> bool:
    """Whether a model or configuration has the name of a part of this endpoint."""
    return bool(re.fullmatch(rf"{re.escape(stem(endpoint))}-[0-9a-f]{{8}}", name))


def tags(**values: str) -> list[dict[str, str]]:
    """As AWS takes them: of a value, the letters that it does not allow become underscores."""
    values = {key: re.sub(r"[^\w\s.:/=+@-]", "_", value)[:256] for key, value in values.items()}
    return [{"Key": key, "Value": value} for key, value in values.items()]
