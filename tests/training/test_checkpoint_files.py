"""A checkpoint is used if it is whole, is the run's own, and cannot run code."""

import pickle
import re
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from imdb_cls.errors import UserError
from imdb_cls.runs.run import Run
from imdb_cls.training.checkpoint_files import CheckpointFiles, Unusable, read
from imdb_cls.training.fit import resume
from tests.support.cut_runs import (
    copied,
    empty,
    flip,
    make_cut_runs,
    plant,
    remove,
    truncate,
    zero,
)
from tests.support.once import once
from tests.support.runs import FILES, files_of, metrics_of, values

Harm = Callable[[Path], None]


@pytest.fixture(scope="session")
def runs(shared: Path, tiny: list[str]) -> Path:
    return once(shared, "cut", lambda path: make_cut_runs(tiny, path))


@pytest.fixture
def cut(runs: Path, tmp_path: Path) -> Path:
    """A copy of the run that was stopped: it has moved, as every run that is fetched."""
    return copied(runs / "cut", tmp_path / "moved")


def found(run: Path) -> tuple[str | None, int, list[str]]:
    """The checkpoint that a run goes on from, its step, and why it is not a newer one."""
    weights = torch.load(run.parent / "weights", weights_only=True)
    files = CheckpointFiles(Run(run))
    newest = files.newest(weights)
    name, step = (newest[0].name, newest[1]["global_step"]) if newest else (None, 0)
    return name, step, files.refused


@pytest.fixture(autouse=True)
def weights(runs: Path, tmp_path: Path) -> None:
    whole = torch.load(runs / "whole/checkpoints/best.ckpt", weights_only=True)
    torch.save(whole["state_dict"], tmp_path / "weights")


def ends_as_the_whole_run(run: Path, runs: Path) -> None:
    resume(str(run), run, [])
    assert metrics_of(run) == metrics_of(runs / "whole")
    assert values(run) == values(runs / "whole")
    assert files_of(run) == FILES


def test_a_moved_run_keeps_its_best(cut: Path, runs: Path) -> None:
    ends_as_the_whole_run(cut, runs)


