"""Run directories that were made by commit 9b284a9, before the modules moved, are still read.

old_runs.tar.xz holds a completed run, one that SIGTERM stopped in its second epoch, a sweep of two
trials, the tiny model that they trained, and what that commit made of them (expected.json). @OLD@
stands for the directory that they lay in.
"""

import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest

from imdb_cls import export, predict, report
from imdb_cls.evaluate import Arguments, evaluate
from imdb_cls.model.open import open_labeller
from imdb_cls.runs.run import Run
from imdb_cls.sweep import sweep as show_sweep
from imdb_cls.training.fit import resume

ARCHIVE = Path(__file__).with_name("old_runs.tar.xz")


@pytest.fixture
def old(tmp_path: Path, cache: Path) -> Path:
    """The directory of the old runs, as if they had been made there."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    for file in tmp_path.rglob("*"):
        if file.suffix in (".json", ".yaml", ".csv"):
            text = file.read_text().replace("@OLD@/cache", str(cache))
            file.write_text(text.replace("@OLD@", str(tmp_path)))
    return tmp_path


@pytest.fixture
def expected(old: Path) -> dict[str, Any]:
    return dict(json.loads((old / "expected.json").read_text()))


def test_it_predicts_and_evaluates(
    old: Path, expected: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    texts = ["i liked the movie", "what a waste of time"]
    predict.predict(predict.Arguments(str(old / "completed"), precision="32-true", texts=texts))
    for line, before in zip(
        capsys.readouterr().out.splitlines(), expected["predicted"], strict=True
    ):
        now = json.loads(line)
        assert now["label"] == before["label"]
        assert now["score"] == pytest.approx(before["score"], abs=1e-4)
    assert open_labeller(Run(old / "completed")).engine.name == "onnx int8"
    evaluate(Arguments(str(old / "completed"), output=str(old / "evaluated")))
    found = json.loads((old / "evaluated" / "metrics.json").read_text())
    assert found["loss"] == pytest.approx(expected["evaluated"], abs=1e-4)


def test_it_is_exported_and_reported(old: Path) -> None:
    shutil.rmtree(old / "completed" / "model" / "model.int8.onnx", ignore_errors=True)
    export.export(export.Arguments(str(old / "completed")))
    assert list((old / "completed" / "model").glob("model.*.onnx"))
    report.report(report.Arguments(runs=[str(old / "completed")]))
    both = [str(old / "completed"), str(old / "stopped")]
    report.report(report.Arguments(output=str(old / "compare.html"), runs=both))
    assert "stopped" in (old / "compare.html").read_text()


def test_a_stopped_one_ends_as_it_would_have(old: Path, expected: dict[str, Any]) -> None:
    resume(str(old / "stopped"), old / "stopped", [])
    metrics, whole = Run(old / "stopped").metrics(), Run(old / "completed").metrics()
    assert Run(old / "stopped").info().status == "completed"
    assert metrics["val"]["loss"] == pytest.approx(expected["resumed"]["val"], rel=1e-3)
    # The same network; since then the temperature is drawn towards 1.
    before = [found["calibration"]["test"]["loss_before"] for found in (metrics, whole)]
    assert before[0] == pytest.approx(before[1], rel=1e-3)


def test_a_sweep_is_read(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show_sweep([str(old / "sweep")])
    assert "2 completed" in capsys.readouterr().out
    assert (old / "sweep" / "sweep.html").is_file()
