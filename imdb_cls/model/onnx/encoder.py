"""DistilBERT for one review at a time, with as few and as small matrix products as possible.

Nothing is padded, so nothing is masked. The last layer computes only the first token, which is all
that the classifier reads.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DistilBertForSequenceClassification


class Encoder(nn.Module):
    """Gives the same numbers as the network that it is made of. The network is not changed."""

    def __init__(self, network: DistilBertForSequenceClassification) -> None:
        super().__init__()
        self.embeddings = network.distilbert.embeddings
        blocks = list(network.distilbert.transformer.layer)
        self.layers = nn.ModuleList(
            _Layer(block, network.config.n_heads, last=block is blocks[-1]) for block in blocks
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
    def __init__(self, block: Any, heads: int, last: bool) -> None:
        super().__init__()
        given = block.attention
        self.heads, self.last = heads, last
        # One product takes the place of three, and the queries are scaled in their weights.
        scale = math.sqrt(given.q_lin.out_features // heads)
        parts = [(given.q_lin, scale), (given.k_lin, 1.0), (given.v_lin, 1.0)]
        self.qkv = nn.Linear(given.q_lin.in_features, 3 * given.q_lin.out_features)
        with torch.no_grad():
            self.qkv.weight.copy_(torch.cat([linear.weight / by for linear, by in parts]))
            self.qkv.bias.copy_(torch.cat([linear.bias / by for linear, by in parts]))
        self.out, self.attention_norm = given.out_lin, block.sa_layer_norm
        self.lin1, self.lin2 = block.ffn.lin1, block.ffn.lin2
        self.activation = block.ffn.activation
        self.norm = block.output_layer_norm

    def forward(self, hidden: Tensor) -> Tensor:
        """[1, tokens, width] → the same, or [1, 1, width] in the last layer."""
        queries, keys, values = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in self.qkv(hidden).chunk(3, dim=-1)
        )
        if self.last:
            hidden, queries = hidden[:, :1], queries[:, :, :1]
        weights = (queries @ keys.transpose(-1, -2)).softmax(-1)
        attended = self.out((weights @ values).transpose(1, 2).flatten(2))
        hidden = self.attention_norm(hidden + attended)
        outputs: Tensor = self.norm(hidden + self.lin2(self.activation(self.lin1(hidden))))
        return outputs
