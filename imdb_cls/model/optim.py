"""AdamW with layer-wise learning-rate decay, and a linear warm-up and decay."""

from collections import defaultdict
from typing import Any

import torch
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR
from transformers import DistilBertForSequenceClassification

from imdb_cls.config import ModelConfig


def depth(name: str, layers: int) -> int:
    """The layer of a parameter: 0 for the embeddings, 1 … `layers` for the encoder, then one more
    for the classifier."""
    if name.startswith("distilbert.embeddings."):
        return 0
    if name.startswith("distilbert.transformer.layer."):
        return int(name.split(".")[3]) + 1
    return layers + 1


def parameter_groups(
    network: DistilBertForSequenceClassification, config: ModelConfig
) -> list[dict[str, Any]]:
    """Groups by depth: each learns at `layer_decay` times the rate of the one above (Howard & Ruder
    2018, discriminative fine-tuning). Biases and LayerNorms have no weight decay."""
    layers = int(network.config.n_layers)
    groups: dict[tuple[int, bool], list[torch.nn.Parameter]] = defaultdict(list)
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            groups[depth(name, layers), parameter.ndim > 1].append(parameter)
    return [
        {
            "params": parameters,
            "lr": config.learning_rate * config.layer_decay ** (layers + 1 - level),
            "weight_decay": config.weight_decay if decayed else 0.0,
        }
        for (level, decayed), parameters in sorted(groups.items())
    ]


def build(
    network: DistilBertForSequenceClassification,
    config: ModelConfig,
    warmup_steps: int,
    total_steps: int,
    fused: bool,
) -> tuple[AdamW, LambdaLR]:
    """The optimizer, and the schedule that is to be stepped after each of its steps."""
    optimizer = AdamW(parameter_groups(network, config), fused=fused)

    def factor(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / warmup_steps
        return max(0.0, (total_steps - step) / max(1, total_steps - warmup_steps))

    return optimizer, LambdaLR(optimizer, factor)
