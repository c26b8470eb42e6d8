"""Makes the network from pretrained files, and writes the model/ directory of a run."""

import json
import os
import re
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import (
    DistilBertConfig,
    DistilBertForSequenceClassification,
    PreTrainedTokenizerFast,
)

from imdb_cls.config import ModelConfig
from imdb_cls.errors import UserError, translated
from imdb_cls.inference.tokenizer import SPECIAL, HeadTailTokenizer
from imdb_cls.model.from_bert import fold_config, fold_weights
from imdb_cls.model.weights import Pretrained
from imdb_cls.names import LABELS


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

    Raises:
        UserError: the weights are no DistilBERT, or cannot be read.
    """
    with translated(f"{pretrained.path}/config.json is damaged", ValueError):
        described = json.loads((pretrained.path / "config.json").read_text(encoding="utf-8"))
    kind = described.get("model_type")
    if kind not in ("distilbert", "bert"):
        raise UserError(f"{pretrained.path}: a '{kind}' model: allowed are distilbert and bert")
    shape = fold_config(described) if kind == "bert" else DistilBertConfig.from_dict(described)
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
        weights = {f"distilbert.{name}": weight for name, weight in fold_weights(weights).items()}
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
    PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer.backend,
        model_max_length=tokenizer.max_length,
        model_input_names=["input_ids", "attention_mask"],
        **SPECIAL,
    ).save_pretrained(path)
    # transformers 5 writes its own name of this class, which 4 does not know; both know this one.
    settings = path / "tokenizer_config.json"
    values = json.loads(settings.read_text(encoding="utf-8"))
    values["tokenizer_class"] = "PreTrainedTokenizerFast"
    settings.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    # transformers 4 writes the special tokens once more. A model is to have the same files wherever
    # it is trained.
    (path / "special_tokens_map.json").unlink(missing_ok=True)
