"""Makes the fast model for CPUs, which is kept only if it labels as the trained one does."""

import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from imdb_cls.data.splits import Split
from imdb_cls.data.tokens import tokenize
from imdb_cls.errors import UserError
from imdb_cls.inference.engine import OnnxEngine
from imdb_cls.inference.labeller import probability
from imdb_cls.inference.network import load_trained
from imdb_cls.inference.tokenizer import HeadTailTokenizer
from imdb_cls.model.onnx import graph
from imdb_cls.model.onnx.encoder import Encoder
from imdb_cls.model.open import settings_of
from imdb_cls.runs import predictions
from imdb_cls.runs.run import Run
from imdb_cls.terminal import Screen

# Share of val's labels that must be the trained model's own.
AGREEMENT = 0.995
# The faster kind first. The other has the trained model's very numbers, in a faster engine.
_KINDS = ("int8", "fp32")
# Reviews that show how large the inputs of the layers are.
_SAMPLE = 64


def export(run: Run, val: Split, cache: Path, screen: Screen) -> dict[str, Any]:
    """Makes the fast model of a run: in int8 if that labels val like the trained one, else in fp32.
    Returns what metrics.json says of it. Raises UserError if the model is damaged."""
    settings = settings_of(run)
    tokenizer = HeadTailTokenizer.load(run.model_dir, settings.max_length, settings.head_fraction)
    tokens = tokenize(val, tokenizer, cache)
    known = predictions.read(run.whole(run.val_predictions_file))
    if known is None or not known.is_of(val):
        raise UserError(f"{run.val_predictions_file} is not of the run's val reviews")
    encoder = Encoder(load_trained(run.model_dir))
    some = tokens.ids(np.linspace(0, len(tokens) - 1, min(_SAMPLE, len(tokens))).astype(np.int64))
    sample = [torch.from_numpy(ids.astype(np.int64))[None] for ids in some]
    tried: dict[str, float] = {}
    prefix = f".export-{os.getpid()}-"
    with tempfile.TemporaryDirectory(prefix=prefix, dir=run.path) as directory:
        for kind in _KINDS:
            file = Path(directory) / f"model.{kind}.onnx"
            if kind == "int8":
                graph.write_int8(encoder, file, sample)
            else:
                graph.write(encoder, file)
            with screen.counted(f"checking {kind}", len(tokens)) as advance:
                found = OnnxEngine(file).log_odds(tokens.lengths, tokens.ids, advance)
            compared = _compared(known.probability, probability(found), tokens.labels)
            tried[kind] = compared["val_agreement"]
            if tried[kind] >= AGREEMENT:
                break
        # That of an earlier export goes, whether another takes its place or not.
        replace(settings, fast=None).write(run.model_dir)
        for old in run.model_dir.glob("*.onnx"):
            old.unlink()
        if tried[kind] < AGREEMENT:
            return {"kind": None, "tried": tried}
        file.replace(run.model_dir / file.name)
        replace(settings, fast=file.name).write(run.model_dir)
        return {"kind": kind, "file": file.name, **compared, "tried": tried}


def _compared(
    trained: npt.NDArray[np.float64], found: npt.NDArray[np.float64], labels: npt.NDArray[np.int64]
) -> dict[str, float | int]:
    """Compares the probabilities of POSITIVE on val: how often the labels agree, what that does to
    the accuracy, and how far the probabilities lie apart."""
    ours, theirs = found > 0.5, trained > 0.5
    apart = np.abs(found - trained)
    return {
        "val_samples": len(found),
        "val_agreement": float((ours == theirs).mean()),
        "val_accuracy": float((ours == (labels == 1)).mean()),
        "val_accuracy_of_trained": float((theirs == (labels == 1)).mean()),
        "difference_mean": float(apart.mean()),
        "difference_max": float(apart.max()),
    }
