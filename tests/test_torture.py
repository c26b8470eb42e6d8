"""A few of the tries of `make torture`, and that a fault is counted."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from torture import document
from torture.__main__ import carry_out, show
from torture.cases import End, Kind
from torture.every import every
from torture.lab import Lab, differences

MakeLab = Callable[..., Lab]


@pytest.fixture
def lab(trained: Path, tiny: list[str], python: list[str], tmp_path: Path) -> MakeLab:
    """Makes a lab in which nothing need be trained first."""

    def make() -> Lab:
        for name in ("plain", "whole", "other", "cut", "sweep/0", "sweep/1"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).symlink_to(trained)
        return Lab(
            tmp_path, 1, tiny, python=python, lives={(False, True): 3.0, (False, False): 3.0}
        )

    return make


def tried(lab: Lab, only: str) -> Kind:
    """The kind that has a case of this name, when it was carried out."""
    (kind,) = every(lab, 1, 1100, only)
    carry_out(kind, lab.root, 1)
    return kind


@pytest.mark.parametrize(
    ("only", "end"),
    [
        ("SIGKILL of a training, then resume, number 1", End.SAME),
        ("no file may grow beyond a size (EFBIG), then resume, number 1", End.REFUSED),
        ("evaluate, reviews truncated", End.SAME),
        ("predict, model/tokenizer.json zeroed", End.REFUSED),
        ("evaluate, predictions.parquet missing", End.SAME),
        ("the label twice, .parquet", End.REFUSED),
        ("True and False, .tsv", End.SAME),
        ("a pipe that nobody writes to, .csv", End.REFUSED),
        ("'[red]x[/red]'.csv", End.SAME),
        ("train '-x'", End.REFUSED),
        ("a pickle in best.ckpt, then predict", End.SAME),
        ("leftovers behind a link, then predict", End.REFUSED),
        ("serve, a file through a link", End.REFUSED),
        ("answer lost (cut), retry refused: ResourceLimitExceeded, then attach", End.SAME),
    ],
)
def test_what_is_tried_ends_as_promised(lab: MakeLab, only: str, end: End) -> None:
    kind = tried(lab(), only)
    assert kind.failed == []
    assert set(kind.counts) <= {end}


def test_a_server_survives_what_it_is_asked(lab: MakeLab, tmp_path: Path) -> None:
    (kind,) = every(lab(), 1, 100, "hostile request")
    carry_out(kind, tmp_path, 1)
    assert kind.failed == []
    assert kind.tried == 51


OTHER_ANSWER = """
import imdb_cls.inference.labeller as labeller
right = labeller.probability
labeller.probability = lambda log_odds: 1 - right(log_odds)
"""


@pytest.mark.parametrize(
    ("fault", "end"), [(OTHER_ANSWER, End.SILENT), ("raise RuntimeError('ours')", End.TRACEBACK)]
)
def test_a_fault_is_counted_and_named(
    lab: MakeLab, fault: str, end: End, capsys: pytest.CaptureFixture[str]
) -> None:
    """The answer that was due is taken before the fault is there."""
    made = lab()
    assert tried(made, "predict, metrics.csv missing").failed == []
    made.fault = fault
    kind = tried(made, "predict, metrics.csv missing")
    assert kind.counts == {end: 1}
    assert kind.row()[end] == "1"
    show(kind, made.seed, Console())
    again = "python -m torture seed=1 only='predict, metrics.csv missing'"
    assert f"{end}: {again}" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["metrics.json", "predictions.parquet", "model/inference.json"])
def test_a_run_with_other_numbers_is_different(trained: Path, tmp_path: Path, name: str) -> None:
    run = Path(shutil.copytree(trained, tmp_path / "run"))
    assert differences(run, trained) == []
    other = {"metrics.json": b'{"val": {}}', "model/inference.json": b"{}"}
    if name in other:
        (run / name).write_bytes(other[name])
    else:
        shutil.copy(run / "predictions_val.parquet", run / name)
    assert differences(run, trained) == [name]


def test_the_table_is_written_between_its_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- torture -->\nthe last\n<!-- end of torture -->\nafter\n")
    kinds = [Kind("SIGTERM", iter(())), Kind("a kind", iter(()))]
    for kind in kinds:
        kind.counts[End.SAME] = 3
        kind.notes["testing"] = 3
    document.write(page, kinds, "make torture SEED=7", 1.0)
    text = page.read_text()
    assert text.startswith("before\n<!-- torture -->\n`make torture SEED=7` on 20")
    assert "| a kind | 3 | 3 | 0 | 0 | 0 | 0 | 0 |\n| all | 6 | 6 |" in text
    assert "\nKilled while testing (3).\n" in text
    assert text.endswith("<!-- end of torture -->\nafter\n")
    assert "the last" not in text
