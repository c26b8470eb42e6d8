"""A run has its files in its own directory: a link could lead what is written somewhere else."""

import shutil
from pathlib import Path

import pytest

from imdb_cls.errors import UserError
from imdb_cls.runs.run import Run


@pytest.mark.parametrize("name", ["train.log", "checkpoints", "model"])
def test_a_part_that_is_a_link_is_refused_and_not_followed(
    trained: Path, tmp_path: Path, name: str
) -> None:
    run = Path(shutil.copytree(trained, tmp_path / "run"))
    (run / name).rename(tmp_path / "elsewhere")
    (run / name).symlink_to(tmp_path / "elsewhere")
    if name != "train.log":
        (tmp_path / "elsewhere" / ".mine.999999").write_text("looks like a leftover")
    with pytest.raises(UserError, match=f"{name} is a symbolic link to .*elsewhere"):
        Run.open(run)
    assert name == "train.log" or (tmp_path / "elsewhere" / ".mine.999999").exists()
