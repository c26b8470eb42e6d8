"""Splits of any reviews: disjoint, complete, and of what they should depend on alone."""

from collections import Counter
from typing import Any

import datasets
from hypothesis import given
from hypothesis import strategies as st

from imdb_cls.config import DataConfig
from imdb_cls.data.reviews import LEFT_OUT
from imdb_cls.data.splits import SPLITS, Split, Splits, draw_splits
from imdb_cls.errors import UserError
from tests.support.anything import REVIEWS, few

Pairs = list[tuple[str, int]]
# Few texts, so that many stand twice.
TEXTS = st.integers(0, 60).map(str) | REVIEWS
POOL = st.lists(st.tuples(TEXTS, st.sampled_from([0, 0, 0, 1, 1, 1, LEFT_OUT])), max_size=120)
SIZE = st.none() | st.integers(1, 40)


def drawn(parts: dict[str, Pairs], **settings: Any) -> Splits | None:
    """None if they are refused."""
    pools = {
        name: datasets.Dataset.from_dict(
            {"text": [text for text, _ in part], "label": [label for _, label in part]}
        )
        for name, part in parts.items()
    }
    try:
        return draw_splits(datasets.DatasetDict(pools), DataConfig(source="files", **settings))
    except UserError:
        return None


def pairs(split: Split) -> Pairs:
    return list(zip(split.reviews["text"][:], split.reviews["label"][:], strict=True))


@st.composite
def sources(draw: st.DrawFn) -> dict[str, Pairs]:
    others = {name: draw(POOL) for name in ("val", "test") if draw(st.booleans())}
    return {"train": draw(POOL), **others}


@few
@given(
    sources(),
    st.fixed_dictionaries({f"{name}_size": SIZE for name in SPLITS}),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_splits_are_disjoint_complete_and_as_asked(
    parts: dict[str, Pairs], sizes: dict[str, int | None], balanced: bool, seed: int
) -> None:
    found = drawn(parts, **sizes, balanced=balanced, seed=seed)
    if found is None:
        return
    chosen = {name: pairs(getattr(found, name)) for name in SPLITS}
    texts = [text for part in chosen.values() for text, _ in part]
    assert len(texts) == len(set(texts))
    given_pairs = Counter(pair for part in parts.values() for pair in part)
    assert {pair for part in chosen.values() for pair in part} <= set(given_pairs)
    for name, part in chosen.items():
        assert {label for _, label in part} == {0, 1}
        if size := sizes[f"{name}_size"]:
            assert len(part) == size
            assert not balanced or abs(2 * sum(label for _, label in part) - size) <= 1
    assert found.left_out == sum(label == LEFT_OUT for part in parts.values() for _, label in part)
    if not any(sizes.values()):
        assert len(texts) + found.removed + found.left_out == sum(map(len, parts.values()))
    again = drawn(parts, **sizes, balanced=balanced, seed=seed)
    assert again is not None
    assert again.fingerprint == found.fingerprint
    assert {name: pairs(getattr(again, name)) for name in SPLITS} == chosen


@few
@given(sources(), SIZE, SIZE, st.integers(0, 99), st.randoms(use_true_random=False))
def test_test_depends_on_the_texts_alone(
    parts: dict[str, Pairs], train_size: int | None, val_size: int | None, seed: int, dice: Any
) -> None:
    found = drawn(parts)
    mixed = {name: dice.sample(part, len(part)) for name, part in parts.items()}
    other = drawn(mixed, train_size=train_size, val_size=val_size, seed=seed)
    if found and other:
        assert sorted(pairs(found.test)) == sorted(pairs(other.test))
