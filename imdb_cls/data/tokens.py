"""The token ids of a split, in a file of the cache: memory stays flat, however many there are."""

import hashlib
import os
import weakref
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from imdb_cls.data.cache import has, writing
from imdb_cls.data.splits import Split
from imdb_cls.errors import UserError
from imdb_cls.inference.engine import Lengths, Rows
from imdb_cls.inference.tokenizer import HeadTailTokenizer

Ints = npt.NDArray[np.int32]
_BATCH = 1000


@dataclass
class Tokens:
    """A tokenized split; every array has one entry a review."""

    file: Path
    """int32: the ids of one review after the other, then the numbers in `whole`."""
    lengths: Lengths
    """Tokens kept, [CLS] and [SEP] counted."""
    labels: npt.NDArray[np.int64]
    whole: Ints
    """Tokens before truncation."""

    def __post_init__(self) -> None:
        # It stays open: the cache may be deleted at any time.
        self._open = os.open(self.file, os.O_RDONLY)
        weakref.finalize(self, os.close, self._open)
        self._starts = np.cumsum(self.lengths, dtype=np.int64) - self.lengths

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process opens the file itself."""
        return Tokens, (self.file, self.lengths, self.labels, self.whole)

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def truncated(self) -> npt.NDArray[np.bool_]:
        return np.asarray(self.whole > self.lengths)

    def ids(self, rows: Rows) -> list[Ints]:
        """The token ids of some reviews. The file is read, not mapped: the system ends a process
        whose mapped file is cut short. Raises UserError if that has happened."""
        return [self._read(4 * self._starts[row], int(self.lengths[row])) for row in rows]

    def _read(self, place: int, count: int) -> Ints:
        found = os.pread(self._open, 4 * count, place)
        if len(found) != 4 * count:
            raise UserError(f"{self.file} was cut short while it was in use: run the command again")
        return np.frombuffer(found, np.int32)


def tokenize(split: Split, tokenizer: HeadTailTokenizer, cache: Path) -> Tokens:
    """A split's tokens, from the cache if these texts were tokenized like this before."""
    key = hashlib.sha256((split.fingerprint + tokenizer.fingerprint).encode()).hexdigest()[:16]
    file = cache / "tokens" / f"{key}.int32"
    split.check_unharmed()
    if not has(file):
        with writing(file) as partial, partial.open("wb") as target:
            whole = array("i")
            for batch in split.reviews.iter(batch_size=_BATCH):
                given = tokenizer(batch["text"])
                whole.extend(given["tokens"])
                for ids in given["input_ids"]:
                    target.write(np.asarray(ids, np.int32).tobytes())
            target.write(np.asarray(whole, np.int32).tobytes())
    count = len(split)
    whole_counts = np.fromfile(file, np.int32, count, offset=file.stat().st_size - 4 * count)
    return Tokens(file, np.minimum(whole_counts, tokenizer.max_length), split.labels, whole_counts)
