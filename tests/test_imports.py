"""What is imported, and by whom: AWS only for those who ask for it."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import imdb_cls
from tests.support.processes import SHOWING, imported_in

PACKAGE = Path(imdb_cls.__file__).parent
AWS = {"sagemaker", "sagemaker_core", "boto3", "botocore", "moto"}


# Each of them takes a second or more to import where torch takes two.
TRAINING = {"pytorch_lightning", "lightning_fabric", "optuna", "onnx"}
NETWORKS = {"torch", "transformers"}
TABLES = {"datasets", "pandas"}


def imported(*words: object, code: int = 0) -> set[str]:
    """The packages that `python -m …` has imported when it ends."""
    command = [sys.executable, "-c", SHOWING, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stderr
    return imported_in(done.stdout)


@pytest.mark.parametrize(("word", "code"), [("--help", 0), ("model.learning_rat=1", 2)])
def test_help_and_errors_import_nothing_that_is_slow(word: str, code: int) -> None:
    names = imported("imdb_cls.train", word, code=code)
    assert "hydra" in names
    slow = {"numpy", "pyarrow", "scipy", "sklearn", "matplotlib", "tokenizers", "huggingface_hub"}
    assert not names & {*AWS, *TRAINING, *NETWORKS, *TABLES, *slow, "launch"}


def test_a_fast_model_answers_without_torch(fast_run: Path) -> None:
    names = imported("imdb_cls.predict", f"run={fast_run}", "i liked it")
    assert "onnxruntime" in names
    assert not names & {*AWS, *TRAINING, *NETWORKS, *TABLES, "scipy", "sklearn", "matplotlib"}


def test_a_network_answers_without_what_reads_or_trains(trained: Path) -> None:
    names = imported("imdb_cls.predict", f"run={trained}", "i liked it")
    assert names >= NETWORKS
    assert not names & {*AWS, *TRAINING, *TABLES, "torchmetrics", "sklearn", "matplotlib"}


def test_an_evaluation_imports_nothing_that_trains_or_draws(trained: Path, tmp_path: Path) -> None:
    names = imported("imdb_cls.evaluate", f"run={trained}", f"output={tmp_path}/out")
    assert "torchmetrics" in names
    assert not names & {*AWS, *TRAINING, "captum", "cleanlab", "sklearn"}


def test_a_local_run_imports_no_aws(local_run: Path) -> None:
    names = imported_in((local_run.parent / "said").read_text())
    assert {"torch", "pytorch_lightning", "transformers"} <= names
    # A job has none of what sweeps, pages and exports need.
    assert not names & {"optuna", "joblib", "captum", "cleanlab", "onnxruntime"}
    # Lightning asks s3fs, if that is installed, what it thinks of a path; it imports botocore.
    assert not names & {*AWS - {"botocore"}, "launch"}


@pytest.mark.parametrize("command", ["jobs", "endpoint", "batch"])
def test_the_commands_of_launch_import_heavy_things_only_to_work(command: str) -> None:
    names = imported(f"launch.{command}", "--help")
    assert "launch" in names
    assert not names & {"sagemaker", "torch", "moto", "fastapi", "onnxruntime"}


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """The modules that a file imports, and whether it does so as soon as it is imported itself."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    later = {
        id(inner)
        for outer in ast.walk(tree)
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(outer)
    }
    for node in ast.walk(tree):
        at_once = id(node) not in later
        if isinstance(node, ast.Import):
            yield from ((alias.name, at_once) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import"
            yield f"{node.module}", at_once


FILES = sorted(p for p in PACKAGE.rglob("*.py") if "__pycache__" not in p.parts)


def test_only_one_line_of_the_package_leads_to_the_backend() -> None:
    found = [
        (path.relative_to(PACKAGE).as_posix(), name, at_once)
        for path in FILES
        for name, at_once in imports(path)
        if name.partition(".")[0] == "launch"
    ]
    assert found == [("train.py", "launch.sagemaker", False)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_aws_is_imported_where_it_is_used(path: Path) -> None:
    found = {name.partition(".")[0] for name, at_once in imports(path) if at_once}
    if path.name == "cloudwatch.py":
        assert found & AWS == {"boto3", "botocore"}
    else:
        assert not found & AWS
