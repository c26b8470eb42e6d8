"""Attention as plain matrix products: where a CPU multiplies in bf16 they are faster than PyTorch's
fused kernels (docs/benchmarks.md)."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import dropout

# A few reviews at a time have so many scores: what comes between two products stays in the cache.
_CACHED = 1_600_000


def plain_attention(
    queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, rate: float
) -> Tensor:
    """What scaled_dot_product_attention computes: [reviews, heads, asking, width].

    Args:
        queries: [reviews, heads, asking, width].
        keys, values: [reviews, heads, tokens, width].
        mask: [reviews, 1, 1, tokens] bool, true where there is a token; None if nothing is padded.
        rate: the dropout of the weights.
    """
    if rate:
        weights = _weights(queries, keys, mask)
        mixed: Tensor = dropout(weights, rate) @ values
    else:
        mixed = _Attention.apply(queries, keys, values, mask)  # type: ignore[no-untyped-call]
    return mixed


def _weights(queries: Tensor, keys: Tensor, mask: Tensor | None) -> Tensor:
    """[reviews, heads, asking, tokens]: how much of each token's value a query takes."""
    scores = (queries / math.sqrt(queries.shape[-1])) @ keys.transpose(-1, -2)
    if mask is not None:
        scores.masked_fill_(~mask, torch.finfo(scores.dtype).min)
    # Autocast gives float32 on a GPU; the next product wants what it was given.
    return scores.softmax(-1).to(scores.dtype)


class _Attention(torch.autograd.Function):
    """The products that autograd would make, but a few reviews at a time, and without copies of the
    scores: a fifth less time at 256 tokens."""

    @staticmethod
    def forward(
        ctx: Any, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None
    ) -> Tensor:
        step = max(1, _CACHED // (queries.shape[1] * queries.shape[2] * keys.shape[2]))
        masks = [None] * len(queries) if mask is None else torch.split(mask, step)
        given = (torch.split(tensor, step) for tensor in (queries, keys, values))
        parts = zip(*given, masks, strict=False)
        kept, found = [], []
        for asking, key, value, part in parts:
            weights = _weights(asking, key, part)
            found.append(weights @ value)
            kept.append(weights if any(ctx.needs_input_grad) else None)
        ctx.save_for_backward(queries, keys, values, *kept)
        ctx.step = step
        # The heads of a token lie side by side, as what comes next wants them.
        return torch.cat([part.transpose(1, 2) for part in found]).transpose(1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        queries, keys, values, *kept = ctx.saved_tensors
        root, found = math.sqrt(queries.shape[-1]), []
        parts = (torch.split(tensor, ctx.step) for tensor in (queries, keys, values, gradient))
        for asking, key, value, of_mixed, weights in zip(*parts, kept, strict=True):
            of_weights = of_mixed @ value.transpose(-1, -2)
            # Where a token is masked its weight is 0, and so is this.
            of_scores = torch.ops.aten._softmax_backward_data(
                of_weights, weights, -1, weights.dtype
            )
            of_key = ((asking / root).transpose(-1, -2) @ of_scores).transpose(-1, -2)
            of_value = weights.transpose(-1, -2) @ of_mixed
            found.append(((of_scores @ key) / root, of_key, of_value))
        of_queries, of_keys, of_values = (
            torch.cat([part.transpose(1, 2) for part in tensors]).transpose(1, 2)
            for tensors in zip(*found, strict=True)
        )
        return of_queries, of_keys, of_values, None
