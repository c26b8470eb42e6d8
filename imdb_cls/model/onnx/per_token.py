"""Makes an encoder easy to round to int8: each token gets a scale of its own.

ONNX Runtime rounds a layer's inputs with one scale for all tokens, and some tokens' are many times
as large as the others', which then have no room left. Here a token's inputs are divided by the
largest of them before the product and its outputs multiplied by it afterwards, which changes
nothing in exact numbers (token-wise quantization: Yao et al. 2022, "ZeroQuant", section 4.1).
"""

import copy

from torch import Tensor, nn

from imdb_cls.model.onnx.encoder import Encoder

# Of what activation functions give below zero nothing is larger; what divides must not vanish.
_LEAST = 0.3
# The linear layers whose inputs differ so much from token to token, and whether those have a sign.
# An attention's outputs are averages over tokens, and much alike.
_SIGNED = {"qkv": True, "lin1": True, "lin2": False}


class _PerToken(nn.Module):
    def __init__(self, linear: nn.Linear, signed: bool) -> None:
        super().__init__()
        self.linear = nn.Linear(linear.in_features, linear.out_features, bias=False)
        self.linear.weight, self.bias, self.signed = linear.weight, linear.bias, signed

    def forward(self, inputs: Tensor) -> Tensor:
        sizes = inputs.abs() if self.signed else inputs
        scale = sizes.amax(-1, keepdim=True).clamp_min(_LEAST)
        outputs: Tensor = self.linear(inputs / scale) * scale + self.bias
        return outputs


def per_token(encoder: Encoder) -> Encoder:
    """A copy that gives the same numbers."""
    encoder = copy.deepcopy(encoder)
    for layer in encoder.layers:
        for name, signed in _SIGNED.items():
            setattr(layer, name, _PerToken(getattr(layer, name), signed))
    return encoder
