"""A run's model as SageMaker wants it: model.tar.gz with the code that answers requests."""

import ast
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from imdb_cls.inference.settings import Settings
from imdb_cls.model.open import settings_of
from imdb_cls.runs.run import Run
from imdb_cls.storage import replacing
from launch.aws.unpack import unpacked

_PACKAGE = Path(__file__).parents[2] / "imdb_cls"
_HANDLER = "imdb_cls.inference.handler"
# Hugging Face's toolkit imports code/inference.py with code/ on its path.
_ENTRY = f'''"""What the inference toolkit calls."""

from {_HANDLER} import model_fn, transform_fn

__all__ = ["model_fn", "transform_fn"]
'''
# As in constraints.txt.
_PIN = "onnxruntime==1.32.0\n"
# Weights hardly shrink: a higher level takes three times as long for the same size.
_LEVEL = 1


@dataclass(frozen=True)
class Archive:
    path: Path
    sha256: str
    size: int
    """Bytes."""


def build(run: Run, target: Path, isolated: bool = False) -> Archive:
    """Writes a complete run's model.tar.gz to the file `target`. The same model and code give the
    same bytes, wherever the run lies and whenever it is packed.

    Args:
        isolated: for a container without a network, which does not start if it is to install
            something: torch, which is in its image, answers then.
    """
    with replacing(target) as partial:
        with partial.open("wb") as file:
            hashing = _Hashing(file)
            with (
                gzip.GzipFile("", "wb", _LEVEL, hashing, mtime=0) as packed,
                tarfile.open(fileobj=packed, mode="w|", format=tarfile.GNU_FORMAT) as tar,
            ):
                for name, source in sorted(_contents(run, isolated).items()):
                    _add(tar, name, source)
        return Archive(target, hashing.digest.hexdigest(), partial.stat().st_size)


def unpack(archive: Path, target: Path) -> None:
    """Into a directory that need not be there.

    Raises:
        UserError: it is damaged, or has members that lead out of `target`.
    """
    unpacked(archive, target, str(archive), "is not a model.tar.gz, or damaged")


def sources() -> dict[str, Path]:
    """The part of the package that labelling needs, by its path below code/: the handler, and all
    that it imports at once or later."""
    found: dict[str, Path] = {}
    waiting = [_HANDLER]
    while waiting:
        name = waiting.pop()
        path = _file_of(name)
        if path is None or name in found:
            continue
        found[name] = path
        waiting += [name.rpartition(".")[0], *_imports(path)]
    return {path.relative_to(_PACKAGE.parent).as_posix(): path for path in found.values()}


def _contents(run: Run, isolated: bool) -> dict[str, Path | str]:
    """By the path in the archive: a file, or what shall be in it."""
    # A name with a dot before it is of a file that is being written.
    files = [p for p in run.model_dir.iterdir() if p.is_file() and not p.name.startswith(".")]
    contents: dict[str, Path | str] = {path.name: path for path in files}
    if Settings.FILE not in contents:  # a run from before models were calibrated
        contents[Settings.FILE] = json.dumps(asdict(settings_of(run)))
    contents |= {f"code/{name}": path for name, path in sources().items()}
    contents["code/inference.py"] = _ENTRY
    if not isolated and any(path.suffix == ".onnx" for path in files):
        # All else that labelling needs is in the image.
        contents["code/requirements.txt"] = _PIN
    return contents


def _add(tar: tarfile.TarFile, name: str, source: Path | str) -> None:
    entry = tarfile.TarInfo(name)  # of nobody, 1970, readable to all
    if isinstance(source, str):
        content = source.encode()
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    else:
        entry.size = source.stat().st_size
        with source.open("rb") as file:
            tar.addfile(entry, file)


def _file_of(module: str) -> Path | None:
    """Of a module or a package of ours."""
    if module.partition(".")[0] != _PACKAGE.name:
        return None
    path = _PACKAGE.parent.joinpath(*module.split("."))
    files = (path / "__init__.py", path.with_suffix(".py"))
    return next((file for file in files if file.is_file()), None)


def _imports(path: Path) -> Iterator[str]:
    """Modules that a file imports anywhere, and names that it imports from them, which may be
    modules too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


class _Hashing:
    """A file that is written, and what is written to it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.digest = file, hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()
