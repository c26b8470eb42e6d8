"""Makes the network from pretrained files, and writes the model/ directory of a run."""

import os
import re
from pathlib import Path

from safetensors import SafetensorError
from transformers import DistilBertForSequenceClassification

from imdb_cls.config import ModelConfig
from imdb_cls.errors import UserError, translated
from imdb_cls.inference.network import WEIGHTS, check_fit, read_weights, to_config
from imdb_cls.inference.shape import Shape
from imdb_cls.inference.tokenizer import SPECIAL, HeadTailTokenizer
from imdb_cls.model.from_bert import convert_weights
from imdb_cls.model.weights import Pretrained
from imdb_cls.names import LABELS
from imdb_cls.storage import write_json


def load_network(
    pretrained: Pretrained, config: ModelConfig
) -> DistilBertForSequenceClassification:
    """The network with a new classifier (drawn from torch's generator) and the config's dropouts.
    Raises UserError if the weights are no DistilBERT or cannot be read, and if any but those of a
    classifier are left over on either side."""
    shape, file = Shape.read(pretrained.path), pretrained.path / WEIGHTS
    weights = read_weights(pretrained.path)
    if shape.model_type == "bert":
        with translated(f"{file} is no BERT: it lacks", KeyError):
            weights = {f"distilbert.{n}": weight for n, weight in convert_weights(weights).items()}
    check_fit(shape, weights, pretrained.path)
    described = to_config(shape)
    described.dropout = config.dropout
    described.attention_dropout = config.attention_dropout
    described.seq_classif_dropout = config.classifier_dropout
    described.id2label = dict(enumerate(LABELS))
    described.label2id = {label: index for index, label in enumerate(LABELS)}
    network = DistilBertForSequenceClassification(described)
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
    return network


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
