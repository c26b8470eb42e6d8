"""Whatever became of a checkpoint's bytes or of its hashes: never another checkpoint."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from imdb_cls.runs.run import Run
from imdb_cls.training.checkpoint_files import CheckpointFiles, Unusable, read
from tests.support.anything import harmed
from tests.support.made_sweeps import Made

CONTENT = {"state_dict": {"a": torch.arange(300.0)}, "global_step": 7, "table": [["5", "0", "é"]]}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = Run(Made(tmp_path_factory.mktemp("made") / "sweep").trial())
    CheckpointFiles(run).save_checkpoint(CONTENT, run.last_checkpoint)
    CheckpointFiles(run).save_checkpoint(CONTENT, run.last_checkpoint)
    return run.last_checkpoint


def content(path: Path) -> Any:
    """What is read, or None if it is refused."""
    try:
        found = read(path)
    except Unusable:
        return None
    found["state_dict"]["a"] = found["state_dict"]["a"].tolist()
    return found


@given(data=st.data(), with_hashes=st.booleans())
def test_a_harmed_checkpoint_is_refused_or_is_what_it_was(
    checkpoint: Path, tmp_path: Path, data: st.DataObject, with_hashes: bool
) -> None:
    whole = checkpoint.read_bytes()
    harm = data.draw(harmed(whole))
    path, hashes = tmp_path / "last.ckpt", checkpoint.with_name("sha256.txt")
    (tmp_path / "sha256.txt").write_bytes(hashes.read_bytes() if with_hashes else b"")
    path.write_bytes(harm)
    found = content(path)
    assert found is None or found == content(checkpoint)
    if with_hashes:
        assert (found is None) == (harm != whole)


@given(data=st.data())
def test_whatever_its_hashes_say_a_whole_checkpoint_is_refused_or_is_what_it_was(
    checkpoint: Path, tmp_path: Path, data: st.DataObject
) -> None:
    (tmp_path / "last.ckpt").write_bytes(checkpoint.read_bytes())
    hashes = data.draw(harmed(checkpoint.with_name("sha256.txt").read_bytes()))
    (tmp_path / "sha256.txt").write_bytes(hashes)
    assert content(tmp_path / "last.ckpt") in (None, content(checkpoint))
