"""How what is made of a run is named and marked in AWS."""

import hashlib
import json
import re
from typing import Any

PREFIX = "imdb-cls-"
# What AWS allows as the name of a job, an endpoint or its parts.
NAME = r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"
# The tag of everything that is made of a run. What does not have it is never deleted.
RUN_TAG = "imdb-cls:run"


def digest(content: Any) -> str:
    """A hash of what requests say. What is named by it is found again by the same command."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def as_tags(values: dict[str, str]) -> list[dict[str, str]]:
    """As AWS takes them: characters that it does not allow in a value become underscores."""
    allowed = {key: re.sub(r"[^\w\s.:/=+@-]", "_", value)[:256] for key, value in values.items()}
    return [{"Key": key, "Value": value} for key, value in allowed.items()]
