"""What a user does wrong is one line and exit code 2, and leaves nothing behind."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.called import Said, call
from tests.support.processes import Command

Refused = Callable[..., str]
LABELLED = ((1, "good"), (0, "bad"))


def the_error(done: subprocess.CompletedProcess[str]) -> str:
    """The one line of a command that was refused before it printed anything."""
    assert done.stdout == ""
    return Said(done.returncode, done.stdout, done.stderr).line


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Refused:
    """The one line of an `imdb_cls.train …` that leaves nothing in its working directory."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)

    def run(*overrides: object) -> str:
        done = call("imdb_cls.train", *overrides)
        assert done.out == ""
        assert list(here.iterdir()) == []
        return done.line

    return run


@pytest.mark.parametrize(
    ("overrides", "parts"),
    [
        (["data.train_sise=10"], ["unknown key 'data.train_sise'", "'data.train_size'"]),
        (["+data.foo=1"], ["unknown key 'data.foo'"]),
        (["dta=imdb"], ["'dta'", "'data'"]),
        (["model=distilbrt"], ["model=distilbrt: allowed are", "'distilbert'"]),
        (["experiment=nope"], ["experiment=nope: allowed are", "quickstart"]),
        (["--sede=1"], ["--sede"]),
        (["seed"], ["'seed'", "key=value"]),
        (["data.train_size=1,2"], ["data.train_size=1,2"]),
        (["data.batch_size=many"], ["data.batch_size=many is not a whole number"]),
        (["data.train_size=-5"], ["data.train_size=-5 must be at least 1"]),
        (["-m", "data.train_size=-5,-6"], ["data.train_size=-5 must be at least 1"]),
        (["model.warmup_steps=500"], ["model.warmup_steps=500", "471 steps"]),
        (["data=files"], ["data.train=…"]),
        (["resume=nowhere"], ["nowhere: no such directory"]),
        (["resume=2020"], ["2020: no such directory"]),
        (["resume=true"], ["true: no such directory"]),
        (
            ["logger=null"],
            ["logger=null: allowed are cloudwatch, mlflow, none, tensorboard, wandb"],
        ),
        (["metric=???"], ["metric has no value: set metric=…"]),
        (["hydra=true"], ["hydra=true", "hydra.run.dir=…"]),
        (["-x"], ["unrecognized arguments: -x", "`--help` lists"]),
        (["--cfg"], ["--cfg", "expected one argument", "`--help` lists"]),
        (["--help=x"], ["ignored explicit argument 'x'", "`--help` lists"]),
        (["é"], ["cannot read 'é'", "key=value"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value[0], str) else None,
)
def test_bad_input_is_one_line(
    tmp_path: Path, command: Command, overrides: list[str], parts: list[str]
) -> None:
    done = command("train", *overrides, cwd=tmp_path)
    line = the_error(done)
    assert all(part in line for part in parts), line
    left = [path for path in tmp_path.rglob("*") if path.name != "multirun.yaml"]
    assert [path for path in left if path.is_file()] == []
    if "-m" not in overrides:
        assert left == []


def test_only_a_run_can_be_resumed(tmp_path: Path, command: Command) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    for name, why in (
        ("empty", "is not a run directory: run.json and config.yaml missing"),
        ("other", "is not a run directory"),
        ("file", "file"),
        ("othre", "Did you mean 'other'?"),
    ):
        done = command("train", f"resume={name}", cwd=tmp_path)
        assert why in the_error(done)
        assert sorted(tmp_path.rglob("*")) == before


def test_a_file_is_not_told_to_be_missing(tmp_path: Path, command: Command) -> None:
    (tmp_path / "file").write_text("mine")
    done = command("train", "resume=file", cwd=tmp_path)
    assert "Did you mean 'file'" not in the_error(done)


@pytest.mark.parametrize("directory", ["file", "file/run"])
def test_a_run_directory_that_cannot_be_made_is_one_line(
    tmp_path: Path, command: Command, directory: str
) -> None:
    (tmp_path / "file").write_text("mine")
    done = command("train", f"hydra.run.dir={directory}", cwd=tmp_path)
    assert "file" in the_error(done)
    assert [path.name for path in tmp_path.rglob("*")] == ["file"]
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_place_is_one_line(tmp_path: Path, command: Command) -> None:
    tmp_path.chmod(0o500)
    done = command("train", cwd=tmp_path)
    assert "cannot write" in the_error(done)


def test_help_lists_groups_and_keys_anywhere_and_at_once(tmp_path: Path, command: Command) -> None:
    done = command("train", "--help", cwd=tmp_path, PYTHONPROFILEIMPORTTIME="1")
    assert done.returncode == 0
    assert "data: acl_imdb, arrow, base, files, imdb, imdb_packaged" in done.stdout
    assert "experiment=quickstart" in done.stdout
    assert "learning_rate: 5.0e-05" in done.stdout
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert {"hydra", "imdb_cls.config"} <= imported
    assert not {"torch", "transformers", "datasets", "pytorch_lightning"} & imported
    assert list(tmp_path.iterdir()) == []


def test_a_directory_with_files_is_not_written_to(
    refused: Refused, tiny: list[str], tmp_path: Path
) -> None:
    held = tmp_path / "held"
    held.mkdir()
    (held / "notes.txt").write_text("mine")
    line = refused(*tiny, f"hydra.run.dir={held}")
    assert f"hydra.run.dir={held} holds files already" in line
    assert [path.name for path in held.iterdir()] == ["notes.txt"]


def test_a_run_is_not_written_over(refused: Refused, trained: Path, tiny: list[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in trained.rglob("*")}
    assert "holds a run already" in refused(*tiny, f"hydra.run.dir={trained}")
    assert {path: path.stat().st_mtime_ns for path in trained.rglob("*")} == before


@pytest.mark.parametrize("name", ["train", "val", "test"])
def test_more_reviews_than_there_are(refused: Refused, tiny: list[str], name: str) -> None:
    line = refused(*tiny, f"data.{name}_size=999999")
    assert f"data.{name}_size=999999 asks for more reviews than there are: at most" in line


def test_a_warm_up_longer_than_a_run_on_all_reviews(
    refused: Refused, tiny: list[str], tmp_path: Path
) -> None:
    # How many there are, and so how long the run is, shows only when they are read.
    file = tmp_path / "reviews.csv"
    rows = (f'"review {n} is {word}",{label}\n' for n in range(40) for label, word in LABELLED)
    file.write_text("text,label\n" + "".join(rows))
    own = ("data=files", f"data.train={file}", "data.train_size=null", "data.val_size=null")
    line = refused(*tiny, *own, "data.test_size=null", "model.warmup_steps=99")
    assert "model.warmup_steps=99 is longer than the run of" in line


def test_a_missing_file_or_column(refused: Refused, tiny: list[str], tmp_path: Path) -> None:
    file = tmp_path / "reviews.csv"
    file.write_text("review,label\ngood,1\nbad,0\n")
    own = (*tiny, "data=files")
    assert "Did you mean 'reviews.csv'?" in refused(*own, f"data.train={tmp_path}/reveiws.csv")
    assert "no column 'text' among review, label" in refused(*own, f"data.train={file}")


@pytest.mark.parametrize("name", ["trainer=gpu", "trainer=ddp", "trainer.accelerator=mps"])
def test_a_device_that_is_not_there(refused: Refused, tiny: list[str], name: str) -> None:
    import torch

    if torch.cuda.is_available() or torch.backends.mps.is_available():
        pytest.skip("there is a GPU here")
    kept = [override for override in tiny if not override.startswith("trainer.accelerator=")]
    asked = "mps" if "mps" in name else "gpu"
    line = refused(*kept, name)
    assert f"trainer.accelerator={asked}" in line
    assert "cpu or auto" in line


def test_a_precision_that_a_cpu_lacks(refused: Refused, tiny: list[str]) -> None:
    assert "trainer.precision=16-mixed" in refused(*tiny, "trainer.precision=16-mixed")


def test_weights_that_are_not_those_pinned(
    refused: Refused, tiny: list[str], tiny_model: Path
) -> None:
    line = refused(*tiny, f"model.pretrained.weights_sha256={'0' * 64}")
    assert str(tiny_model / "model.safetensors") in line
    assert "000000000000…" in line
    line = refused(*tiny, f"model.pretrained.tokenizer_sha256={'0' * 64}")
    assert str(tiny_model / "tokenizer.json") in line


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_damaged_or_missing_weights(
    refused: Refused, tiny: list[str], tiny_model: Path, tmp_path: Path, name: str
) -> None:
    model = tmp_path / "model"
    shutil.copytree(tiny_model, model)
    path = model / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    local = (*tiny, f"model.pretrained.name={model}")
    assert str(path) in refused(*local)
    path.unlink()
    assert f"lacks {name}" in refused(*local)


# No file may have more than 1 MB.
LIMITED = """
import resource, runpy
resource.setrlimit(resource.RLIMIT_FSIZE, (1_024_000, 1_024_000))
runpy.run_module("imdb_cls.train", run_name="__main__", alter_sys=True)
"""


def test_a_disk_that_fills_up_fails_the_run_in_one_line(
    trained: Path, tiny: list[str], python: list[str], tmp_path: Path
) -> None:
    """`trained` has filled the cache: what does not fit on the disk are the checkpoints."""
    run = tmp_path / "run"
    words = [*python, "-c", LIMITED, *tiny, f"hydra.run.dir={run}"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert "cannot write" in Said(done.returncode, "", done.stderr).line
    record: dict[str, Any] = json.loads((run / "run.json").read_text())
    assert record["status"] == "failed"
    assert "File too large" in record["reason"]
    files = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    assert files == {"config.yaml", "run.json", "metrics.csv", "train.log"}
