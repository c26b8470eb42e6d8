"""A machine that only submits: launch/requirements.txt is all that it has."""

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
_PIN = re.compile(r"([\w.-]+)==(\S+)")
_HEAVY = ("torch", "transformers", "pytorch_lightning", "scipy", "onnxruntime", "captum", "moto")


def pins(file: str) -> dict[str, str]:
    found = map(_PIN.match, (ROOT / file).read_text().splitlines())
    return {re.sub(r"[-_.]+", "-", pin[1]).lower(): pin[2] for pin in found if pin}


def test_its_packages_are_those_of_the_whole() -> None:
    small, whole = pins("launch/requirements.txt"), pins("constraints.txt")
    assert len(small) > 50
    assert small.items() <= whole.items()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with nothing but these packages."""
    path = tmp_path_factory.mktemp("small")
    for name in pins("launch/requirements.txt"):
        distribution = importlib.metadata.distribution(name)
        for file in distribution.files or []:
            top = file.parts[0]
            if top not in ("..", "__pycache__") and not (path / top).is_symlink():
                (path / top).symlink_to(Path(str(distribution.locate_file(top))))
    assert not any((path / name).exists() for name in _HEAVY)
    return path


@pytest.fixture(scope="module")
def small(site: Path) -> list[str]:
    """A Python that has only them."""
    begin = f"import runpy, sys; sys.path += {[str(ROOT), str(site)]}"
    run = "del sys.argv[1]; runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
    return [sys.executable, "-S", "-E", "-P", "-c", f"{begin}; {run}"]


def sent(python: list[str], command: list[str], request: Path) -> Any:
    """What a dry run would have sent."""
    found = subprocess.run(
        [*python, "-m", *command],
        capture_output=True,
        text=True,
        env={**os.environ, "AWS_DEFAULT_REGION": "us-east-1"},
        check=False,
    )
    assert found.returncode == 0, found.stderr[-2000:]
    text = re.sub(r"imdb-cls-\d{6}-\d{6}-\w{6}", "JOB", request.read_text())
    request.unlink()
    return json.loads(text)


def test_a_job_is_sent_as_from_the_whole(
    tiny: list[str], small: list[str], python: list[str], tmp_path: Path
) -> None:
    reviews = tmp_path / "reviews.csv"
    rows = "".join(f"film {n} was {'bad' if n % 2 else 'good'},{n % 2}\n" for n in range(300))
    reviews.write_text(f"text,label\n{rows}")
    command = [
        *("imdb_cls.train", "+backend=sagemaker", "backend.dry_run=true"),
        *(word for word in tiny if not word.startswith("data=")),
        *("data=files", f"data.train={reviews}", f"hydra.run.dir={tmp_path}/run"),
    ]
    request = tmp_path / "run" / "request.json"
    found = sent(small, command, request)
    assert found["TrainingJobName"] == "JOB"
    assert found == sent(python, command, request)


@pytest.mark.parametrize("module", ["imdb_cls.train", "imdb_cls.predict"])
def test_what_takes_the_whole_says_so(
    module: str, tiny: list[str], trained: Path, small: list[str], tmp_path: Path
) -> None:
    words = [*tiny, f"hydra.run.dir={tmp_path}/run"]
    if module == "imdb_cls.predict":
        words = [f"run={trained}", "i liked it"]
    done = subprocess.run([*small, "-m", module, *words], capture_output=True, text=True)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert "is not installed, and this takes it: pip install -c constraints.txt -e ." in line
    assert not (tmp_path / "run").exists()


def test_an_endpoint_is_deployed_as_from_the_whole(
    fast_run: Path, small: list[str], python: list[str], tmp_path: Path
) -> None:
    run = shutil.copytree(fast_run, tmp_path / "run", ignore=shutil.ignore_patterns("checkpoints"))
    command = ["launch.endpoint", "deploy", str(run), "dry_run=true"]
    request = run / "endpoint-requests.json"
    assert sent(small, command, request) == sent(python, command, request)
