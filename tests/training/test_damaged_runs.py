"""A completed run whose files are damaged is tested again from its checkpoints."""

import shutil
from pathlib import Path

import pytest

from imdb_cls.errors import UserError
from imdb_cls.model import contents
from imdb_cls.runs.run import Run
from imdb_cls.training.fit import resume
from tests.support.damage import DAMAGES
from tests.support.runs import FILES, files_of, metrics_of, values


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    return shutil.copytree(trained, tmp_path / "run")


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("metrics.json", "flipped"),
        ("metrics.csv", "truncated"),
        ("predictions.parquet", "missing"),
        ("model/model.safetensors", "zeroed"),
        ("model/inference.json", "empty"),
        ("model/tokenizer.json", "directory"),
    ],
)
def test_it_ends_with_the_same_numbers(
    run: Path, trained: Path, capsys: pytest.CaptureFixture[str], name: str, damage: str
) -> None:
    DAMAGES[damage](run / name)
    resume(str(run), run, [])
    assert f"made again from the checkpoints: {run / name}" in capsys.readouterr().out
    assert contents.read(Run(run)).damage == []
    assert metrics_of(run) == metrics_of(trained)
    assert values(run) == values(trained)
    assert files_of(run) == FILES
    for same in ("predictions.parquet", "model/model.safetensors"):
        assert (run / same).read_bytes() == (trained / same).read_bytes()


def test_without_checkpoints_it_stays_as_it_is(run: Path) -> None:
    shutil.rmtree(run / "checkpoints")
    DAMAGES["flipped"](run / "metrics.json")
    before = (run / "run.json").read_bytes()
    with pytest.raises(UserError, match=r"not without best\.ckpt and last\.ckpt: move"):
        resume(str(run), run, [])
    assert (run / "run.json").read_bytes() == before


def test_a_directory_in_the_place_of_a_file_is_named_before_the_work(run: Path) -> None:
    DAMAGES["directory"](run / "metrics.json")
    with pytest.raises(UserError, match=r"metrics\.json is a directory: move it away first"):
        resume(str(run), run, [])
    assert Run(run).info().status == "completed"
