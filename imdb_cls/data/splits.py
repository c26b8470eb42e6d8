"""Disjoint train, val and test splits: seeded, distinct, balanced as asked, fingerprinted."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import datasets
import numpy as np
import numpy.typing as npt

from imdb_cls.config import DataConfig
from imdb_cls.data.cache import check_unharmed
from imdb_cls.data.reviews import LEFT_OUT
from imdb_cls.errors import UserError
from imdb_cls.names import LABELS

SPLITS = ("train", "val", "test")
# Where a source has no test split, one review in four is test, and one in ten of the rest val.
_TEST_ONE_IN = 4
_VAL_ONE_IN = 10
_BATCH = 1000
# A review that a split may be drawn from: its row in the source, a hash of its text, its label.
_CANDIDATE = np.dtype([("row", np.int32), ("hash", "S16"), ("label", np.int8)])
Candidates = npt.NDArray[np.void]


@dataclass(frozen=True)
class Split:
    """Reviews of one part of a source, in the order that they were drawn in."""

    reviews: datasets.Dataset
    """Columns text and label; memory-mapped."""
    rows: npt.NDArray[np.int64]
    """[len(reviews)]: each review's row in its source."""
    labels: npt.NDArray[np.int64]
    """[len(reviews)]: 0 is negative, 1 positive."""
    fingerprint: str
    """Hash of the texts and labels in their order."""

    def __len__(self) -> int:
        return len(self.rows)

    def check_unharmed(self) -> None:
        """Raises UserError if the mapped file was damaged since: the system ends a process that
        reads behind the end of one."""
        for used in self.reviews.cache_files:
            check_unharmed(Path(used["filename"]))

    def texts(self) -> list[str]:
        """All its texts, in memory."""
        self.check_unharmed()
        return list(self.reviews["text"])


@dataclass(frozen=True)
class Splits:
    """The three splits of a run. No text stands in two of them."""

    train: Split
    val: Split
    test: Split
    fingerprint: str
    removed: int
    """Reviews that are not used because their very text stands elsewhere too."""
    left_out: int
    """Reviews that are not used because of their label."""


