"""What a model needs to know to label as its run did: model/inference.json."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from imdb_cls.errors import UserError, one_line
from imdb_cls.storage import write_json

FILE = "inference.json"


@dataclass(frozen=True)
class Settings:
    max_length: int
    """Tokens of a review, [CLS] and [SEP] counted."""
    head_fraction: float
    """Share of them that comes from the beginning of a longer review."""
    temperature: float = 1.0
    """What the trained network's log-odds were divided by, in its last layer: temperature scaling
    (Guo et al. 2017), fitted on val."""
    fast: str | None = None
    """The file of the model for CPUs, if there is one that labels as this one does."""

    def write(self, model: Path) -> None:
        write_json(model / FILE, asdict(self))

    def with_fast(self, name: str | None) -> "Settings":
        return replace(self, fast=name)


def read(model: Path) -> Settings:
    """Of a model/ directory.

    Raises:
        UserError: there are none, or they are damaged.
    """
    file = model / FILE
    if not file.is_file():
        raise UserError(
            f"{model} has no {FILE}: it is from before models were calibrated: train it again"
        )
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        fast = values["fast"]
        return Settings(
            int(values["max_length"]),
            float(values["head_fraction"]),
            float(values["temperature"]),
            None if fast is None else str(fast),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{file} is damaged: {one_line(error)}") from None
