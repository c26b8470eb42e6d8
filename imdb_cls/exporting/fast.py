"""The model for CPUs beside the trained one, kept only if it labels as that one does."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from transformers import DistilBertForSequenceClassification

from imdb_cls.data.splits import Splits
from imdb_cls.data.tokens import tokenize
from imdb_cls.exporting import graph
from imdb_cls.exporting.smooth import smoothed
from imdb_cls.inference.engine import OnnxEngine
from imdb_cls.inference.labeller import probability, tokenizer_of
from imdb_cls.inference.network import load_trained
from imdb_cls.run import Run
from imdb_cls.scoring import settings_of

# Share of val's labels that must be the trained model's own.
AGREEMENT = 0.995
# Reviews of train that show how large activations are.
_SAMPLES = 64


@dataclass(frozen=True)
class _Recipe:
    kind: str
    strength: float = 0.0
    """Of the smoothing before it is rounded."""
    whole_layers: tuple[str, ...] = ()


# The fastest first. What follows GELU is the hardest to round: the feed-forward's second layer.
_RECIPES = (
    _Recipe("int8", 0.8),
    _Recipe("int8", 0.9),
    _Recipe("int8-mixed", 0.7, ("lin2",)),
    _Recipe("fp32"),
)


def export(
    run: Run, splits: Splits, cache: Path, advance: Callable[[int], None] = lambda done: None
) -> dict[str, Any]:
    """Makes the fast model of a run: with all its matrices in int8 if that labels val like the
    trained one, else with most of them, else in fp32, which is the same numbers in a faster engine.
    Gives what metrics.json says of it; `advance` is told how many reviews of val were labelled just
    now.

    Raises:
        UserError: the model is damaged.
    """
    settings = settings_of(run)
    tokenizer = tokenizer_of(run.model_dir, settings)
    samples = tokenizer(list(splits.train.reviews[:_SAMPLES]["text"]))["input_ids"]
    val = tokenize(splits.val, tokenizer, cache)
    trained = np.asarray(pq.read_table(run.val_predictions_file)["probability"])
    network = load_trained(run.model_dir)
    settings.with_fast(None).write(run.model_dir)
    for old in run.model_dir.glob("*.onnx"):
        old.unlink()
    tried: list[float] = []
    with tempfile.TemporaryDirectory(prefix=".export-", dir=run.path) as directory:
        for recipe in _RECIPES:
            file = Path(directory) / f"model.{recipe.kind}.onnx"
            _write(recipe, network, samples, file)
            found = OnnxEngine(file).log_odds(val.lengths, val.ids, advance)
            compared = _compared(trained, probability(found), val.labels)
            tried.append(compared["val_agreement"])
            if tried[-1] >= AGREEMENT:
                file.replace(run.model_dir / file.name)
                settings.with_fast(file.name).write(run.model_dir)
                return {"kind": recipe.kind, "file": file.name, **compared, "tried": tried}
    return {"kind": None, "tried": tried}


def _write(
    recipe: _Recipe,
    network: DistilBertForSequenceClassification,
    samples: list[list[int]],
    file: Path,
) -> None:
    if recipe.kind == "fp32":
        graph.write(network, file)
    else:
        even = smoothed(network, samples, recipe.strength)
        graph.write_int8(even, file, recipe.whole_layers)


def _compared(
    trained: npt.NDArray[np.float64], found: npt.NDArray[np.float64], labels: npt.NDArray[np.int64]
) -> dict[str, float | int]:
    """Of the probabilities of POSITIVE on val: how often the labels agree, what that does to the
    accuracy, and how far the probabilities lie apart."""
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
