"""The shorter way through a DistilBERT gives what its own forward gives, and the same gradients."""

import importlib
import os
from pathlib import Path

import pytest
import torch

from imdb_cls.inference import forward
from imdb_cls.inference.forward import logits
from tests.support.models import load

IDS = torch.tensor([[101, 2023, 3185, 2001, 2307, 102], [101, 2919, 102, 0, 0, 0]])
MASK = IDS != 0


@pytest.mark.parametrize("fused", [True, False])
def test_it_is_the_networks_own_answer(tiny_model: Path, fused: bool) -> None:
    network = load(tiny_model)
    with torch.no_grad():
        theirs = network(IDS, attention_mask=MASK.long()).logits
        ours = logits(network, IDS, MASK, fused)
        # Of one review without padding there is no mask.
        alone = logits(network, IDS[1:, :3], None, fused)
    assert torch.allclose(ours, theirs, atol=1e-6)
    assert torch.allclose(alone, theirs[1:], atol=1e-6)


@pytest.mark.parametrize("fused", [True, False])
def test_the_gradients_are_the_same(tiny_model: Path, fused: bool) -> None:
    network, labels = load(tiny_model), torch.tensor([1, 0])

    def gradients(answer: torch.Tensor) -> list[torch.Tensor]:
        network.zero_grad()
        torch.nn.functional.cross_entropy(answer, labels).backward()
        return [p.grad for p in network.parameters() if p.grad is not None]

    theirs = gradients(network(IDS, attention_mask=MASK.long()).logits)
    ours = gradients(logits(network, IDS, MASK, fused))
    assert len(ours) == len(theirs) == len(list(network.parameters()))
    for mine, other in zip(ours, theirs, strict=True):
        assert torch.allclose(mine, other, atol=1e-6)


@pytest.mark.parametrize("kind", ["dropout", "attention_dropout", "classifier_dropout"])
@pytest.mark.parametrize("fused", [True, False])
def test_every_dropout_is_drawn_in_training_alone(tiny_model: Path, kind: str, fused: bool) -> None:
    rates = dict.fromkeys(("dropout", "attention_dropout", "classifier_dropout"), 0.0)
    network = load(tiny_model, **(rates | {kind: 0.5}))
    for training in (False, True):
        network.train(training)
        first, second = (logits(network, IDS, MASK, fused) for _ in range(2))
        assert torch.equal(first, second) is not training


@pytest.mark.parametrize(("asked", "kept"), [(None, "64"), ("9", "9")])
def test_kernels_that_plan_for_every_shape_are_left_out_and_few_are_kept(
    monkeypatch: pytest.MonkeyPatch, asked: str | None, kept: str
) -> None:
    name = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
    monkeypatch.delenv(name, raising=False)
    if asked:
        monkeypatch.setenv(name, asked)
    torch.backends.cuda.enable_cudnn_sdp(True)
    importlib.reload(forward)
    assert os.environ[name] == kept
    assert not torch.backends.cuda.cudnn_sdp_enabled()
