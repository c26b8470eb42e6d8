"""Temperature scaling: probabilities that say how often they are right."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from imdb_cls.inference.engine import LogOdds

if TYPE_CHECKING:
    from transformers import DistilBertForSequenceClassification

# A temperature beyond these would only say "much surer" or "much less sure".
_LOWEST, _HIGHEST = 0.05, 20.0


def fit(log_odds: LogOdds, labels: npt.NDArray[np.int64]) -> float:
    """The temperature to divide log-odds of POSITIVE [reviews] by, whose labels [reviews] are 0 or
    1 (Guo et al. 2017, "On Calibration of Modern Neural Networks", section 4.2): the one of the
    least cross-entropy, drawn towards 1 the more, the less sure these reviews make it (the
    positive-part estimator of James & Stein 1961). It is 1 where the best one is within its own
    standard error of that, and if every review has the right label, since then a lower temperature
    is always better. docs/results.md compares it with others."""
    from scipy.optimize import minimize_scalar

    margin = np.where(labels == 1, log_odds, -log_odds)
    if len(margin) == 0 or (margin > 0).all():
        return 1.0
    found = minimize_scalar(
        lambda power: cross_entropy(margin, float(np.exp(power))),
        bounds=(np.log(_LOWEST), np.log(_HIGHEST)),
        method="bounded",
    )
    best = float(found.x)
    kept = max(0.0, 1 - (_standard_error(margin, best) / best) ** 2) if best else 0.0
    return round(float(np.exp(kept * best)), 4)


def _standard_error(margin: npt.NDArray[np.float64], power: float) -> float:
    """Of the logarithm of a fitted temperature: of an M-estimator of one parameter, from the slope
    and the curvature of each review's cross-entropy (Huber 1967)."""
    scaled = margin / np.exp(power)
    wrong = np.exp(-np.logaddexp(0, scaled))
    slope = scaled * wrong
    curvature = float((scaled**2 * wrong * (1 - wrong) - slope).sum())
    return float(np.sqrt((slope**2).sum())) / curvature if curvature > 0 else float("inf")


def cross_entropy(margin: npt.NDArray[np.float64], temperature: float) -> float:
    """Mean of -log p(label), in nats, from the log-odds of the label."""
    return float(np.logaddexp(0, -margin / temperature).mean())


def fold(network: "DistilBertForSequenceClassification", temperature: float) -> None:
    """Divides the logits by the temperature, in the weights of the last layer. So the network gives
    calibrated probabilities wherever it is loaded, in a stock container too."""
    import torch

    with torch.no_grad():
        network.classifier.weight.div_(temperature)
        network.classifier.bias.div_(temperature)
