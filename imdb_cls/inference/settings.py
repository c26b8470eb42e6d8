"""What a model needs to know to label as its run did: model/inference.json."""

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from imdb_cls.errors import UserError, one_line
from imdb_cls.storage import as_recorded, sha256_of, write_json
from imdb_cls.typed import filled, read_object

# The least and the most tokens of a review.
LENGTHS = (8, 512)
# Files that are checked when they are loaded: not every command needs them.
_LARGE = (".safetensors", ".onnx")
_MEND = "python -m imdb_cls.train resume=<its run> makes it again"


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
    """Checksums of the files beside this one."""

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
        settings._check(file)
        settings.check_files(model, [n for n in settings.sha256 if not n.endswith(_LARGE)])
        return settings

    def write(self, model: Path) -> None:
        """Writes them, with the checksums of the model's files as they are now."""
        files = [p for p in sorted(model.iterdir()) if p.is_file() and p.name[0] != "."]
        sealed = {
            path.name: sha256_of(path)
            for path in files
            if path.name != self.FILE and (path.suffix != ".onnx" or path.name == self.fast)
        }
        write_json(model / self.FILE, asdict(replace(self, sha256=sealed)))

    def check_files(self, model: Path, names: Iterable[str]) -> None:
        """Raises UserError for one of these files that is missing, damaged or of another model. A
        file of which no checksum is known, as of an older version, is not checked."""
        for name in names:
            if expected := self.sha256.get(name):
                as_recorded(model / name, expected, "model", self.FILE, _MEND)

    def _check(self, file: Path) -> None:
        """Raises UserError for a value that no run of ours writes."""
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
        for name in self.sha256:
            if Path(name).name != name:
                raise UserError(f"{file}: sha256 of {one_line(name, 60)}: no file beside it")


def check_file(model: Path, name: str) -> None:
    """`Settings.check_files` for a model that may have no inference.json."""
    if (model / Settings.FILE).is_file():
        Settings.read(model).check_files(model, [name])
