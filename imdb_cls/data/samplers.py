"""Which reviews make a batch: those of like length, drawn by seed and epoch, for DDP's ranks."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from torch.utils.data import Sampler

from imdb_cls.inference.engine import Lengths, Rows
from imdb_cls.inference.padding import eval_batches

# Reviews are sorted by length within so many batches: enough for little padding, and few enough
# that batches differ from epoch to epoch.
_BATCHES_PER_SORT = 50

Part = tuple[Rows, float, int]
"""What a rank gets of a batch: the rows of its reviews, their share of the batch, and the epoch."""


def train_batches(lengths: Lengths, batch_size: int, seed: int, epoch: int) -> list[Rows]:
    """All reviews once, in batches whose sizes differ by at most one and none is over `batch_size`.

    The first batch holds the longest reviews, so that running out of memory shows at once.
    """
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(len(lengths))
    count = math.ceil(len(lengths) / batch_size)
    bounds = np.linspace(0, len(lengths), count + 1).astype(np.int64)
    batches: list[Rows] = []
    for first in range(0, count, _BATCHES_PER_SORT):
        cuts = bounds[first : first + _BATCHES_PER_SORT + 1]
        part = order[cuts[0] : cuts[-1]]
        by_length = part[np.argsort(lengths[part], kind="stable")]
        batches += np.split(by_length, cuts[1:-1] - cuts[0])
    shuffled = [batches[i] for i in rng.permutation(len(batches))]
    longest = int(np.argmax([lengths[batch].max() for batch in shuffled]))
    shuffled[0], shuffled[longest] = shuffled[longest], shuffled[0]
    return shuffled


@dataclass(eq=False)
class TrainSampler(Sampler[Part]):
    """What one of `world` ranks gets of every batch of an epoch."""

    lengths: Callable[[int], Lengths]
    """Those of an epoch, which are equally many in each."""
    batch_size: int
    seed: int
    rank: int = 0
    world: int = 1
    epoch: int = 0
    start: int = 0
    """How many batches the next epoch leaves out: a resumed run has seen them."""

    def __len__(self) -> int:
        return math.ceil(len(self.lengths(self.epoch)) / self.batch_size)

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this before every epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[Part]:
        start, self.start = self.start, 0
        lengths, epoch = self.lengths(self.epoch), self.epoch
        for batch in train_batches(lengths, self.batch_size, self.seed, epoch)[start:]:
            # Every world-th review: ranks get reviews of like length, and at most one more or less.
            part = batch[self.rank :: self.world]
            yield part, len(part) / len(batch), epoch


def eval_sampler(lengths: Lengths, batch_size: int, rank: int = 0, world: int = 1) -> list[Part]:
    """The whole batches of one of `world` ranks, every review on one rank only."""
    # Every rank gets a batch, a smaller one if need be: one without would stop the others.
    size = min(batch_size, max(1, len(lengths) // world))
    return [(batch, 1.0, 0) for batch in eval_batches(lengths, size)[rank::world]]
