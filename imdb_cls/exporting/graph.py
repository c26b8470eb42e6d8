"""A network as an ONNX file, in fp32 or with its matrices in int8."""

import contextlib
import logging
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import DistilBertForSequenceClassification

_OPSET = 17


class _Logits(nn.Module):
    """Reviews come one by one, so there is nothing to mask."""

    def __init__(self, network: DistilBertForSequenceClassification) -> None:
        super().__init__()
        self.network = network

    def forward(self, input_ids: Tensor) -> Tensor:
        logits: Tensor = self.network(input_ids=input_ids).logits
        return logits


def write(network: DistilBertForSequenceClassification, path: Path) -> None:
    """input_ids [1, tokens] int64 → logits [1, 2] fp32."""
    example = torch.arange(100, 116)[None]
    with warnings.catch_warnings():
        # torch's own exporter of graphs would need onnxscript; the older one traces as well.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Logits(network).eval(),
            (example,),
            str(path),
            input_names=["input_ids"],
            output_names=["logits"],
            dynamic_axes={"input_ids": {1: "tokens"}},
            opset_version=_OPSET,
            dynamo=False,
        )


def write_int8(
    network: DistilBertForSequenceClassification, path: Path, whole_layers: tuple[str, ...] = ()
) -> None:
    """The same, with matrices in int8, a scale a column, and activations rounded as they come.

    Args:
        whole_layers: linear layers whose names have one of these in them stay in fp32.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as directory, _without_a_word():
        whole = Path(directory) / "model.onnx"
        write(network, whole)
        names = [node.name for node in onnx.load(whole).graph.node]
        quantize_dynamic(
            whole,
            path,
            nodes_to_exclude=[n for n in names if any(f"/{part}/" in n for part in whole_layers)],
            op_types_to_quantize=["MatMul", "Gemm"],
            weight_type=QuantType.QInt8,
            per_channel=True,
            extra_options={"MatMulConstBOnly": True},
        )


@contextlib.contextmanager
def _without_a_word() -> Iterator[None]:
    """onnxruntime tells the root logger of every matrix that it leaves alone, and logging gives a
    root logger that has no handler one that prints."""
    root, handler = logging.getLogger(), logging.NullHandler()
    root.addHandler(handler)
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        root.removeHandler(handler)
