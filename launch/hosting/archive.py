"""A run's model as SageMaker wants it: model.tar.gz with the code that answers requests."""

import gzip
import io
import json
import tarfile
from dataclasses import asdict
from pathlib import Path

from imdb_cls.inference.settings import Settings
from imdb_cls.model.open import settings_of
from imdb_cls.runs.run import Run
from imdb_cls.storage import replacing
from launch.aws.unpack import unpacked

_PACKAGE = Path(__file__).parents[2] / "imdb_cls"
# What labelling needs of the package: the room for it, and the files on which that stands.
_SOURCES = ("__init__.py", "errors.py", "names.py", "storage.py", "typed.py", "inference/*.py")
# Hugging Face's toolkit imports code/inference.py with code/ on its path.
_ENTRY = '''"""What the inference toolkit calls."""

from imdb_cls.inference.handler import model_fn, transform_fn

__all__ = ["model_fn", "transform_fn"]
'''
# As in constraints.txt.
_PIN = "onnxruntime==1.32.0\n"
# Weights hardly shrink: a higher level takes three times as long for the same size.
_LEVEL = 1


def build(run: Run, target: Path, isolated: bool = False) -> None:
    """Writes a complete run's model.tar.gz to the file `target`. The same model and code give the
    same bytes, wherever the run lies and whenever it is packed.

    Args:
        isolated: for a container without a network. It would not start if it had to install
            onnxruntime; torch, which is in its image, answers in its place.
    """
    with (
        replacing(target) as partial,
        partial.open("wb") as file,
        gzip.GzipFile("", "wb", _LEVEL, file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.GNU_FORMAT) as tar,
    ):
        for name, source in sorted(_contents(run, isolated).items()):
            _add(tar, name, source)


def unpack(archive: Path, target: Path) -> None:
    """Unpacks an archive into a directory, which is made if need be. Raises UserError if it is
    damaged, or has members that lead out of `target`."""
    unpacked(archive, target, str(archive), "is not a model.tar.gz, or damaged")


def _contents(run: Run, isolated: bool) -> dict[str, Path | str]:
    """What is in the archive by its path there: a file of this machine, or a text."""
    settings = settings_of(run)
    settings.check_files(run.model_dir, settings.sha256)
    # A name with a dot before it is of a file that is being written.
    files = [p for p in run.model_dir.iterdir() if p.is_file() and not p.name.startswith(".")]
    # A run from before models were calibrated has no file of settings.
    contents: dict[str, Path | str] = {Settings.FILE: json.dumps(asdict(settings))}
    contents |= {path.name: path for path in files}
    for pattern in _SOURCES:
        for path in _PACKAGE.glob(pattern):
            contents[f"code/{path.relative_to(_PACKAGE.parent).as_posix()}"] = path
    contents["code/inference.py"] = _ENTRY
    if not isolated and any(path.suffix == ".onnx" for path in files):
        # The image has everything else that labelling needs.
        contents["code/requirements.txt"] = _PIN
    return contents


def _add(tar: tarfile.TarFile, name: str, source: Path | str) -> None:
    entry = tarfile.TarInfo(name)  # owned by nobody, of 1970, readable to all
    with io.BytesIO(source.encode()) if isinstance(source, str) else source.open("rb") as file:
        entry.size = file.seek(0, io.SEEK_END)
        file.seek(0)
        tar.addfile(entry, file)
