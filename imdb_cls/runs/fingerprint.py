"""What decides the numbers of a run, as one hash, and which code and packages it ran."""

import contextlib
import functools
import hashlib
import json
import platform
import subprocess
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

from imdb_cls.config import Config
from imdb_cls.runs.info import Resolved

_PACKAGE = Path(__file__).parents[1]
_PACKAGES = (
    *("torch", "pytorch-lightning", "transformers", "tokenizers", "datasets", "torchmetrics"),
    *("hydra-core", "numpy", "imdb_cls"),
)


# A change of these changes no run.
_READERS = (
    *("predict.py", "outputs.py", "sweep.py", "sweeps", "runs", "reports", "report.py"),
    *("export.py", "model/onnx", "training/complete.py", "training/progress.py"),
    *("inference/contract.py", "inference/handler.py"),
)


# Keys that do not change what comes out of a run.
WITHOUT_EFFECT = (
    *("logger", "cache_dir", "resume", "reference", "container", "backend", "sweep"),
    *("export", "report"),
    *("trainer.progress", "trainer.log_every_n_steps", "trainer.checkpoint_minutes"),
)


def fingerprint(config: Config, resolved: Resolved) -> str:
    """What decides the result, as 16 hex digits: the config without paths, loggers and backend, the
    reviews and weights that it resolved to, and the package's own source."""
    values = asdict(config)
    for key in WITHOUT_EFFECT:
        group, _, name = key.rpartition(".")
        del (values[group] if group else values)[name]
    data, weights = values["data"], values["model"]["pretrained"]
    # Whether another source may stand in is no part of what was taken in the end.
    for taken, paths in ((data, ("splits", "fallback")), (weights, ("path", "fallback"))):
        for key in paths:
            del taken[key]
    if data["source"] in ("files", "arrow"):
        for key in ("train", "val", "test", "path"):
            del data[key]
    if weights["source"] == "local":
        del weights["name"]
    content = [values, resolved.data_fingerprint, resolved.weights_sha256]
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode() + code().encode())
    return digest.hexdigest()[:16]


@functools.cache
def code() -> str:
    """The package's own source but for what only reads runs, as 16 hex digits."""
    digest, package = hashlib.sha256(), _PACKAGE
    for source in sorted(package.rglob("*.py")):
        path = source.relative_to(package)
        if not any(path.is_relative_to(reader) for reader in _READERS):
            digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def versions() -> dict[str, str]:
    known = {"python": platform.python_version()}
    for package in _PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            known[package] = metadata.version(package)
    return known


def git_commit() -> str | None:
    """The commit of the checkout that runs, "-dirty" if files differ from it; None if installed."""

    def git(*words: str) -> str:
        command = ["git", "-C", str(_PACKAGE), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        tracked = git("ls-files", "train.py")
        return (
            git("describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
            if tracked
            else None
        )
    except (OSError, subprocess.CalledProcessError):
        return None
