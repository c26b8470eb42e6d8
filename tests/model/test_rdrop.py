"""R-Drop: two answers to every batch, and what they differ in as a part of the loss."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import DistilBertConfig, DistilBertForSequenceClassification

from imdb_cls.config import ModelConfig
from imdb_cls.inference.padding import Batch, pad
from imdb_cls.model.classifier import SentimentClassifier, divergence


def test_the_divergence_is_the_mean_of_both_directions() -> None:
    p, q = np.array([0.9, 0.1]), np.array([0.5, 0.5])
    expected = (np.sum(p * np.log(p / q)) + np.sum(q * np.log(q / p))) / 2
    one, other = torch.from_numpy(np.log(p))[None], torch.from_numpy(np.log(q))[None]
    assert float(divergence(one, other)) == pytest.approx(expected)
    assert float(divergence(one, one + 3)) == pytest.approx(0.0)  # logits have no zero of their own


def _batch() -> Batch:
    drawn = np.random.default_rng(0)
    rows = [drawn.integers(5, 100, length).astype(np.int32) for length in (9, 12, 5)]
    return pad(rows, np.array([0, 1, 1]), pad_id=0)


def _module(epoch: int = 0, rate: float = 0.3, **config: float) -> SentimentClassifier:
    """A tiny network in the given epoch of a run on one device."""
    torch.manual_seed(0)
    described = DistilBertConfig(vocab_size=100, dim=16, hidden_dim=32, n_layers=2, n_heads=2)
    described.dropout = described.seq_classif_dropout = rate
    described.attention_dropout = 0.0
    network = DistilBertForSequenceClassification(described).train()
    module = SentimentClassifier(network, ModelConfig(**config), 1, 10, 1, 10)  # type: ignore[arg-type]
    module.trainer = SimpleNamespace(  # type: ignore[assignment]
        current_epoch=epoch, world_size=1, accumulate_grad_batches=2, is_last_batch=False
    )
    return module


def _loss(module: SentimentClassifier) -> float:
    torch.manual_seed(7)
    return float(module.training_step(_batch(), 0).detach())


def test_the_loss_is_that_of_both_answers_and_their_divergence() -> None:
    module, batch = _module(rdrop=4.0), _batch()
    loss = _loss(module)
    logged = float(module._losses[0])
    torch.manual_seed(7)
    twice = Batch(
        batch.input_ids.repeat(2, 1), batch.attention_mask.repeat(2, 1), batch.labels.repeat(2)
    )
    found = module(twice).detach()
    assert not torch.equal(found[:3], found[3:]), "dropout drew the same"
    rows = torch.nn.functional.cross_entropy(found, twice.labels, reduction="none")
    assert logged == pytest.approx(float(rows.mean()), rel=1e-6)
    apart = float(divergence(found[:3], found[3:]))
    assert apart > 0
    assert loss == pytest.approx(logged + 4 * apart, rel=1e-6)


def test_it_ends_with_its_epochs() -> None:
    once = _loss(_module())
    assert _loss(_module(epoch=1, rdrop=4.0, rdrop_epochs=1)) == once
    assert _loss(_module(epoch=0, rdrop=4.0, rdrop_epochs=1)) != once
    assert _loss(_module(epoch=9, rdrop=4.0)) != once


def test_without_dropout_it_adds_nothing() -> None:
    once, twice = _loss(_module(rate=0.0)), _loss(_module(rate=0.0, rdrop=4.0))
    assert math.isclose(once, twice, rel_tol=1e-6)
