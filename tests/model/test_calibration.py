"""Probabilities say how often they are right, and one temperature is in everything that labels."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from imdb_cls.inference.labeller import probability
from imdb_cls.model import calibration, metrics
from tests.support.models import load


@pytest.mark.parametrize("sureness", [0.5, 1.0, 3.0])
def test_the_temperature_undoes_how_much_too_sure_a_network_is(sureness: float) -> None:
    drawn = np.random.default_rng(0)
    log_odds = drawn.normal(0, 2, 20_000)
    labels = (drawn.random(20_000) < probability(log_odds)).astype(np.int64)
    assert calibration.fit(sureness * log_odds, labels) == pytest.approx(sureness, rel=0.05)


def test_few_reviews_move_it_less_than_they_say() -> None:
    drawn, least, reviews = np.random.default_rng(0), list[bool](), 60
    for _ in range(20):
        log_odds = drawn.normal(0, 2, reviews)
        labels = (drawn.random(reviews) < probability(log_odds)).astype(np.int64)
        margin = np.where(labels == 1, log_odds, -log_odds)
        grid = np.exp(np.linspace(-1.5, 1.5, 601))
        best = grid[np.argmin([calibration.cross_entropy(margin, t) for t in grid])]
        found = calibration.fit(log_odds, labels)
        # Between 1 and the best.
        assert min(best, 1) - 0.01 <= found <= max(best, 1) + 0.01
        least.append(found == 1.0)
    # The network is calibrated: two out of three are within one standard error of that.
    assert 0.4 < np.mean(least) < 0.95


def test_reviews_that_are_all_right_say_nothing_about_it() -> None:
    assert calibration.fit(np.array([2.0, -3.0]), np.array([1, 0])) == 1.0
    assert calibration.fit(np.array([]), np.array([], dtype=np.int64)) == 1.0


def test_a_network_that_knows_nothing_gets_a_bounded_temperature() -> None:
    log_odds = np.tile([9.0, -9.0], 50)
    labels = np.repeat([0, 1], 50)
    assert 19 < calibration.fit(log_odds, labels) <= 20


def test_probabilities_neither_overflow_nor_lose_their_tail() -> None:
    found = probability(np.array([-800.0, -40.0, 0.0, 40.0, 800.0]))
    assert found[0] == 0
    assert found[1] == pytest.approx(np.exp(-40), rel=1e-9)
    assert found[2] == 0.5
    assert found[4] == 1


def test_the_last_layer_takes_the_temperature_in(tiny_model: Path) -> None:
    torch.manual_seed(3)
    network = load(tiny_model).eval()
    ids = torch.tensor([[101, 2023, 3185, 102]])
    with torch.no_grad():
        network.classifier.bias.copy_(torch.tensor([0.5, -1.0]))
        before = network(ids).logits
        calibration.fold(network, 2.5)
        assert torch.allclose(network(ids).logits, before / 2.5, atol=1e-6)


def read(run: Path) -> dict[str, Any]:
    return dict(json.loads((run / "metrics.json").read_text()))


def test_metrics_json_has_ece_and_loss_before_and_after(trained: Path) -> None:
    found = read(trained)
    calibrated, test = found["calibration"], found["test"]
    assert calibrated["test"]["ece_after"] == test["ece"]
    assert calibrated["test"]["loss_after"] == test["loss"]
    table = pq.read_table(trained / "predictions.parquet")
    shares, labels = np.asarray(table["probability"]), np.asarray(table["label"])
    log_odds = np.log(shares / (1 - shares)) * calibrated["temperature"]
    before = metrics.compute_metrics(
        torch.from_numpy(probability(log_odds)), torch.from_numpy(labels.copy())
    )
    assert calibrated["test"]["ece_before"] == pytest.approx(before["ece"], abs=1e-6)
    assert calibrated["test"]["loss_before"] == pytest.approx(before["loss"], abs=1e-6)
    # What it was fitted to.
    assert calibrated["val"]["loss_after"] <= calibrated["val"]["loss_before"]


def test_val_is_kept_as_test_is(trained: Path) -> None:
    val = pq.read_table(trained / "predictions_val.parquet")
    assert val.schema == pq.read_table(trained / "predictions.parquet").schema
    assert len(val) == read(trained)["val"]["samples"]
    shares = torch.tensor(np.asarray(val["probability"]))
    found = metrics.compute_metrics(shares, torch.tensor(np.asarray(val["label"])))
    expected = read(trained)["calibration"]["val"]["loss_after"]
    assert found["loss"] == pytest.approx(expected, abs=1e-9)


def test_the_temperature_lies_beside_the_model(trained: Path) -> None:
    stored = json.loads((trained / "model" / "inference.json").read_text())
    assert stored["temperature"] == read(trained)["calibration"]["temperature"]
    assert (stored["max_length"], stored["head_fraction"], stored["fast"]) == (32, 0.25, None)
