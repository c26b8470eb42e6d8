"""The metrics of a split, all computed by torchmetrics from the probabilities of POSITIVE."""

from typing import Any

import torch
from torch import Tensor
from torchmetrics import MeanMetric, Metric, MetricCollection, classification

from imdb_cls.names import SCALARS
from imdb_cls.runs.predictions import BINS, wilson_interval


class CrossEntropy(MeanMetric):
    """Mean of -log p(label), in nats, from the probabilities of POSITIVE."""

    def update(self, probability: Tensor, label: Tensor) -> None:  # type: ignore[override]
        right = torch.where(label == 1, probability, 1 - probability)
        # A probability that float64 rounds to 0 counts as the smallest number above it.
        super().update(-torch.log(right.clamp_min(torch.finfo(torch.float64).tiny)))


class CalibrationError(classification.MulticlassCalibrationError):
    """Expected calibration error of the predicted label's probability in BINS bins of equal width
    (Guo et al. 2017, "On Calibration of Modern Neural Networks"). torchmetrics' binary one measures
    the probability of POSITIVE instead."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(num_classes=2, n_bins=BINS, norm="l1", **settings)

    def update(self, probability: Tensor, label: Tensor) -> None:
        super().update(torch.stack([1 - probability, probability], dim=-1), label)


def scalar_metrics(prefix: str = "", **settings: Any) -> MetricCollection:
    """The metrics of names.SCALARS: update(probabilities [n] in [0, 1], labels [n] of 0 and 1).
    Under DDP they are those of all ranks' reviews, unless `settings` say otherwise."""
    metrics: dict[str, Metric] = {
        "loss": CrossEntropy(**settings),
        "accuracy": classification.BinaryAccuracy(**settings),
        "precision": classification.BinaryPrecision(**settings),
        "recall": classification.BinaryRecall(**settings),
        "f1": classification.BinaryF1Score(**settings),
        "auroc": classification.BinaryAUROC(**settings),
        "mcc": classification.BinaryMatthewsCorrCoef(**settings),
        "ece": CalibrationError(**settings),
    }
    assert tuple(metrics) == SCALARS
    # Compute groups compare states on the first update, and these states differ in type.
    collection = MetricCollection(metrics, prefix=prefix, compute_groups=False)  # type: ignore[arg-type]
    # Apple's GPUs have no float64.
    return collection if torch.backends.mps.is_available() else collection.set_dtype(torch.float64)


def in_order(values: dict[str, Tensor], prefix: str = "") -> dict[str, float]:
    """Computed metrics as numbers, in the order of names.SCALARS."""
    return {prefix + name: float(values[prefix + name]) for name in SCALARS}


def compute_metrics(probability: Tensor, label: Tensor) -> dict[str, Any]:
    """All metrics of a split, with the 95 % interval of the accuracy and the confusion matrix
    [[true negatives, false positives], [false negatives, true positives]]. `probability` of
    POSITIVE is [n] float64, `label` [n] int64, 0 or 1."""
    # Under DDP one process has all predictions: it does not wait for the others.
    metrics = scalar_metrics(sync_on_compute=False)
    metrics.update(probability, label)
    confusion = classification.BinaryConfusionMatrix(sync_on_compute=False)
    confusion.update(probability, label)
    correct = int(((probability > 0.5) == (label == 1)).sum())
    return {
        **in_order(metrics.compute()),
        "accuracy_ci95": list(wilson_interval(correct, len(label))),
        "confusion_matrix": confusion.compute().tolist(),
        "samples": len(label),
    }
