"""Makes the network from pretrained files, and writes the model/ directory of a run."""

import json
import os
import re
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import DistilBertConfig, DistilBertForSequenceClassification

from imdb_cls.config import ModelConfig
from imdb_cls.errors import UserError, translated
from imdb_cls.inference.tokenizer import SPECIAL, HeadTailTokenizer
from imdb_cls.model.from_bert import convert_config, convert_weights
from imdb_cls.model.weights import Pretrained
from imdb_cls.names import LABELS
from imdb_cls.storage import write_json


def attention(config: ModelConfig, accelerator: str, max_length: int) -> str:
    """The attention kernels to train with. PyTorch's fused ones (sdpa) are the fastest on a GPU. On
    a CPU their backward pass is slower than plain matrix products up to some 256 tokens
    (benchmarks/speed.py)."""
    if config.attention != "auto":
        return config.attention
    return "eager" if accelerator == "cpu" and max_length <= 256 else "sdpa"


def load_network(
    pretrained: Pretrained, config: ModelConfig, kernels: str = "sdpa"
) -> DistilBertForSequenceClassification:
    """The network with a new classifier (drawn from torch's generator) and the config's dropouts.
    Raises UserError if the weights are no DistilBERT, or cannot be read."""
    with translated(f"{pretrained.path}/config.json is damaged", ValueError):
        described = json.loads((pretrained.path / "config.json").read_text(encoding="utf-8"))
    kind = described.get("model_type")
    if kind not in ("distilbert", "bert"):
        raise UserError(f"{pretrained.path}: a '{kind}' model: allowed are distilbert and bert")
    shape = convert_config(described) if kind == "bert" else DistilBertConfig.from_dict(described)
    shape.dropout = config.dropout
    shape.attention_dropout = config.attention_dropout
    shape.seq_classif_dropout = config.classifier_dropout
    shape._attn_implementation = kernels
    shape.id2label = dict(enumerate(LABELS))
    shape.label2id = {label: index for index, label in enumerate(LABELS)}
    file = pretrained.path / "model.safetensors"
    with translated(f"{file} is damaged", SafetensorError):
        weights = load_file(file)
    if kind == "bert":
        weights = {f"distilbert.{n}": weight for n, weight in convert_weights(weights).items()}
    network = DistilBertForSequenceClassification(shape)
    _load_encoder(network, weights, file)
    return network


def _load_encoder(
    network: DistilBertForSequenceClassification, weights: dict[str, torch.Tensor], file: Path
) -> None:
    """Puts all but the classifier's weights into the network. Raises UserError if any is left over
    on either side."""
    encoder = {n: w for n, w in weights.items() if n.startswith("distilbert.")}
    with translated(f"{file} does not fit its config", RuntimeError):
        absent, unexpected = network.load_state_dict(encoder, strict=False)
    absent = [n for n in absent if n.startswith("distilbert.")]
    if absent:
        raise UserError(f"{file} lacks {len(absent)} weights, {absent[0]} first")
    if unexpected:
        raise UserError(
            f"{file} has {len(unexpected)} weights that its config has no place for,"
            f" {unexpected[0]} first"
        )


def save(
    network: DistilBertForSequenceClassification, tokenizer: HeadTailTokenizer, path: Path
) -> None:
    """Writes the Hugging Face layout: config.json, model.safetensors and the tokenizer's files."""
    try:
        network.save_pretrained(path)
    except SafetensorError as error:
        # It does not write through Python, and puts the disk's error into words.
        if number := re.search(r"os error (\d+)", str(error)):
            raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from None
        raise
    tokenizer.backend.save(str(path / "tokenizer.json"))
    described = {
        "backend": "tokenizers",
        "model_input_names": ["input_ids", "attention_mask"],
        "model_max_length": tokenizer.max_length,
        "tokenizer_class": "PreTrainedTokenizerFast",  # as transformers 4 and 5 both know it
        **SPECIAL,
    }
    write_json(path / "tokenizer_config.json", dict(sorted(described.items())))
