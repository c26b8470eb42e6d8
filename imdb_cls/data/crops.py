"""What each epoch reads of the training reviews."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from imdb_cls.config import DataConfig
from imdb_cls.data.splits import Split
from imdb_cls.data.tokens import Ints, Tokens, tokenize
from imdb_cls.inference.engine import Lengths, Rows
from imdb_cls.inference.tokenizer import HeadTailTokenizer

# More tokens than a review has.
_UNCUT = 2**31 - 1


@dataclass(frozen=True)
class Crops:
    """Of a review that is longer than an epoch's limit, the first epochs read a stretch that is
    drawn anew each time, the others its beginning and its end, as a test does. [CLS] and [SEP]
    stand around either."""

    whole: Tokens
    """The reviews with all of their tokens."""
    tokenizer: HeadTailTokenizer
    limits: Sequence[int]
    """The most tokens of a review that each epoch reads; the last one is for all that follow."""
    windows: int
    """How many epochs read stretches."""
    seed: int

    @classmethod
    def of(
        cls, train: Split, tokenizer: HeadTailTokenizer, config: DataConfig, seed: int, cache: Path
    ) -> "Crops":
        """Those that a config asks for; `seed` draws the stretches."""
        given = config.train_max_length or config.max_length
        return cls(
            tokenize(train, replace(tokenizer, max_length=_UNCUT), cache),
            tokenizer,
            given if isinstance(given, list) else [given],
            config.window_epochs,
            seed,
        )

    def limit(self, epoch: int) -> int:
        return self.limits[min(epoch, len(self.limits) - 1)]

    def lengths(self, epoch: int) -> Lengths:
        """[reviews]: the tokens of each that an epoch reads."""
        return np.minimum(self.whole.lengths, self.limit(epoch))

    def ids(self, rows: Rows, epoch: int) -> list[Ints]:
        """The token ids of some reviews, as an epoch reads them."""
        limit, found = self.limit(epoch), self.whole.ids(rows)
        head, tail = replace(self.tokenizer, max_length=limit).ends
        starts = None
        if epoch < self.windows:
            starts = _starts(self.seed, epoch, len(self.whole))[rows]
        cut: list[Ints] = []
        for place, ids in enumerate(found):
            if len(ids) <= limit:
                cut.append(ids)
            elif starts is None:
                cut.append(np.concatenate([ids[: 1 + head], ids[len(ids) - 1 - tail :]]))
            else:
                first = 1 + int(starts[place] * (len(ids) - limit + 1))
                cut.append(np.concatenate([ids[:1], ids[first : first + limit - 2], ids[-1:]]))
        return cut


@functools.lru_cache(maxsize=1)
def _starts(seed: int, epoch: int, reviews: int) -> npt.NDArray[np.float64]:
    """[reviews]: where in each its stretch begins, from 0 to 1. It is the same for a review in
    whatever batch and on whatever device it is read."""
    return np.random.default_rng([seed, epoch]).random(reviews)
