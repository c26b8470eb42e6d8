"""What a killed process was writing is gone after the next command on its run."""

import os
from pathlib import Path

import pytest

from imdb_cls.runs.run import Run
from imdb_cls.training.recording import run_lock
from tests.support.cut_runs import copied
from tests.support.runs import FILES, files_of

# No process of Linux has a number above 2^22.
DEAD = 4_194_999
LEFT = [
    *(f"checkpoints/.last.ckpt.{DEAD}", f"checkpoints/.sha256.txt.{DEAD}"),
    *(f".metrics.json.{DEAD}", f".model.{DEAD}/model.safetensors", f"model/.config.json.{DEAD}"),
    *(f".fetch-{DEAD}-ab_1cd23/model.tar.gz", f".export-{DEAD}-x1y2z3w4/model.int8.onnx"),
    # Of older versions, and of a container whose processes have the same numbers each time.
    *(".fetch-ab_1cd23/model.tar.gz", ".export-x1y2z3w4/a.onnx", f".run.json.{os.getpid()}"),
]
NOT_LEFT = [".notes.txt", ".hidden/file", "model/.gitattributes", f".predictions.{os.getppid()}"]


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    copy = copied(trained, tmp_path / "run")
    for name in (*LEFT, *NOT_LEFT):
        (copy / name).parent.mkdir(exist_ok=True)
        (copy / name).write_text("left")
    return copy


def test_the_next_command_deletes_it(run: Path) -> None:
    Run.open(run)
    assert files_of(run) == {*FILES, *NOT_LEFT}


def test_a_process_that_takes_the_run_deletes_it(run: Path) -> None:
    with run_lock(Run(run)):
        assert files_of(run) == {*FILES, *NOT_LEFT}


def test_nothing_is_deleted_while_a_process_is_at_the_run(run: Path) -> None:
    with run_lock(Run(run)):
        (run / LEFT[0]).write_text("being written on another machine")
        Run.open(run)
        assert (run / LEFT[0]).is_file()


def test_a_run_that_only_others_may_write_is_opened(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(path: object, *args: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "unlink", denied)
    monkeypatch.setattr("shutil.rmtree", denied)
    assert Run.open(run).info().status == "completed"
