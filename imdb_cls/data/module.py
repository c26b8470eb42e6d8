"""The LightningDataModule: tokenized splits as batches, on any number of devices."""

from dataclasses import dataclass
from typing import Any

import torch
from pytorch_lightning import LightningDataModule
from torch.utils.data import DataLoader, Dataset

from imdb_cls.config import DataConfig
from imdb_cls.data.crops import Crops
from imdb_cls.data.samplers import Part, TrainSampler, eval_sampler
from imdb_cls.data.tokens import Tokens
from imdb_cls.errors import UserError
from imdb_cls.inference.padding import Batch, pad


@dataclass(eq=False)
class _Batches(Dataset[Batch]):
    """A data set whose items are whole batches, so that Arrow is read once a batch."""

    source: Tokens | Crops
    pad_id: int

    def __getitem__(self, part: Part) -> Batch:
        rows, share, epoch = part
        if isinstance(self.source, Crops):
            ids, labels = self.source.ids(rows, epoch), self.source.whole.labels
        else:
            ids, labels = self.source.ids(rows), self.source.labels
        return pad(ids, labels[rows], self.pad_id, share)


class ResumableLoader(DataLoader[Batch]):
    """Counts the batches it has handed out. Lightning saves the count in the checkpoint, and a
    resumed epoch begins with the batch after them."""

    sampler: TrainSampler
    handed_out = 0

    def __iter__(self) -> Any:
        self.handed_out = self.sampler.start
        for batch in super().__iter__():
            self.handed_out += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        return {"handed_out": self.handed_out}

    def load_state_dict(self, state: dict[str, int]) -> None:
        # After a whole epoch the remainder is 0: the next one begins at its first batch.
        self.sampler.start = self.handed_out = state["handed_out"] % len(self.sampler)


class ReviewsDataModule(LightningDataModule):
    """Gives train and val. The test split is not here, so that nothing in a fit can read it."""

    def __init__(
        self, train: Crops, val: Tokens, config: DataConfig, seed: int, pad_id: int
    ) -> None:
        super().__init__()
        self.train, self.val, self.config = train, val, config
        self.seed, self.pad_id = seed, pad_id
        self.options: dict[str, Any] = {
            "batch_size": None,
            "num_workers": config.num_workers,
            "persistent_workers": config.num_workers > 0,
            "pin_memory": torch.cuda.is_available(),
        }

    def train_dataloader(self) -> ResumableLoader:
        rank, world = self._rank_and_world()
        sampler = TrainSampler(self.train.lengths, self.config.batch_size, self.seed, rank, world)
        if len(self.train.whole) // len(sampler) < world:
            raise UserError(
                f"data.batch_size={self.config.batch_size} is too small for {world} devices:"
                f" take at least {world}"
            )
        # A resumed run makes its loader before Lightning tells the sampler the epoch.
        sampler.epoch = self.trainer.current_epoch if self.trainer else 0
        return ResumableLoader(_Batches(self.train, self.pad_id), sampler=sampler, **self.options)

    def val_dataloader(self) -> DataLoader[Batch]:
        rank, world = self._rank_and_world()
        if len(self.val) < world:
            raise UserError(f"data.val_size={len(self.val)} is too small for {world} devices")
        sampler = eval_sampler(self.val.lengths, self.config.eval_batch_size, rank, world)
        return DataLoader(_Batches(self.val, self.pad_id), sampler=sampler, **self.options)

    def _rank_and_world(self) -> tuple[int, int]:
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
