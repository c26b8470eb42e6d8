"""A network as an ONNX file, in fp32 or with its matrices in int8."""

import logging
import tempfile
import warnings
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import DistilBertForSequenceClassification

from imdb_cls.exporting.smooth import smoothed

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
    network: DistilBertForSequenceClassification, samples: Iterable[list[int]], path: Path
) -> None:
    """The same, with matrices in int8, a scale a column, and activations rounded as they come.

    Args:
        samples: token ids of a few reviews, which show how large activations are.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    # It advises to preprocess the graph, which changes nothing in one that torch has folded.
    logging.getLogger("root").addFilter(_no_advice)
    try:
        with tempfile.TemporaryDirectory() as directory:
            whole = Path(directory) / "model.onnx"
            write(smoothed(network, samples), whole)
            quantize_dynamic(
                whole,
                path,
                op_types_to_quantize=["MatMul", "Gemm"],
                weight_type=QuantType.QInt8,
                per_channel=True,
                extra_options={"MatMulConstBOnly": True},
            )
    finally:
        logging.getLogger("root").removeFilter(_no_advice)


def _no_advice(record: logging.LogRecord) -> bool:
    return "pre-process" not in record.getMessage()
