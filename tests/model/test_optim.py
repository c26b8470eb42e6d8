"""Learning rates by depth, weight decay by kind, and the schedule."""

import pytest
from transformers import DistilBertConfig, DistilBertForSequenceClassification

from imdb_cls.config import ModelConfig
from imdb_cls.model.optim import build, parameter_groups


@pytest.fixture(scope="module")
def network() -> DistilBertForSequenceClassification:
    shape = DistilBertConfig(vocab_size=50, dim=8, hidden_dim=16, n_layers=3, n_heads=2)
    return DistilBertForSequenceClassification(shape)


def rates(network: DistilBertForSequenceClassification, decay: float) -> dict[str, float]:
    groups = parameter_groups(network, ModelConfig(learning_rate=1.0, layer_decay=decay))
    by_id = {id(p): group["lr"] for group in groups for p in group["params"]}
    return {name: by_id[id(p)] for name, p in network.named_parameters()}


def test_each_layer_learns_slower_than_the_next(
    network: DistilBertForSequenceClassification,
) -> None:
    found = rates(network, 0.5)
    assert found["classifier.weight"] == found["pre_classifier.bias"] == 1.0
    layers = [found[f"distilbert.transformer.layer.{i}.ffn.lin1.weight"] for i in range(3)]
    assert layers == [0.125, 0.25, 0.5]
    assert found["distilbert.embeddings.word_embeddings.weight"] == 0.0625


def test_without_layer_decay_all_learn_alike(network: DistilBertForSequenceClassification) -> None:
    assert set(rates(network, 1.0).values()) == {1.0}


def test_only_matrices_are_decayed(network: DistilBertForSequenceClassification) -> None:
    groups = parameter_groups(network, ModelConfig(learning_rate=1.0, weight_decay=0.1))
    for group in groups:
        assert {p.ndim > 1 for p in group["params"]} == {group["weight_decay"] == 0.1}
    assert sum(len(group["params"]) for group in groups) == len(list(network.parameters()))


def test_frozen_parameters_are_left_out() -> None:
    shape = DistilBertConfig(vocab_size=50, dim=8, hidden_dim=16, n_layers=1, n_heads=2)
    frozen = DistilBertForSequenceClassification(shape)
    frozen.distilbert.embeddings.requires_grad_(False)
    groups = parameter_groups(frozen, ModelConfig(learning_rate=1.0))
    kept = {id(p) for group in groups for p in group["params"]}
    assert not kept & {id(p) for p in frozen.distilbert.embeddings.parameters()}


def test_a_schedule_without_warm_up_starts_at_its_peak(
    network: DistilBertForSequenceClassification,
) -> None:
    optimizer, schedule = build(network, ModelConfig(learning_rate=1.0), 0, 4, fused=False)
    seen = []
    for _ in range(4):
        seen.append(optimizer.param_groups[-1]["lr"])
        optimizer.step()
        schedule.step()
    assert seen == [1.0, 0.75, 0.5, 0.25]
