"""95 % intervals of a split's metrics."""

import numpy as np

from imdb_cls.reports.run.parts import bins_of
from imdb_cls.runs.predictions import BINS, Floats, Interval, Ints, Predictions, wilson_interval

# The standard normal distribution has 97.5 % of its mass below it.
Z = 1.959963984540054
_DRAWS = 10_000


def intervals(predictions: Predictions) -> dict[str, Interval]:
    """The intervals of the metrics in names.SCALARS. Those of accuracy, precision and recall are of
    proportions (Wilson 1927), F1's and MCC's come from a seeded parametric bootstrap of the
    confusion matrix, AUROC's from DeLong's variance, that of the loss is of a mean, and ECE's
    allows for its bias."""
    probability, label = predictions.probability, predictions.label
    (tn, fp), (fn, tp) = predictions.confusion
    found = {"loss": _loss(probability, label), "accuracy": wilson_interval(tp + tn, len(label))}
    if tp + fp:
        found["precision"] = wilson_interval(tp, tp + fp)
    if tp + fn:
        found["recall"] = wilson_interval(tp, tp + fn)
    found |= _of_counts(tp, fp, fn, tn)
    found["ece"] = _calibration_error(probability, label)
    if tp + fn and fp + tn:
        found["auroc"] = _auroc(probability, label)
    return found


def _loss(probability: Floats, label: Ints) -> Interval:
    right = np.where(label == 1, probability, 1 - probability)
    losses = -np.log(np.maximum(right, np.finfo(np.float64).tiny))
    spread = Z * float(losses.std(ddof=1)) / len(losses) ** 0.5 if len(losses) > 1 else 0.0
    return max(float(losses.mean()) - spread, 0.0), float(losses.mean()) + spread


def _calibration_error(probability: Floats, label: Ints) -> Interval:
    """The interval of the expected calibration error (metrics.CalibrationError), whose estimate is
    too high, because chance makes gaps as well: its bootstrap distribution, reflected (Davison &
    Hinkley 1997, "Bootstrap Methods and their Application", section 5.2), from 0 where a calibrated
    network would show as much in one of 20 splits. Of 100 simulated splits of 200 to 5,000 reviews,
    88 to 96 had the true error in it."""
    sure = np.maximum(probability, 1 - probability)
    gaps = ((probability > 0.5) == (label == 1)) - sure
    bins = bins_of(sure)
    mean = np.bincount(bins, gaps, BINS) / len(gaps)
    spread = np.sqrt(np.bincount(bins, gaps**2, BINS)) / len(gaps)
    drawn = spread * np.random.default_rng(0).standard_normal((_DRAWS, BINS))
    error = float(np.abs(mean).sum())
    least, most = np.quantile(np.abs(mean + drawn).sum(1), [0.025, 0.975]).tolist()
    by_chance = float(np.quantile(np.abs(drawn).sum(1), 0.95))
    low = 0.0 if error <= by_chance else max(0.0, 2 * error - most)
    return low, max(error, 2 * error - least)


def _of_counts(tp: int, fp: int, fn: int, tn: int) -> dict[str, Interval]:
    """The intervals of F1 and MCC. Each draw has as many reviews of each label as there are."""
    rng = np.random.default_rng(0)
    positive, negative = tp + fn, fp + tn
    tp_ = rng.binomial(positive, tp / max(positive, 1), _DRAWS).astype(np.float64)
    fp_ = rng.binomial(negative, fp / max(negative, 1), _DRAWS).astype(np.float64)
    fn_, tn_ = positive - tp_, negative - fp_
    f1 = 2 * tp_ / np.maximum(2 * tp_ + fp_ + fn_, 1)
    spread = np.sqrt((tp_ + fp_) * positive * negative * (tn_ + fn_))
    mcc = (tp_ * tn_ - fp_ * fn_) / np.maximum(spread, 1)
    lows, highs = np.quantile([f1, mcc], [0.025, 0.975], axis=1).tolist()
    return {"f1": (lows[0], highs[0]), "mcc": (lows[1], highs[1])}


def _auroc(probability: Floats, label: Ints) -> Interval:
    """The interval by DeLong et al. 1988, "Comparing the Areas under Two or More Correlated
    Receiver Operating Characteristic Curves", with the mid-ranks of Sun & Xu 2014."""
    from scipy.stats import rankdata

    positive, negative = probability[label == 1], probability[label == 0]
    both = rankdata(np.concatenate([positive, negative]))
    above = (both[: len(positive)] - rankdata(positive)) / len(negative)
    below = 1 - (both[len(positive) :] - rankdata(negative)) / len(positive)
    variance = sum(part.var(ddof=1) / len(part) for part in (above, below) if len(part) > 1)
    area, spread = float(above.mean()), Z * float(variance) ** 0.5
    return max(area - spread, 0.0), min(area + spread, 1.0)
