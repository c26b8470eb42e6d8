"""Makes an encoder easy to round to int8: each token gets a scale of its own.

ONNX Runtime rounds a layer's inputs with one scale for all tokens. The inputs of some tokens are
many times as large as those of others, which are then rounded to next to nothing. Here a token's
inputs are divided by the largest of them before the product, and its outputs multiplied by it
afterwards. In exact numbers that changes nothing (token-wise quantization: Yao et al. 2022,
"ZeroQuant", section 4.1).
"""

import copy

from torch import Tensor, nn

from imdb_cls.model.onnx.encoder import Encoder

# The least divisor. It must not vanish, nor be less than what activation functions give below zero.
_LEAST = 0.3
# The linear layers whose inputs differ so much from token to token, and whether these inputs have a
# sign. The layer behind the attention is not among them: it gets averages over tokens.
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
