"""What makes two runs the same, and what may change without making a finished one run again."""

import shutil
from pathlib import Path

import pytest

import imdb_cls
from imdb_cls.runs.fingerprint import SHAPES_NUMBERS, code

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