def test_a_checkpoint_cannot_name_files_to_delete(cut: Path) -> None:
    """Lightning deletes the best checkpoint of before, whose path it takes from the file."""
    last = cut / "checkpoints/last.ckpt"
    content = torch.load(last, weights_only=True)
    (state,) = (s for s in content["callbacks"].values() if "best_model_path" in s)
    state["dirpath"] = str((cut / "checkpoints").resolve())
    state["kth_best_model_path"] = f"{cut}/checkpoints/../../mine.txt"
    state["best_k_models"] = {state["kth_best_model_path"]: torch.tensor(9.0)}
    torch.save(content, last)
    remove(cut / "checkpoints/sha256.txt")
    (cut.parent / "mine.txt").write_text("mine")
    resume(str(cut), cut, [])
    assert (cut.parent / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("harm", [truncate, zero, empty, flip])
@pytest.mark.parametrize("older", [False, True], ids=["", "without sha256.txt"])
def test_the_checkpoint_before_takes_the_place_of_a_damaged_one(
    cut: Path, harm: Harm, older: bool
) -> None:
    harm(cut / "checkpoints/last.ckpt")
    if older:
        remove(cut / "checkpoints/sha256.txt")
    name, step, refused = found(cut)
    assert (name, step) == ("previous.ckpt", 6)
    (reason,) = refused
    assert re.match(r"last\.ckpt is (not as this run wrote it|damaged \(.+\))$", reason)


def test_a_run_with_a_damaged_checkpoint_ends_as_the_whole_one(
    cut: Path, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flip(cut / "checkpoints/last.ckpt")
    ends_as_the_whole_run(cut, runs)
    said, _, trained = capsys.readouterr().out.partition("step=")
    assert (
        "damaged checkpoint: last.ckpt is not as this run wrote it: previous.ckpt takes its place"
    ) in said
    assert "going on after step 6\n" in said
    assert trained


@pytest.mark.parametrize("name", ["best.ckpt", "last.ckpt", "previous.ckpt"])
def test_a_file_of_another_run_is_not_used(cut: Path, runs: Path, name: str) -> None:
    shutil.copy(runs / "other/checkpoints/last.ckpt", cut / "checkpoints" / name)
    refused = "not as this run wrote it"
    chosen = {"best.ckpt": None, "last.ckpt": "previous.ckpt", "previous.ckpt": "last.ckpt"}
    assert found(cut)[0] == chosen[name]
    assert all(reason.endswith(refused) for reason in found(cut)[2])


def test_all_the_checkpoints_of_another_run_are_not_used(cut: Path, runs: Path) -> None:
    shutil.rmtree(cut / "checkpoints")
    shutil.copytree(runs / "other/checkpoints", cut / "checkpoints")
    assert found(cut) == (
        *(None, 0),
        ["last.ckpt is of another run", "previous.ckpt is of another run"],
    )


def test_best_in_the_place_of_last_is_no_checkpoint_to_go_on_from(cut: Path) -> None:
    shutil.copy(cut / "checkpoints/best.ckpt", cut / "checkpoints/last.ckpt")
    assert found(cut) == ("previous.ckpt", 6, ["last.ckpt has no callbacks"])


@pytest.mark.parametrize("harm", [remove, truncate, flip])
def test_a_lost_best_is_known_before_training(cut: Path, harm: Harm) -> None:
    harm(cut / "checkpoints/best.ckpt")
    name, _, refused = found(cut)
    assert name is None
    assert all(reason.startswith("best.ckpt is ") for reason in refused)


def test_a_run_with_nothing_whole_begins_anew(
    cut: Path, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    remove(cut / "checkpoints/best.ckpt")
    flip(cut / "checkpoints/last.ckpt")
    ends_as_the_whole_run(cut, runs)
    said = capsys.readouterr().out.partition("step=")[0]
    assert (
        "last.ckpt is not as this run wrote it; best.ckpt is missing: there is no other\n" in said
    )
    assert "no whole checkpoint: from the beginning\n" in said
    # What was damaged did not become the one before.
    assert found(cut)[:2] == ("last.ckpt", 24)
    remove(cut / "checkpoints/last.ckpt")
    assert found(cut)[:2] == ("previous.ckpt", 18)


def test_a_damaged_checkpoint_does_not_become_the_one_before(cut: Path) -> None:
    last = cut / "checkpoints/last.ckpt"
    flip(last)
    files = CheckpointFiles(Run(cut))
    newest = files.newest(torch.load(cut.parent / "weights", weights_only=True))
    assert newest is not None
    files.save_checkpoint(newest[1], last)
    assert found(cut) == ("last.ckpt", 6, [])
    remove(last)
    assert found(cut) == ("previous.ckpt", 6, [])


@pytest.mark.parametrize("moment", ["hash written", "last moved", "older best"])
def test_a_kill_while_a_checkpoint_is_written_loses_none(
    cut: Path, runs: Path, moment: str
) -> None:
    """Its hash is written before it has its name, and last.ckpt becomes previous.ckpt before the
    new one has its name. A best.ckpt may be newer than last.ckpt."""
    if moment == "hash written":
        with (cut / "checkpoints/sha256.txt").open("a") as file:
            file.write(f"{'0' * 64}  last.ckpt\n")
    elif moment == "last moved":
        (cut / "checkpoints/last.ckpt").replace(cut / "checkpoints/previous.ckpt")
    else:
        (cut / "checkpoints/previous.ckpt").replace(cut / "checkpoints/last.ckpt")
        shutil.copy(runs / "cut/checkpoints/last.ckpt", cut / "checkpoints/best.ckpt")
    assert found(cut)[2] == []
    assert found(cut)[1] == (6 if moment == "older best" else 12)


def test_an_older_run_has_hashes_from_its_next_resume_on(cut: Path, runs: Path) -> None:
    remove(cut / "checkpoints/sha256.txt")
    assert found(cut) == ("last.ckpt", 12, [])
    ends_as_the_whole_run(cut, runs)
    assert found(cut) == ("last.ckpt", 24, [])


@pytest.mark.parametrize("name", ["best.ckpt", "last.ckpt"])
def test_a_checkpoint_runs_no_code(cut: Path, name: str, tmp_path: Path) -> None:
    written = tmp_path / "written"
    plant(cut / "checkpoints" / name, written)
    torch.load(cut / "checkpoints" / name, weights_only=False)
    assert written.read_text() == "code was run"  # It would.
    written.unlink()
    with pytest.raises(Unusable, match=f"{name} holds more than weights and plain values"):
        read(cut / "checkpoints" / name)
    resume(str(cut), cut, [])
    assert not written.exists()


def _as_tar(content: Any, path: Path) -> None:
    (path.parent / "pickle").write_bytes(pickle.dumps(content))
    with tarfile.open(path, "w") as archive:
        archive.add(path.parent / "pickle", "pickle")


def _before_a_zip(content: Any, path: Path) -> None:
    _legacy(content, path)
    legacy = path.read_bytes()
    torch.save({}, path)
    path.write_bytes(legacy + path.read_bytes())


def _legacy(content: Any, path: Path) -> None:
    torch.save(content, path, _use_new_zipfile_serialization=False)


def _script(content: Any, path: Path) -> None:
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), path)


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
@pytest.mark.parametrize("write", [_as_tar, _before_a_zip, _legacy, _script])
def test_no_other_format_is_read(write: Callable[[Any, Path], None], tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    write({"state_dict": {}}, path)
    with pytest.raises(Unusable, match=r"last\.ckpt is "):
        read(path)


def test_a_best_that_is_lost_while_training_is_one_line(cut: Path) -> None:
    class Loses(Callback):
        def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
            flip(cut / "checkpoints/best.ckpt")

    with pytest.raises(UserError, match=r"best\.ckpt is not as this run wrote it; train from"):
        resume(str(cut), cut, [], callbacks=[Loses()])
