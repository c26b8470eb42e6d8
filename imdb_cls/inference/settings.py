"""What a model needs to know to label as its run did: model/inference.json."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

from imdb_cls.errors import UserError, translated
from imdb_cls.storage import write_json


@dataclass(frozen=True)
class Settings:
    FILE: ClassVar[str] = "inference.json"

    max_length: int
    """Tokens that are kept of a review, [CLS] and [SEP] counted."""
    head_fraction: float
    """Share of them that comes from the beginning of a longer review."""
    temperature: float = 1.0
    """What the trained network's log-odds were divided by, in its last layer: temperature scaling
    (Guo et al. 2017), fitted on val."""
    fast: str | None = None
    """The file of the fast model for CPUs, if there is one that labels as this one does."""

    @classmethod
    def read(cls, model: Path) -> "Settings":
        """Those of a model/ directory. Raises UserError if there are none, or they are damaged."""
        file = model / cls.FILE
        if not file.is_file():
            raise UserError(
                f"{model} has no {cls.FILE}: it is from before models were calibrated:"
                " train it again"
            )
        with translated(f"{file} is damaged", ValueError, KeyError, TypeError):
            values = json.loads(file.read_text(encoding="utf-8"))
            fast = values["fast"]
            return cls(
                int(values["max_length"]),
                float(values["head_fraction"]),
                float(values["temperature"]),
                None if fast is None else str(fast),
            )

    def write(self, model: Path) -> None:
        write_json(model / self.FILE, asdict(self))
