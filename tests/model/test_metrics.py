"""Every figure against a hand's or scikit-learn's."""

import math

import numpy as np
import pytest
import torch
from sklearn import metrics as reference

from imdb_cls.model import metrics
from imdb_cls.names import SCALARS
from imdb_cls.runs.predictions import wilson_interval

# By hand: 2 true negatives, 1 false positive, 2 false negatives, 4 true positives.
LABELS = torch.tensor([1, 1, 1, 1, 1, 1, 0, 0, 0])
SCORES = torch.tensor([0.95, 0.81, 0.72, 0.6, 0.44, 0.1, 0.83, 0.3, 0.02], dtype=torch.float64)


def drawn(count: int = 501) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores of a middling classifier, none twice."""
    rng = np.random.default_rng(4)
    labels = rng.integers(0, 2, count)
    scores = 1 / (1 + np.exp(-rng.normal(1.5 * labels - 0.4, 1.5)))
    return torch.from_numpy(scores), torch.from_numpy(labels)


def ece(scores: torch.Tensor, labels: torch.Tensor, bins: int = 15) -> float:
    """Guo et al. 2017, equation 3, in plain Python."""
    inside: dict[int, list[tuple[float, bool]]] = {}
    for score, label in zip(scores.tolist(), labels.tolist(), strict=True):
        confidence = max(score, 1 - score)
        inside.setdefault(int(confidence * bins), []).append(
            (confidence, (score > 0.5) == (label == 1))
        )
    gaps = (abs(sum(right for _, right in b) - sum(conf for conf, _ in b)) for b in inside.values())
    return sum(gaps) / len(labels)


def test_metrics_by_hand() -> None:
    found = metrics.compute_metrics(SCORES, LABELS)
    assert found["confusion_matrix"] == [[2, 1], [2, 4]]
    assert found["samples"] == 9
    assert found["accuracy"] == pytest.approx(6 / 9, abs=1e-12)
    assert found["precision"] == pytest.approx(4 / 5, abs=1e-12)
    assert found["recall"] == pytest.approx(4 / 6, abs=1e-12)
    assert found["f1"] == pytest.approx(8 / 11, abs=1e-12)
    assert found["mcc"] == pytest.approx((4 * 2 - 1 * 2) / math.sqrt(5 * 6 * 3 * 4), abs=1e-6)
    # Of 6 x 3 pairs of a positive and a negative, 0.83 stands above 5, 0.3 above 1.
    assert found["auroc"] == pytest.approx(12 / 18, abs=1e-6)
    right = [0.95, 0.81, 0.72, 0.6, 0.44, 0.1, 1 - 0.83, 1 - 0.3, 1 - 0.02]
    assert found["loss"] == pytest.approx(-sum(map(math.log, right)) / 9, abs=1e-12)


def test_metrics_are_scikit_learns() -> None:
    scores, labels = drawn()
    found = metrics.compute_metrics(scores, labels)
    predicted = scores > 0.5
    assert found["confusion_matrix"] == reference.confusion_matrix(labels, predicted).tolist()
    for name, value in {
        "loss": reference.log_loss(labels, scores),
        "accuracy": reference.accuracy_score(labels, predicted),
        "precision": reference.precision_score(labels, predicted),
        "recall": reference.recall_score(labels, predicted),
        "f1": reference.f1_score(labels, predicted),
    }.items():
        assert found[name] == pytest.approx(value, abs=1e-12), name
    assert found["mcc"] == pytest.approx(reference.matthews_corrcoef(labels, predicted), abs=1e-6)
    assert found["auroc"] == pytest.approx(reference.roc_auc_score(labels, scores), abs=1e-6)


def test_calibration_error_by_hand() -> None:
    # Bins of 1/15: 0.94 and 0.95 share one (one of them is right), 0.55 has one of its own (wrong).
    scores = torch.tensor([0.94, 0.05, 0.55], dtype=torch.float64)
    labels = torch.tensor([1, 1, 0])
    by_hand = (2 * abs(1 / 2 - 0.945) + 1 * abs(0 - 0.55)) / 3
    assert metrics.compute_metrics(scores, labels)["ece"] == pytest.approx(by_hand, abs=1e-6)


def test_calibration_error_is_the_papers() -> None:
    scores, labels = drawn()
    found = metrics.compute_metrics(scores, labels)["ece"]
    assert found == pytest.approx(ece(scores, labels), abs=1e-6)
    # That of the probability of POSITIVE is another one.
    of_positive = np.histogram(scores, 15, (0, 1), weights=scores - labels)[0]
    assert found != pytest.approx(np.abs(of_positive).sum() / len(labels), abs=1e-3)


def test_a_sure_mistake_costs_much_but_not_infinitely_much() -> None:
    scores = torch.tensor([0.0, 1.0, 1.0], dtype=torch.float64)
    loss = metrics.compute_metrics(scores, torch.tensor([1, 0, 1]))["loss"]
    assert math.isfinite(loss)
    assert loss > 400


def test_a_score_of_one_half_is_negative_everywhere() -> None:
    scores = torch.tensor([0.5, 0.5, 0.9], dtype=torch.float64)
    found = metrics.compute_metrics(scores, torch.tensor([0, 1, 1]))
    assert found["confusion_matrix"] == [[1, 0], [1, 1]]
    assert found["accuracy"] == pytest.approx(2 / 3, abs=1e-12)
    assert found["accuracy_ci95"] == list(wilson_interval(2, 3))


def test_uneven_batches_give_what_all_at_once_gives() -> None:
    scores, labels = drawn()
    whole, parts = metrics.scalar_metrics(), metrics.scalar_metrics()
    whole.update(scores, labels)
    for part in torch.arange(len(scores)).split([1, 300, 7, 193]):
        parts.update(scores[part], labels[part])
    at_once, in_parts = metrics.in_order(whole.compute()), metrics.in_order(parts.compute())
    assert in_parts == pytest.approx(at_once, abs=1e-12)


def test_metrics_begin_anew_after_a_reset() -> None:
    scores, labels = drawn()
    collection = metrics.scalar_metrics()
    collection.update(1 - scores, labels)
    collection.reset()
    collection.update(scores, labels)
    again = metrics.in_order(collection.compute())
    assert again == {name: metrics.compute_metrics(scores, labels)[name] for name in SCALARS}


def test_metrics_are_named_and_ordered_as_promised() -> None:
    collection = metrics.scalar_metrics("val/")
    collection.update(SCORES, LABELS)
    names = ["loss", "accuracy", "precision", "recall", "f1", "auroc", "mcc", "ece"]
    assert list(metrics.in_order(collection.compute(), "val/")) == [f"val/{n}" for n in names]
    more = ["accuracy_ci95", "confusion_matrix", "samples"]
    assert list(metrics.compute_metrics(SCORES, LABELS)) == names + more


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (8, 10, 0.4902, 0.9433),
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (4396, 5000, 0.8699, 0.8879),
    ],
)
def test_wilsons_interval(successes: int, trials: int, low: float, high: float) -> None:
    found = wilson_interval(successes, trials)
    assert found == pytest.approx((low, high), abs=5e-5)
    # Wilson 1927: centre (p + z²/2n) / (1 + z²/n), with z = 1.959964.
    z2 = 1.959964**2
    p = successes / trials
    spread = math.sqrt(z2 * p * (1 - p) / trials + z2**2 / (4 * trials**2))
    centre = p + z2 / (2 * trials)
    by_hand = [(centre - spread) / (1 + z2 / trials), (centre + spread) / (1 + z2 / trials)]
    assert found == pytest.approx(by_hand, abs=1e-6)


def test_the_interval_is_that_of_the_accuracy() -> None:
    found = metrics.compute_metrics(SCORES, LABELS)
    low, high = found["accuracy_ci95"]
    assert (low, high) == wilson_interval(6, 9)
    assert low < found["accuracy"] < high
