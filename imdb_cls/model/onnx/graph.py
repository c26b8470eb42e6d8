"""An encoder as an ONNX file, in fp32 or with its matrices in int8."""

import contextlib
import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from imdb_cls.model.onnx.encoder import Encoder
from imdb_cls.model.onnx.evened import evened


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
    are rounded as the graph runs; `sample` shows how large they are (evened.evened)."""
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
