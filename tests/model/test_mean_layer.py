"""model.pooling=mean: a layer that brings the mean of all tokens to where the classifier reads."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification

from imdb_cls.inference.forward import logits
from imdb_cls.inference.network import load_trained
from imdb_cls.inference.tokenizer import HeadTailTokenizer
from imdb_cls.model import pretrained
from tests.support.models import load

IDS = torch.tensor([[101, 2023, 3185, 2001, 2307, 102], [101, 2919, 102, 0, 0, 0]])
MASK = IDS != 0
LABELS = torch.tensor([1, 0])


def test_at_first_it_is_the_first_token_plus_the_mean(tiny_model: Path) -> None:
    plain, network = load(tiny_model), load(tiny_model, pooling="mean")
    assert network.config.n_layers == len(network.distilbert.transformer.layer) == 3
    given = {"input_ids": IDS, "attention_mask": MASK.long()}
    with torch.no_grad():
        hidden = plain.distilbert(**given).last_hidden_state
        mean = (hidden * MASK[:, :, None]).sum(1) / MASK.sum(1, keepdim=True)
        wanted = torch.nn.functional.layer_norm(hidden[:, 0] + mean, (32,))
        # By transformers' own forward, and by ours.
        assert torch.allclose(network.distilbert(**given)[0][:, 0], wanted, atol=1e-5)
        answer = network.classifier(network.pre_classifier(wanted).relu())
        assert torch.allclose(logits(network, IDS, MASK), answer, atol=1e-5)


def trained_for_steps(path: Path, steps: int = 5) -> torch.nn.Module:
    network = load(path, pooling="mean")
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    for _ in range(steps):
        torch.nn.functional.cross_entropy(logits(network, IDS, MASK), LABELS).backward()
        optimizer.step()
        optimizer.zero_grad()
    return network


def test_all_of_it_is_trained_but_its_attention_stays_even(tiny_model: Path) -> None:
    before = load(tiny_model, pooling="mean").distilbert.transformer.layer[-1].state_dict()
    after = trained_for_steps(tiny_model).distilbert.transformer.layer[-1].state_dict()
    for name, weight in after.items():
        if "q_lin" in name or "k_lin" in name:
            assert not weight.any(), name
        else:
            assert not torch.equal(weight, before[name]), name


def test_what_is_saved_is_a_plain_distilbert(tiny_model: Path, tmp_path: Path) -> None:
    network = trained_for_steps(tiny_model).eval()
    tokenizer = HeadTailTokenizer.load(tiny_model, 64, 0.25)
    pretrained.save(network, tokenizer, tmp_path)
    theirs = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    with torch.no_grad():
        wanted = logits(network, IDS, MASK)
        assert torch.allclose(theirs(IDS, attention_mask=MASK).logits, wanted, atol=1e-5)
        assert torch.equal(logits(load_trained(tmp_path), IDS, MASK), wanted)


def test_a_network_that_has_one_gets_no_other(tiny_model: Path, tmp_path: Path) -> None:
    model = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    pretrained.save(load(tiny_model, pooling="mean"), HeadTailTokenizer.load(model, 64, 1.0), model)
    again = load(model, pooling="mean")
    assert again.config.n_layers == 3
    saved = load_file(model / "model.safetensors")
    for name, weight in again.distilbert.state_dict().items():
        assert torch.equal(weight, saved[f"distilbert.{name}"])


@pytest.mark.parametrize("seed", [1, 2])
def test_only_the_new_layers_depend_on_the_seed(tiny_model: Path, seed: int) -> None:
    torch.manual_seed(seed)
    first = load(tiny_model, pooling="mean").state_dict()
    torch.manual_seed(seed)
    again = load(tiny_model, pooling="mean").state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    torch.manual_seed(seed + 10)
    other = load(tiny_model, pooling="mean").state_dict()
    drawn = {name for name in first if not torch.equal(first[name], other[name])}
    assert drawn == {
        "distilbert.transformer.layer.2.ffn.lin1.weight",
        "pre_classifier.weight",
        "classifier.weight",
    }
