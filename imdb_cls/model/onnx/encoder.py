"""DistilBERT for one review at a time, with as few and as small matrix products as possible.

Nothing is padded, so nothing is masked. The last layer computes only the first token, which is all
that the classifier reads.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DistilBertForSequenceClassification
from transformers.activations import get_activation


class Encoder(nn.Module):
    """Gives the same numbers as the network that it is made of. The network is not changed."""

    def __init__(self, network: DistilBertForSequenceClassification) -> None:
        super().__init__()
        config = network.config
        self.embeddings = network.distilbert.embeddings
        blocks = list(network.distilbert.transformer.layer)
        self.layers = nn.ModuleList(
            _Layer(block, config.n_heads, config.activation, last=block is blocks[-1])
            for block in blocks
        )
        self.pre_classifier, self.classifier = network.pre_classifier, network.classifier
        self.train(False)

    def forward(self, input_ids: Tensor) -> Tensor:
        """[1, tokens] int64 → logits [1, 2]."""
        hidden = self.embeddings(input_ids)
        for layer in self.layers:
            hidden = layer(hidden)
        logits: Tensor = self.classifier(self.pre_classifier(hidden[:, 0]).relu())
        return logits


class _Layer(nn.Module):
    def __init__(self, block: Any, heads: int, activation: str, last: bool) -> None:
        super().__init__()
        given = block.attention
        # Queries of 0 give all tokens the same attention, as those of model/mean_layer.py do.
        even = not (given.q_lin.weight.any() or given.q_lin.bias.any())
        self.last = last
        self.attention = _Mean(given) if even else _Attention(given, heads, last)
        self.attention_norm = block.sa_layer_norm
        self.lin1, self.lin2 = block.ffn.lin1, block.ffn.lin2
        self.activation: Any = get_activation(activation)  # type: ignore[no-untyped-call]
        self.norm = block.output_layer_norm

    def forward(self, hidden: Tensor) -> Tensor:
        """[1, tokens, width] → the same, or [1, 1, width] in the last layer."""
        asking = hidden[:, :1] if self.last else hidden
        middle = self.attention_norm(asking + self.attention(hidden))
        outputs: Tensor = self.norm(middle + self.lin2(self.activation(self.lin1(middle))))
        return outputs


class _Attention(nn.Module):
    def __init__(self, given: Any, heads: int, first_only: bool) -> None:
        super().__init__()
        self.heads, self.first_only = heads, first_only
        # One product takes the place of three, and the queries are scaled in their weights.
        scale = math.sqrt(given.q_lin.out_features // heads)
        parts = [(given.q_lin, scale), (given.k_lin, 1.0), (given.v_lin, 1.0)]
        self.qkv = nn.Linear(given.q_lin.in_features, 3 * given.q_lin.out_features)
        with torch.no_grad():
            self.qkv.weight.copy_(torch.cat([linear.weight / by for linear, by in parts]))
            self.qkv.bias.copy_(torch.cat([linear.bias / by for linear, by in parts]))
        self.out = given.out_lin

    def forward(self, hidden: Tensor) -> Tensor:
        """[1, tokens, width] → the same, or [1, 1, width] of the first token."""
        queries, keys, values = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in self.qkv(hidden).chunk(3, dim=-1)
        )
        if self.first_only:
            queries = queries[:, :, :1]
        weights = (queries @ keys.transpose(-1, -2)).softmax(-1)
        outputs: Tensor = self.out((weights @ values).transpose(1, 2).flatten(2))
        return outputs


class _Mean(nn.Module):
    """Attention that is the same for all tokens: one product of their mean with the matrices of
    values and output in one."""

    def __init__(self, given: Any) -> None:
        super().__init__()
        values, out = given.v_lin, given.out_lin
        self.mean = nn.Linear(values.in_features, out.out_features)
        with torch.no_grad():
            self.mean.weight.copy_(out.weight @ values.weight)
            self.mean.bias.copy_(out.weight @ values.bias + out.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        """[1, tokens, width] → [1, 1, width]."""
        outputs: Tensor = self.mean(hidden.mean(1, keepdim=True))
        return outputs