def draw_splits(source: datasets.DatasetDict, config: DataConfig) -> Splits:
    """Draws the three splits. What is in test does not depend on what is asked of train and val,
    and val does not depend on train_size, so that runs over sizes share both.

    Args:
        source: `train`, and `val` and `test` if it has them; else they are taken from train.

    Raises:
        UserError: more reviews asked for than there are, or one class only.
    """
    found, left_out, before = dict[str, Candidates](), 0, 0
    for name in filter(source.__contains__, SPLITS):
        labelled = _labelled(_candidates(source[name]))
        left_out += len(source[name]) - len(labelled)
        before += len(labelled)
        found[name] = _distinct(labelled)
    if "test" not in source:
        # By the text alone: the same reviews are test whatever the seed and the order of the file.
        held_out = found["train"]["hash"].astype("S1").view(np.uint8) % _TEST_ONE_IN == 0
        found["test"], found["train"] = found["train"][held_out], found["train"][~held_out]
    found["train"] = _without(found["train"], found["test"])
    if "val" in found:
        found["val"] = _without(found["val"], found["test"])
        found["train"] = _without(found["train"], found["val"])
    removed = before - sum(map(len, found.values()))

    why = f" ({removed:,} duplicates and {left_out:,} of other labels are not used)"
    if "test" not in source:
        why += "; test is a quarter of the reviews, chosen by their texts: data.test=… names others"
    for name, part in found.items():
        _need_both_classes(part, name, why)
    train = found["train"]
    test = _draw(found["test"], config.test_size, config, "test")
    if "val" in found:
        val = _draw(found["val"], config.val_size, config, "val")
    else:
        val_size = config.val_size or max(2, len(train) // _VAL_ONE_IN)
        val = _draw(train, val_size, config, "val")
        train = train[~np.isin(train["row"], val["row"])]
    train = _draw(train, config.train_size, config, "train")

    chosen = {"train": train, "val": val, "test": test}
    drawn = {name: _split(source.get(name, source["train"]), part) for name, part in chosen.items()}
    prints = "".join(split.fingerprint for split in drawn.values())
    fingerprint = hashlib.sha256(prints.encode()).hexdigest()[:16]
    return Splits(**drawn, fingerprint=fingerprint, removed=removed, left_out=left_out)


def in_order(reviews: datasets.Dataset, rows: npt.NDArray[np.int64]) -> Split:
    """A split of these reviews, whose rows in their source are known."""
    found = _candidates(reviews)
    return Split(reviews, rows, found["label"].astype(np.int64), _fingerprint(found))


def whole(reviews: datasets.Dataset) -> Split:
    """All reviews with a label, in their order, duplicates too: what evaluate is given. Raises
    UserError if they are all of one class."""
    candidates = _labelled(_candidates(reviews))
    left_out = len(reviews) - len(candidates)
    _need_both_classes(candidates, "input", f" ({left_out:,} are of other labels)")
    return _split(reviews, candidates)


def _candidates(reviews: datasets.Dataset) -> Candidates:
    found = np.empty(len(reviews), dtype=_CANDIDATE)
    found["row"] = np.arange(len(reviews))
    for number, batch in enumerate(reviews.iter(batch_size=_BATCH)):
        part = found[number * _BATCH :][:_BATCH]
        texts = (text.encode() for text in batch["text"])
        part["hash"] = [hashlib.blake2b(text, digest_size=16).digest() for text in texts]
        part["label"] = batch["label"]
    return found


def _split(reviews: datasets.Dataset, chosen: Candidates) -> Split:
    rows, fingerprint = chosen["row"].astype(np.int64), _fingerprint(chosen)
    # With a fingerprint of ours, datasets does not make one of a copy of the rows.
    drawn = reviews.select(rows, new_fingerprint=fingerprint)
    return Split(drawn, rows, chosen["label"].astype(np.int64), fingerprint)


def _fingerprint(chosen: Candidates) -> str:
    content = chosen["hash"].tobytes() + chosen["label"].astype(np.int64).tobytes()
    return hashlib.sha256(content).hexdigest()[:16]


def _labelled(part: Candidates) -> Candidates:
    """Without the reviews that are neither negative nor positive."""
    kept: Candidates = part[part["label"] != LEFT_OUT]
    return kept


def _distinct(part: Candidates) -> Candidates:
    """The first of equal texts; none of them where their labels contradict each other."""
    _, first, inverse = np.unique(part["hash"], return_index=True, return_inverse=True)
    count = np.bincount(inverse)
    positive = np.bincount(inverse, weights=part["label"])
    agree = (positive == 0) | (positive == count)
    kept: Candidates = part[np.sort(first[agree])]
    return kept


def _without(part: Candidates, other: Candidates) -> Candidates:
    """The reviews whose text does not stand in the other part."""
    return part[~np.isin(part["hash"], other["hash"])]


def _need_both_classes(part: Candidates, name: str, why: str) -> None:
    found = np.unique(part["label"])
    if len(found) < 2:
        has = (
            f"all {len(part):,} reviews are {LABELS[int(found[0])]}"
            if len(part)
            else "no reviews are left"
        )
        raise UserError(f"{name}: {has}: both labels are needed{why}")


def _draw(part: Candidates, size: int | None, config: DataConfig, name: str) -> Candidates:
    """`size` reviews in a seeded order, half of each label or in the part's own proportion."""
    rng = np.random.default_rng([config.seed, SPLITS.index(name)])
    by_label = [rng.permutation(np.flatnonzero(part["label"] == label)) for label in (0, 1)]
    available = [len(rows) for rows in by_label]
    negative, positive = available
    if size is None:
        counts = available
    elif config.balanced:
        counts = [size - size // 2, size // 2]
    else:
        share = round(size * positive / max(len(part), 1))
        share = min(max(share, 1), size - 1) if size > 1 else share
        counts = [size - share, share]
    if counts[0] > negative or counts[1] > positive:
        at_most = 2 * min(available) if config.balanced else len(part)
        balanced = " of balanced labels" if config.balanced else ""
        val = name == "train" and config.val_size
        beside = f" beside the {config.val_size:,} of val" if val else ""
        raise UserError(
            f"data.{name}_size={size} asks for more reviews than there are:"
            f" at most {at_most:,}{balanced}{beside}"
        )
    if min(counts) == 0:
        if size:
            raise UserError(f"data.{name}_size={size} leaves one class only: take 2 or more")
        if config.val_size:
            raise UserError(
                f"data.val_size={config.val_size} leaves too few for {name}: take fewer"
            )
        raise UserError(
            f"{name}: beside the reviews of val and test none of one label is left: more are needed"
        )
    chosen = np.concatenate([rows[:count] for rows, count in zip(by_label, counts, strict=True)])
    drawn: Candidates = part[rng.permutation(chosen)]
    return drawn
