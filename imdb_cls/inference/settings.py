"""What a model needs to know to label as its run did: model/inference.json."""

import re
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from imdb_cls.errors import UserError, one_line
from imdb_cls.storage import sha256_of, write_json
from imdb_cls.typed import filled, read_object

# The least and the most tokens of a review.
LENGTHS = (8, 512)


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
    sha256: dict[str, str] = field(default_factory=dict, compare=False)
    """Checksums of files beside this one."""

    @classmethod
    def read(cls, model: Path) -> "Settings":
        """Those of a model/ directory. Raises UserError if there are none, or they are damaged."""
        file = model / cls.FILE
        if not file.is_file():
            raise UserError(
                f"{model} has no {cls.FILE}: it is from before models were calibrated:"
                " train it again"
            )
        settings = filled(cls, read_object(file), file)
        settings._check(model)
        return settings

    def write(self, model: Path) -> None:
        """Writes them, with the checksums of the model's files as they are now."""
        sealed = {n: sha256_of(model / n) for n in self._sealed if (model / n).is_file()}
        write_json(model / self.FILE, asdict(replace(self, sha256=sealed)))

    @property
    def _sealed(self) -> list[str]:
        """The files that have a checksum here. That of the weights is in their own file."""
        return ["tokenizer.json", *filter(None, [self.fast])]

    def _check(self, model: Path) -> None:
        """Raises UserError for a value that no run of ours writes, and a file that is damaged."""
        file = model / self.FILE
        low, high = LENGTHS
        if not low <= self.max_length <= high:
            raise UserError(
                f"{file}: max_length={self.max_length} must lie between {low} and {high}"
            )
        if not 0 <= self.head_fraction <= 1:
            raise UserError(f"{file}: head_fraction={self.head_fraction} must lie between 0 and 1")
        if not self.temperature > 0:
            raise UserError(f"{file}: temperature={self.temperature} must be above 0")
        if self.fast is not None and not re.fullmatch(r"\w[\w.-]*\.onnx", self.fast):
            raise UserError(
                f"{file}: fast={one_line(self.fast, 60)}: allowed is an .onnx file beside it"
            )
        for name in self._sealed:
            digest = self.sha256.get(name)
            if digest and (model / name).is_file() and sha256_of(model / name) != digest:
                raise UserError(
                    f"{model / name} is damaged, or another file: its SHA-256 is not the one in"
                    f" {self.FILE}"
                )
