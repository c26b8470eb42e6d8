"""What a page computes, against known values."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from imdb_cls.data.splits import Splits
from imdb_cls.model.metrics import CalibrationError
from imdb_cls.reports.curves import smoothed, thinned
from imdb_cls.reports.run import attribution
from imdb_cls.reports.run import baseline as baselines
from imdb_cls.reports.run.attribution import attribute, kept_offsets, words
from imdb_cls.reports.run.baseline import Baseline, baseline
from imdb_cls.reports.run.intervals import intervals
from imdb_cls.reports.run.label_errors import Pool, suspects
from imdb_cls.reports.run.mcnemar import Paired, holm, paired
from imdb_cls.reports.run.parts import by_confidence, by_length, by_truncation, ece
from imdb_cls.reports.run.results import RunResults, read, with_reviews
from imdb_cls.reports.run.texts import spans
from imdb_cls.runs.predictions import Predictions
from imdb_cls.runs.run import Run


def said(probability: np.ndarray, label: np.ndarray) -> Predictions:
    """Predictions on reviews of no particular length."""
    zeros = np.zeros(len(label), dtype=np.int64)
    return Predictions(zeros, label, probability, zeros, zeros > 0)


def predictions(n: int = 400, seed: int = 0) -> Predictions:
    rng = np.random.default_rng(seed)
    probability = rng.beta(0.7, 0.7, n)
    tokens = rng.integers(20, 900, n)
    return Predictions(
        index=np.arange(n),
        label=(rng.random(n) < probability).astype(np.int64),
        probability=probability,
        tokens=tokens,
        truncated=tokens > 128,
    )


def test_mcnemar_and_its_interval_are_those_of_a_textbook() -> None:
    """Airway hyper-responsiveness before and after a transplantation (Fagerland et al. 2014, table
    2, from Bentur et al. 2009): 1, 1, 7 and 12 of 21 children."""
    found = Paired(both=1, first_only=1, second_only=7, neither=12)
    assert found.p == pytest.approx(0.0703, abs=5e-5)
    assert found.difference == pytest.approx(-0.286, abs=5e-4)
    assert found.interval == pytest.approx((-0.508, -0.013), abs=1e-3)


def test_pairs_are_counted_by_who_is_right() -> None:
    first, second = np.array([1, 1, 1, 0, 0, 0], bool), np.array([1, 0, 0, 1, 0, 0], bool)
    assert paired(first, second) == Paired(1, 2, 1, 2)
    same = paired(first, first)
    assert (same.p, same.difference) == (1.0, 0.0)
    assert same.interval[0] < 0 < same.interval[1]


def test_holms_p_values_are_adjusted_in_order() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_intervals_cover_what_they_should_and_are_no_wider() -> None:
    """Of 100 samples of a known classifier: two normal distributions one deviation apart, for which
    AUROC is 0.7602, and accuracy and F1 are 0.6915."""
    rng = np.random.default_rng(1)
    truth = {"auroc": 0.7602, "accuracy": 0.6915, "f1": 0.6915}
    ends: dict[str, list[tuple[float, float]]] = {name: [] for name in truth}
    for _ in range(100):
        label = np.repeat([0, 1], 150)
        score = 1 / (1 + np.exp(-(rng.normal(size=300) + label - 0.5)))
        for name in truth:
            ends[name].append(intervals(said(score, label))[name])
    for name, value in truth.items():
        low, high = np.array(ends[name]).T
        assert 88 <= np.sum((low <= value) & (value <= high)) <= 99, name
        # As wide as the samples differ.
        assert (high - low).mean() == pytest.approx(2 * 1.96 * ((low + high) / 2).std(), rel=0.2)


def test_the_interval_of_auroc_surrounds_it() -> None:
    made = predictions()
    low, high = intervals(made)["auroc"]
    area = roc_auc_score(made.label, made.probability)
    assert (low + high) / 2 == pytest.approx(area, abs=1e-9)
    perfect = intervals(said(np.array([0.1, 0.2, 0.8, 0.9]), np.array([0, 0, 1, 1])))
    assert perfect["auroc"] == (1.0, 1.0)


@pytest.mark.parametrize(("surer", "error"), [(1.0, 0.0), (1.5, 0.0530)])
def test_the_interval_of_ece_allows_for_its_bias(surer: float, error: float) -> None:
    """Of 60 samples of log-odds with a deviation of 2.5, which the network says `surer` times: its
    true error is `error`, and the mean estimate of a calibrated one is 0.036."""
    rng = np.random.default_rng(1)
    covered, estimates = 0, []
    for _ in range(60):
        log_odds = rng.normal(0, 2.5, 500)
        label = (rng.random(500) < 1 / (1 + np.exp(-log_odds))).astype(np.int64)
        sample = said(1 / (1 + np.exp(-surer * log_odds)), label)
        low, high = intervals(sample)["ece"]
        estimates.append(ece(by_confidence(sample)))
        assert low <= estimates[-1] <= high + 1e-9
        covered += low <= error <= high
    assert 52 <= covered <= 60
    assert np.mean(estimates) > error + 0.005


def test_one_label_only_has_no_auroc_and_no_error() -> None:
    found = intervals(said(np.array([0.1, 0.2]), np.array([0, 0])))
    assert "auroc" not in found
    assert "precision" not in found


def test_slices_are_a_partition_of_the_reviews() -> None:
    made = predictions()
    for parts in (by_length(made), by_truncation(made)):
        assert sum(part.n for part in parts) == len(made)
        assert sum(part.correct for part in parts) == made.correct.sum()
        assert all(part.interval[0] <= part.accuracy <= part.interval[1] for part in parts)
    lengths = by_length(made)
    assert len(lengths) == 6
    assert max(part.n for part in lengths) - min(part.n for part in lengths) <= 5
    ends = [int(end) for part in lengths for end in part.name.split("–")]
    assert ends == sorted(ends)
    short = by_truncation(made)[0]
    assert (short.name, short.n) == ("whole", int((~made.truncated).sum()))


def test_reviews_of_one_length_have_no_slices() -> None:
    made = Predictions(*(np.ones(30, dtype=kind) for kind in (int, int, float, int, bool)))
    assert by_length(made) == by_truncation(made) == []


def test_the_bins_are_those_of_the_metric() -> None:
    made = predictions()
    metric = CalibrationError()
    metric.update(torch.from_numpy(made.probability), torch.from_numpy(made.label))
    found = by_confidence(made)
    assert ece(found) == pytest.approx(float(metric.compute()), abs=1e-6)
    assert sum(part.n for part in found) == len(made)
    assert all(part.low <= part.confidence <= part.high for part in found)


def test_a_temperature_changes_confidence_and_no_label() -> None:
    made = predictions()
    surer = made.uncalibrated(2.0)
    assert (surer.correct == made.correct).all()
    assert (np.abs(surer.probability - 0.5) >= np.abs(made.probability - 0.5)).all()
    assert made.uncalibrated(1.0).probability == pytest.approx(made.probability)
    # A network that was twice as sure, divided by 2.
    assert surer.log_odds == pytest.approx(2 * made.log_odds, abs=1e-6)
    assert np.isfinite(said(np.array([0.0, 1.0]), np.array([0, 1])).log_odds).all()


def test_a_moving_average_begins_where_its_points_do() -> None:
    steps, values = zip(*smoothed([(1, 5.0), (2, 5.0), (3, 5.0)]), strict=True)
    assert steps == (1, 2, 3)
    assert values == pytest.approx((5, 5, 5))
    noisy = [(step, 1.0 + (-1) ** step) for step in range(100)]
    assert np.std([value for _, value in smoothed(noisy)[20:]]) < 0.2
    assert thinned([(0, 1.0), (2, 3.0), (4, 9.0)], 2) == [(1, 2), (4, 9)]


def test_mislabelled_reviews_are_found() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 300)
    probability = np.where(truth == 1, 0.95, 0.05)
    given = truth.copy()
    flipped = np.array([3, 140, 260])
    given[flipped] = 1 - given[flipped]

    def pool(name: str, label: np.ndarray, part: slice) -> Pool:
        return Pool(name, said(probability[part], label[part]), None, [])

    found = suspects([pool("test", given, slice(200)), pool("val", given, slice(200, 300))])
    assert not isinstance(found, str)
    assert sorted((pool.split, row) for pool, row in found) == [
        *(("test", 3), ("test", 140), ("val", 60))
    ]
    one = pool("test", np.zeros(300, dtype=np.int64), slice(5))
    assert suspects([one]) == "it takes reviews of both labels"


@pytest.fixture(scope="module")
def results(reported: Run) -> RunResults:
    return with_reviews(read(reported), None)


@pytest.fixture(scope="module")
def reviews(results: RunResults) -> Splits:
    assert results.splits is not None
    return results.splits


def test_the_baseline_learns_and_is_the_same_again(reviews: Splits) -> None:
    one, two = (baselines.train(reviews.train, reviews.val, reviews.test) for _ in range(2))
    assert (one.probability == two.probability).all()
    assert (one.strength, one.features) == (two.strength, two.features)
    label = np.asarray(reviews.test.reviews["label"][:])
    assert roc_auc_score(label, one.probability) > 0.6


def test_the_baseline_is_trained_once(
    reviews: Splits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = baseline(reviews, reviews.test, tmp_path)
    monkeypatch.setattr(baselines, "train", None)
    again = baseline(reviews, reviews.test, tmp_path)
    assert isinstance(first, Baseline)
    assert isinstance(again, Baseline)
    assert (again.probability == first.probability).all()
    assert again.seconds == first.seconds
    # Other reviews are another file; a damaged one is made again.
    monkeypatch.undo()
    assert isinstance(baseline(reviews, reviews.val, tmp_path), Baseline)
    files = sorted((tmp_path / "baselines").glob("*.npz"))
    assert len(files) == 2
    for file in files:
        file.write_bytes(b"PK\x03\x04 nothing")
    assert isinstance(baseline(reviews, reviews.test, tmp_path), Baseline)


def test_the_words_add_up_to_the_difference_in_log_odds(results: RunResults) -> None:
    assert results.reviews is not None
    texts = sorted(results.reviews.texts(), key=len)
    texts = [texts[-1], texts[0]]
    for text, found in zip(
        texts, attribute(texts, results.run.model_dir, results.tokenizer), strict=True
    ):
        assert found is not None
        whole = sum(found.words.values())
        # [CLS] and [SEP] are the same in the padding, and still have a little of their own.
        gap = found.log_odds - found.reference
        assert abs(found.delta) <= 0.05 * max(abs(gap), 1.0) or found.steps == 96
        assert whole == pytest.approx(gap, abs=0.1 * abs(gap) + abs(found.delta))
        for word, weight in found.top(text):
            assert word in text.lower()
            assert (weight > 0) == (found.log_odds > 0)


def test_a_cpu_explains_no_more_than_one_waits_for(
    results: RunResults, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert results.reviews is not None
    texts = results.reviews.texts()[:4]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(attribution, "_BUDGET", 0.0)
    found = attribute(texts, results.run.model_dir, results.tokenizer)
    assert [explained is not None for explained in found] == [True, True, False, False]


def test_every_token_that_was_read_belongs_to_a_word(results: RunResults) -> None:
    text = "Not good.<br /><br />It's unwatchable, " + "really " * 40 + "the end"
    offsets = kept_offsets(text, results.tokenizer)
    owners = words(text, results.tokenizer)
    head, tail = results.tokenizer.ends
    assert len(offsets) == len(owners) == head + tail
    assert all(a <= start < end <= b for (start, end), (a, b) in zip(offsets, owners, strict=True))
    named = [text[a:b] for a, b in dict.fromkeys(owners)]
    assert named[:4] == ["Not", "good.", "<br />", "<br />"]
    assert named[-2:] == ["the", "end"]


def test_what_was_not_read_is_left_out_of_the_text(results: RunResults) -> None:
    whole = "a fine film<br />indeed"
    assert [(span.text, span.kind) for span in spans(whole, results.tokenizer, None)] == [
        *(("a fine film", ""), ("", "break"), ("indeed", ""))
    ]
    head, tail = results.tokenizer.ends
    long = " ".join(["one"] * head + ["two"] * 7 + ["three"] * tail)
    first, note, last = spans(long, results.tokenizer, None)
    assert (note.text, note.kind) == ("[… 7 tokens left out …]", "cut")
    assert first.text.split() == ["one"] * head
    assert last.text.split() == ["three"] * tail
