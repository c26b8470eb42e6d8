"""sweep.json: what may stand in it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imdb_cls.errors import UserError, one_line
from imdb_cls.names import SCALARS
from imdb_cls.runs.info import STATUSES, check_time
from imdb_cls.typed import filled, read_object


@dataclass
class _Record:
    """What may stand in sweep.json."""

    status: str | None = None
    command: str | None = None
    started: str | None = None
    finished: str | None = None
    search: str | None = None
    metric: str | None = None
    direction: str | None = None
    backend: str | None = None
    code: str | None = None
    identity: str | None = None
    planned: list[list[str]] = field(default_factory=list)

    def check(self, file: Path) -> None:
        for name, allowed in (
            ("status", STATUSES),
            ("direction", ("min", "max")),
            ("metric", [f"val/{name}" for name in SCALARS]),
        ):
            value = getattr(self, name)
            if value is not None and value not in allowed:
                raise UserError(
                    f"{file} is damaged: {name}={one_line(value, 40)}: allowed are"
                    f" {', '.join(allowed)}"
                )
        for name in ("started", "finished"):
            check_time(getattr(self, name), f"{file}: {name}")


def read_sweep(file: Path) -> dict[str, Any]:
    """sweep.json as it stands in the file. Raises UserError for what no sweep of ours writes."""
    values = read_object(file)
    filled(_Record, values, file).check(file)
    return values
