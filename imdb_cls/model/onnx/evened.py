"""Makes an encoder easy to round to int8: by token, and by channel.

ONNX Runtime rounds a layer's inputs with one scale for all of them, and those of some tokens and
of some channels are many times as large as others, which are then rounded to next to nothing. So
each channel is divided by a number by which the weights that it meets are multiplied (Xiao et al.
2023, "SmoothQuant", eq. 4), and each token by the largest of its inputs, by which its outputs are
multiplied (token-wise quantization: Yao et al. 2022, "ZeroQuant", section 4.1). In exact numbers
that changes nothing.
"""

import copy
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from imdb_cls.model.onnx.encoder import Encoder

# The linear layers whose inputs differ so much. The one behind the attention is not among them: it
# gets averages over tokens.
_UNEVEN = ("qkv", "lin1", "lin2")
# How much of a channel's size goes from the inputs to the weights: SmoothQuant's alpha.
_STRENGTH = 0.5
# Divisors must not vanish.
_LEAST = 1e-3


class _Even(nn.Module):
    """A linear layer that divides its inputs by channel and by token."""

    def __init__(self, linear: nn.Linear, sizes: Tensor) -> None:
        """`sizes` are the largest inputs of the channels, [channels]."""
        super().__init__()
        with torch.no_grad():
            weights = linear.weight.abs().amax(0).clamp_min(1e-5)
            by = sizes.clamp_min(_LEAST) ** _STRENGTH / weights ** (1 - _STRENGTH)
            self.linear = nn.Linear(linear.in_features, linear.out_features, bias=False)
            self.linear.weight.copy_(linear.weight * by)
            self.inverse = nn.Parameter(1 / by)
        self.bias = linear.bias

    def forward(self, inputs: Tensor) -> Tensor:
        inputs = inputs * self.inverse
        scale = inputs.abs().amax(-1, keepdim=True).clamp_min(_LEAST)
        outputs: Tensor = self.linear(inputs / scale) * scale + self.bias
        return outputs


def evened(encoder: Encoder, sample: Iterable[Tensor]) -> Encoder:
    """A copy that gives the same numbers. The reviews of `sample`, [1, tokens] int64, show how
    large inputs are."""
    encoder = copy.deepcopy(encoder)
    sizes: dict[nn.Module, Tensor] = {}

    def look(linear: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        largest = inputs[0].abs().amax((0, 1))
        sizes[linear] = torch.maximum(sizes.get(linear, largest), largest)

    uneven = [(layer, name) for layer in encoder.layers for name in _UNEVEN]
    for layer, name in uneven:
        getattr(layer, name).register_forward_pre_hook(look)
    with torch.no_grad():
        for review in sample:
            encoder(review)
    # The layers that looked at their inputs are left behind.
    for layer, name in uneven:
        linear = getattr(layer, name)
        setattr(layer, name, _Even(linear, sizes[linear]))
    return encoder
