"""The layers of the rooms (pyproject.toml): nothing leads upwards, and nothing in a circle."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def linted(checkout: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("imdb_cls", "launch"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return Path(shutil.copy(ROOT / "pyproject.toml", tmp_path)).parent


def test_every_contract_is_kept() -> None:
    done = linted(ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("file", "line", "broken"),
    [
        ("imdb_cls/storage.py", "import imdb_cls.model.optim", "The rooms of imdb_cls are layers"),
        ("launch/aws/s3.py", "from launch import jobs", "The rooms of launch are layers"),
        ("imdb_cls/predict.py", "import launch.aws.s3", "imdb_cls leads to launch in one line"),
        ("imdb_cls/data/tokens.py", "import imdb_cls.data.module", "leads in a circle"),
    ],
)
def test_a_contract_that_is_broken_is_red(
    checkout: Path, file: str, line: str, broken: str
) -> None:
    with (checkout / file).open("a") as text:
        text.write(f"\n\ndef later() -> None:\n    {line}\n")
    done = linted(checkout)
    assert done.returncode == 1
    assert any(broken in said and "BROKEN" in said for said in done.stdout.splitlines())
