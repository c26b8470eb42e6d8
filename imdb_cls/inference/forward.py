"""What a DistilBertForSequenceClassification answers, with less work than its own forward takes.

The classifier reads the first token alone, so the last layer is computed for that one only: every
token gives it a key and a value, and nothing else of that layer is needed, forward or backward.
"""

import os
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import DistilBertForSequenceClassification

from imdb_cls.inference.attention import plain_attention

# On a CPU, oneDNN keeps a compiled kernel for each of the last 1024 shapes, and nearly every batch
# has another one: gigabytes that are never used again. Those of a few batches are enough.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")
# cuDNN's attention, which PyTorch takes first on an H100, makes a plan for every shape that it
# meets, and nearly every batch has another one: a step took ten times as long (docs/benchmarks.md).
torch.backends.cuda.enable_cudnn_sdp(False)


def logits(
    network: DistilBertForSequenceClassification,
    input_ids: Tensor,
    mask: Tensor | None = None,
    fused: bool = True,
) -> Tensor:
    """The network's logits [reviews, 2], with its dropouts while it trains.

    Args:
        input_ids: [reviews, tokens] int64.
        mask: [reviews, tokens] bool, true where there is a token; None if nothing is padded.
        fused: whether PyTorch's fused kernels compute the attention, or plain products.
    """
    config = network.config
    if mask is not None:
        mask = mask[:, None, None, :]

    def layer(block: Any, hidden: Tensor, asking: Tensor) -> Tensor:
        """The layer's output [reviews, asking, width] for the tokens that ask."""
        heads = (config.n_heads, config.dim // config.n_heads)
        given = block.attention
        mapped = given.q_lin(asking), given.k_lin(hidden), given.v_lin(hidden)
        queries, keys, values = (part.unflatten(-1, heads).transpose(1, 2) for part in mapped)
        rate = config.attention_dropout if block.training else 0.0
        attend = scaled_dot_product_attention if fused else plain_attention
        mixed = attend(queries, keys, values, mask, rate)
        attended = given.out_lin(mixed.transpose(1, 2).flatten(2))
        middle = block.sa_layer_norm(attended + asking)
        outputs: Tensor = block.output_layer_norm(block.ffn(middle) + middle)
        return outputs

    hidden = network.distilbert.embeddings(input_ids)
    *blocks, last = network.distilbert.transformer.layer
    for block in blocks:
        hidden = layer(block, hidden, hidden)
    first = layer(last, hidden, hidden[:, :1])[:, 0]
    found: Tensor = network.classifier(network.dropout(network.pre_classifier(first).relu()))
    return found
