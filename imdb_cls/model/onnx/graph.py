"""An encoder as an ONNX file, in fp32 or with its matrices in int8."""

import contextlib
import copy
import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

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


def write(encoder: Encoder, path: Path) -> None:
    """Writes a graph: input_ids [1, tokens] int64 → logits [1, 2] fp32."""
    example = torch.arange(100, 116)[None]
    with warnings.catch_warnings():
        # torch's newer exporter needs onnxscript. The older one does as well, but warns.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            encoder,
            (example,),
            str(path),
            input_names=["input_ids"],
            output_names=["logits"],
            dynamic_axes={"input_ids": {1: "tokens"}},
            opset_version=17,
            dynamo=False,
        )


def write_int8(encoder: Encoder, path: Path, sample: Sequence[Tensor]) -> None:
    """Writes the same graph with its matrices in int8, with one scale for each column. Activations
    are rounded as the graph runs; `sample` shows how large they are (see evened)."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as directory, _silent_logging():
        whole = Path(directory) / "model.onnx"
        write(evened(encoder, sample), whole)
        quantize_dynamic(
            whole,
            path,
            op_types_to_quantize=["MatMul", "Gemm"],
            weight_type=QuantType.QInt8,
            per_channel=True,
            extra_options={"MatMulConstBOnly": True},
        )


@contextlib.contextmanager
def _silent_logging() -> Iterator[None]:
    """Drops what onnxruntime logs of every matrix that it leaves alone. It logs to the root logger,
    which would get a handler that prints if it had none."""
    root, handler = logging.getLogger(), logging.NullHandler()
    root.addHandler(handler)
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        root.removeHandler(handler)


def evened(encoder: Encoder, sample: Sequence[Tensor]) -> Encoder:
    """A copy that gives the same numbers, and is easy to round to int8: by token, and by channel.

    ONNX Runtime rounds a layer's inputs with one scale for all of them, and those of some tokens
    and of some channels are many times as large as others, which are then rounded to next to
    nothing. So each channel is divided by a number by which the weights that it meets are
    multiplied (Xiao et al. 2023, "SmoothQuant", eq. 4), and each token by the largest of its
    inputs, by which its outputs are multiplied (token-wise quantization: Yao et al. 2022,
    "ZeroQuant", section 4.1). In exact numbers that changes nothing. The reviews of `sample`,
    [1, tokens] int64, show how large inputs are.
    """
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
