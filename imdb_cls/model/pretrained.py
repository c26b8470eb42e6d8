"""A network of pretrained files, and what a run saves of it."""

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
from imdb_cls.errors import UserError, one_line
from imdb_cls.inference.tokenizer import SPECIAL, Tokenizer
from imdb_cls.model.from_bert import fold_config, fold_weights
from imdb_cls.model.weights import Pretrained
from imdb_cls.names import LABELS


def attention(config: ModelConfig, accelerator: str, max_length: int) -> str:
    """The kernels to train with. PyTorch's fused one is a GPU's best; its backward pass on a CPU is
    slower than plain matrix products up to some 256 tokens (benchmarks/speed.py)."""
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
    try:
        described = json.loads((pretrained.path / "config.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{pretrained.path}/config.json is damaged: {one_line(error)}") from None
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
    try:
        weights = load_file(pretrained.path / "model.safetensors")
    except SafetensorError as error:
        raise UserError(
            f"{pretrained.path}/model.safetensors is damaged: {one_line(error)}"
        ) from None
    if kind == "bert":
        weights = {f"distilbert.{name}": weight for name, weight in fold_weights(weights).items()}
    return _with_weights(shape, weights, pretrained.path)


def _with_weights(
    shape: DistilBertConfig, weights: dict[str, torch.Tensor], path: Path
) -> DistilBertForSequenceClassification:
    network = DistilBertForSequenceClassification(shape)
    encoder = {n: w for n, w in weights.items() if n.startswith("distilbert.")}
    try:
        missing, unexpected = network.load_state_dict(encoder, strict=False)
    except RuntimeError as error:
        raise UserError(
            f"{path}/model.safetensors does not fit its config: {one_line(error)}"
        ) from None
    missing = [n for n in missing if n.startswith("distilbert.")]
    if missing:
        raise UserError(
            f"{path}/model.safetensors lacks {len(missing)} weights, {missing[0]} first"
        )
    if unexpected:
        raise UserError(
            f"{path}/model.safetensors has {len(unexpected)} weights that its config has no place"
            f" for, {unexpected[0]} first"
        )
    return network


def save(network: DistilBertForSequenceClassification, tokenizer: Tokenizer, path: Path) -> None:
    """Writes the Hugging Face layout: config.json, model.safetensors and the tokenizer's files."""
    try:
        network.save_pretrained(path)
    except SafetensorError as error:
        # It writes past Python, and wraps what the disk said in words.
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
    # transformers 4 writes the special tokens once more: a model has the same files wherever it is
    # trained.
    (path / "special_tokens_map.json").unlink(missing_ok=True)
