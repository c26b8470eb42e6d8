"""The packages of a job as files, for a job that has no network."""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

from imdb_cls.errors import UserError, one_line
from imdb_cls.storage import replacing_directory
from launch.training.code import REQUIREMENTS

# The platforms of SageMaker's images.
_PLATFORMS = ("manylinux_2_28_x86_64", "manylinux2014_x86_64")
# It is published as source only. It is pure Python, so a wheel that is made here runs there.
_SOURCE_ONLY = "antlr4-python3-runtime"
# The image has torch, transformers and what they need; those stay as they are.
_IMAGE = re.compile(
    r"torch|triton|nvidia-.*|cuda-.*|transformers|tokenizers|safetensors|huggingface-hub|numpy"
    r"|regex|tqdm|pyyaml|requests|filelock|fsspec|hf-xet|sympy|mpmath|networkx|jinja2|markupsafe"
)


def collect(python: str, cache: Path) -> Path:
    """A directory with the wheels of requirements.txt and of what those need beyond the image.

    Args:
        python: the version of the image's Python, such as "3.11".

    Raises:
        UserError: the package index does not give one of them.
    """
    lines = REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    pins = [line.strip() for line in lines if "==" in line]
    digest = hashlib.sha256(f"{python} {pins}".encode()).hexdigest()[:16]
    directory = cache / "wheels" / digest
    if not directory.is_dir():
        directory.parent.mkdir(parents=True, exist_ok=True)
        with replacing_directory(directory) as partial:
            source_only = [pin for pin in pins if pin.startswith(_SOURCE_ONLY)]
            _pip("wheel", "--no-deps", f"--wheel-dir={partial}", *source_only)
            there = [f"--find-links={partial}", "--only-binary=:all:", f"--python-version={python}"]
            there += [f"--platform={platform}" for platform in _PLATFORMS]
            needed = _with_dependencies(pins, there, partial)
            _pip("download", "--no-deps", f"--dest={partial}", *there, *needed)
    return directory


def _with_dependencies(pins: list[str], there: list[str], scratch: Path) -> list[str]:
    """The pins and what they need, each with its version, without what the image has."""
    report, unused = scratch / "report.json", scratch / "unused"
    _pip(
        *("install", "--dry-run", "--ignore-installed", "--no-warn-conflicts"),
        *(f"--report={report}", f"--target={unused}", *there, *pins),
    )
    found = [item["metadata"] for item in json.loads(report.read_text())["install"]]
    report.unlink()
    names = {item["name"].lower().replace("_", "-"): item["version"] for item in found}
    return [
        f"{name}=={version}"
        for name, version in names.items()
        if name != _SOURCE_ONLY and not _IMAGE.fullmatch(name)
    ]


def _pip(*words: str) -> None:
    done = subprocess.run([sys.executable, "-m", "pip", *words], capture_output=True, text=True)
    if done.returncode:
        last = next((x for x in reversed(done.stderr.splitlines()) if "ERROR" in x), done.stderr)
        raise UserError(
            f"backend.network_isolation=true: pip {words[0]}: {one_line(Exception(last))}"
        )
