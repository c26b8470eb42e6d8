"""The benchmarks can be run; what they find is no promise."""

import importlib
import json
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NAMES = sorted(p.stem for p in (ROOT / "benchmarks").glob("*.py") if "def main" in p.read_text())


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_says_how_it_is_run(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)
    about = importlib.import_module(f"benchmarks.{name}").__doc__
    assert f"\n    python -m benchmarks.{name}" in about


def test_a_benchmark_leaves_its_rows_and_its_machine(tmp_path: Path, python: list[str]) -> None:
    file = tmp_path / "found.json"
    words = [*python, "-m", "benchmarks.cost", f"output={file}"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    found = json.loads(file.read_text())
    assert found["machine"]["cores"] >= 1
    assert found["machine"]["versions"]["torch"]
    [row] = [row for row in found["rows"] if row[""].startswith("ml.p3.2xlarge")]
    assert row["USD a job"] == pytest.approx(row["USD an hour"] * row["billable s"] / 3600)
    assert "ml.p3.2xlarge" in done.stdout
