"""An encoder as an ONNX file, in fp32 or with its matrices in int8."""

import contextlib
import logging
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch

from imdb_cls.model.onnx.encoder import Encoder
from imdb_cls.model.onnx.per_token import per_token

_OPSET = 17


def write(encoder: Encoder, path: Path) -> None:
    """input_ids [1, tokens] int64 → logits [1, 2] fp32."""
    example = torch.arange(100, 116)[None]
    with warnings.catch_warnings():
        # torch's own exporter of graphs would need onnxscript; the older one traces as well.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            encoder,
            (example,),
            str(path),
            input_names=["input_ids"],
            output_names=["logits"],
            dynamic_axes={"input_ids": {1: "tokens"}},
            opset_version=_OPSET,
            dynamo=False,
        )


def write_int8(encoder: Encoder, path: Path) -> None:
    """The same, its matrices in int8, a scale a column, and activations rounded as they come."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as directory, _without_a_word():
        whole = Path(directory) / "model.onnx"
        write(per_token(encoder), whole)
        quantize_dynamic(
            whole,
            path,
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
