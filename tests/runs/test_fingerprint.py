"""What makes two runs the same, and what may change without making a finished one run again."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import imdb_cls
from imdb_cls.runs import fingerprint
from imdb_cls.runs.fingerprint import SHAPES_NUMBERS, code, git_commit

PACKAGE = Path(imdb_cls.__file__).parent
# Of the rooms that a run's numbers come from: what only finds, shows, exports or sends something.
NO_PART_OF_IT = {
    *("data/acl_imdb.py", "data/cache.py", "data/formats.py", "data/reviews.py"),
    "data/signatures.py",
    *("data/arrow.py", "data/files.py", "data/hub.py", "data/load.py", "data/packaged.py"),
    *("data/sources.py", "data/splits.py"),
    *("inference/contract.py", "inference/engine.py", "inference/handler.py"),
    *("inference/answers.py", "inference/faults.py", "inference/parameters.py"),
    *("inference/settings.py", "model/contents.py", "model/open.py", "model/weights.py"),
    *("training/checkpoint_files.py", "training/complete.py", "training/progress.py"),
    "training/time_left.py",
    *("training/recording.py", "training/resolve.py", "training/resume.py"),
}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package somewhere else."""
    ignored = shutil.ignore_patterns("__pycache__")
    return shutil.copytree(PACKAGE, tmp_path / "imdb_cls", ignore=ignored)


def test_every_file_of_those_rooms_is_in_the_hash_or_left_out_on_purpose() -> None:
    rooms = ("data", "inference", "model", "training")
    found = {
        f"{room}/{path.name}"
        for room in rooms
        for path in (PACKAGE / room).glob("*.py")
        if path.name != "__init__.py"
    }
    assert found == {name for name in SHAPES_NUMBERS if name[:6] != "config"} | NO_PART_OF_IT
    assert not NO_PART_OF_IT & set(SHAPES_NUMBERS)


def test_the_same_source_elsewhere_is_the_same_code(copy: Path) -> None:
    assert code(copy) == code()


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("model/classifier.py", "the run has diverged", "the loss is gone"),
        ("model/optim.py", "AdamW with", "The optimizer: AdamW with"),
        ("training/fit.py", "# It may have been stopped after", "# Perhaps it was stopped after"),
        ("training/fit.py", "is complete already", "has ended"),
        ("reports/run/page.py", "get the", "got the"),
        ("data/formats.py", "no reviews in it", "it is empty"),
        ("terminal.py", "{minutes}:", "{minutes} min "),
    ],
)
def test_words_are_no_part_of_it(copy: Path, file: str, old: str, new: str) -> None:
    _change(copy / file, old, new)
    assert code(copy) == code()


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("data/samplers.py", "_BATCHES_PER_SORT = 50", "_BATCHES_PER_SORT = 51"),
        ("model/optim.py", "layers + 1 - level", "layers - level"),
        ("model/classifier.py", "1_000_003", "1_000_005"),
        ("inference/tokenizer.py", "round(room", "int(room"),
        ("config/steps.py", "math.ceil(reviews", "math.floor(reviews"),
        ("training/test_split.py", "calibration.fit", "float"),
    ],
)
def test_what_shapes_the_numbers_is(copy: Path, file: str, old: str, new: str) -> None:
    _change(copy / file, old, new)
    assert code(copy) != code()


def _change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_the_commit_is_told_and_the_repository_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is killed while git has the lock of its index would end every later commit."""

    def git(*words: str) -> str:
        own = ("-c", "user.name=a", "-c", "user.email=a@b")
        command = ["git", "-C", str(tmp_path), *own, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    monkeypatch.setattr(fingerprint, "_PACKAGE", tmp_path)
    git("init", "--quiet")
    (tmp_path / "train.py").write_text("old")
    assert git_commit() is None
    git("add", "train.py")
    git("commit", "--quiet", "--message", "first")
    commit, index = git("rev-parse", "HEAD"), tmp_path / ".git" / "index"
    os.utime(tmp_path / "train.py", (1, 1))  # so that the index is out of date
    before = index.stat().st_ino
    assert git_commit() == commit
    (tmp_path / "train.py").write_text("changed")
    assert git_commit() == f"{commit}-dirty"
    assert index.stat().st_ino == before
