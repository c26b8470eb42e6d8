"""`python -m imdb_cls.evaluate`: the run's own figures again, and those of other reviews."""

import csv
import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import roc_auc_score

from imdb_cls.errors import UserError
from imdb_cls.evaluate import Arguments, evaluate
from tests.support.files import write_rows
from tests.support.runs import decided, reviews

TIMED = {"runtime_s", "samples_per_second"}


def evaluated(
    capsys: pytest.CaptureFixture[str], run: Path, **given: Any
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """metrics.json and predictions.parquet, which are what the pipe says they are."""
    capsys.readouterr()
    evaluate(Arguments(run=str(run), **{name: str(value) for name, value in given.items()}))
    printed = json.loads(capsys.readouterr().out)
    directory = Path(printed.pop("directory"))
    assert sorted(path.name for path in directory.iterdir()) == [
        *("metrics.json", "predictions.parquet")
    ]
    metrics = json.loads((directory / "metrics.json").read_text())
    assert metrics == printed
    table = pq.read_table(directory / "predictions.parquet")
    columns = ["index", "label", "probability", "correct", "tokens", "truncated"]
    assert table.column_names == columns
    return metrics, {name: table[name].to_numpy() for name in columns}


def without_times(metrics: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in metrics.items() if key not in TIMED}


def snapshot(path: Path) -> dict[Path, int]:
    return {file: file.stat().st_mtime_ns for file in path.rglob("*")}


@pytest.fixture(scope="module")
def run(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that gives either label."""
    return decided(trained, tmp_path_factory.mktemp("decided") / "run")


@pytest.fixture
def copy(trained: Path, tmp_path: Path) -> Path:
    """A run that a test may change."""
    return shutil.copytree(trained, tmp_path / "run")


@pytest.fixture(scope="module")
def labelled(run: Path) -> list[tuple[str, int]]:
    """Real reviews, one of them twice, and two of three positive."""
    texts = reviews(run, 45)
    return [(text, int(number % 3 > 0)) for number, text in enumerate([*texts, texts[0]])]


def test_the_runs_own_test_split_gives_the_runs_own_figures(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = snapshot(trained)
    metrics, found = evaluated(capsys, trained, output=tmp_path / "out")
    assert metrics.pop("input") is None
    assert len(metrics.pop("fingerprint")) == 16
    own = json.loads((trained / "metrics.json").read_text())["test"]
    assert without_times(metrics) == without_times(own)
    assert set(own) - set(without_times(own)) == TIMED
    predictions = pq.read_table(trained / "predictions.parquet")
    assert {name: values.tolist() for name, values in found.items()} == predictions.to_pydict()
    assert len(found["index"]) == own["samples"] == 50
    assert snapshot(trained) == before


def test_without_output_the_files_lie_in_the_run(
    copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluated(capsys, copy)
    file = write_rows(tmp_path / "mine.csv", ["text", "label"], [("good", 1), ("bad", 0)])
    evaluated(capsys, copy, input=file)
    names = {path.name for path in (copy / "evaluations").iterdir()}
    assert {name.split("-")[0] for name in names} == {"test", "mine"}
    assert "test" in names


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_every_kind_of_file_is_evaluated_in_its_order(
    run: Path,
    labelled: list[tuple[str, int]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    ending: str,
) -> None:
    from imdb_cls.model.open import open_labeller
    from imdb_cls.runs.run import Run

    file = write_rows(tmp_path / f"in.{ending}", ["review", "sentiment"], labelled)
    metrics, found = evaluated(
        capsys, run, input=file, text="review", label="sentiment", output=tmp_path / "out"
    )
    assert metrics["input"] == str(file)
    assert metrics["samples"] == len(labelled)
    # Duplicates too: what was asked for is what is counted.
    assert found["index"].tolist() == list(range(len(labelled)))
    assert found["label"].tolist() == [label for _, label in labelled]
    assert found["probability"][0] == pytest.approx(found["probability"][-1], abs=1e-6)
    model = open_labeller(Run.open(run), allow_fast=False)
    expected = model.probabilities([text for text, _ in labelled])
    assert found["probability"] == pytest.approx(expected, abs=1e-6)


def test_labels_may_be_words(
    run: Path,
    labelled: list[tuple[str, int]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    numbers = write_rows(tmp_path / "numbers.csv", ["text", "label"], labelled)
    words = tmp_path / "words.csv"
    with numbers.open(newline="") as source, words.open("w", newline="") as target:
        table = csv.writer(target)
        for text, label in csv.reader(source):
            table.writerow([text, {"0": "neg", "1": "Positive"}.get(label, label)])
    one, _ = evaluated(capsys, run, input=numbers, output=tmp_path / "one")
    two, _ = evaluated(capsys, run, input=words, output=tmp_path / "two")
    assert without_times(two) == {**without_times(one), "input": str(words)}


def test_metrics_and_predictions_agree_exactly(
    run: Path,
    labelled: list[tuple[str, int]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = write_rows(tmp_path / "in.csv", ["text", "label"], labelled)
    metrics, found = evaluated(capsys, run, input=file, output=tmp_path / "out")
    label, probability = found["label"], found["probability"]
    predicted = probability > 0.5
    assert found["correct"].tolist() == (predicted == (label == 1)).tolist()
    confusion = [[int(((label == i) & (predicted == j)).sum()) for j in (0, 1)] for i in (0, 1)]
    assert metrics["confusion_matrix"] == confusion
    (tn, fp), (fn, tp) = confusion
    # Or the test would not tell them apart.
    assert min(tn, fp, fn, tp) > 0
    assert len({tn, fp, fn, tp}) > 2

    n = len(label)
    exact = {
        "accuracy": (tp + tn) / n,
        "precision": tp / (tp + fp),
        "recall": tp / (tp + fn),
        "f1": 2 * tp / (2 * tp + fp + fn),
        "loss": -np.log(np.where(label == 1, probability, 1 - probability)).mean(),
    }
    for name, value in exact.items():
        assert metrics[name] == pytest.approx(value, abs=1e-12), name
    spread = math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    assert metrics["mcc"] == pytest.approx((tp * tn - fp * fn) / spread, abs=1e-6)
    assert metrics["auroc"] == pytest.approx(roc_auc_score(label, probability), abs=1e-6)
    confidence = np.maximum(probability, 1 - probability)
    bins = np.floor(confidence * 15)
    ece = sum(abs((found["correct"] - confidence)[bins == b].sum()) for b in set(bins)) / n
    assert metrics["ece"] == pytest.approx(ece, abs=1e-6)
    low, high = metrics["accuracy_ci95"]
    assert low < metrics["accuracy"] < high


def test_a_long_review_is_marked_as_truncated(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # 32 tokens with [CLS] and [SEP].
    rows = [("good " * 30, 1), ("good " * 31, 0)]
    file = write_rows(tmp_path / "in.csv", ["text", "label"], rows)
    _, found = evaluated(capsys, run, input=file, output=tmp_path / "out")
    assert found["tokens"].tolist() == [32, 33]
    assert found["truncated"].tolist() == [False, True]


@pytest.mark.parametrize(
    ("rows", "part"),
    [
        ([("good", 1), ("great", 1)], "all 2 reviews are POSITIVE: both labels are needed"),
        ([("bad", 0)], "all 1 reviews are NEGATIVE: both labels are needed"),
        ([], "no reviews in it"),
        ([("good", 1), ("bad", 2)], "line 3: label='2': allowed are 0"),
        ([("good", 1), ("", 0)], "line 3: text is empty"),
    ],
)
def test_reviews_that_cannot_be_evaluated_are_refused(
    run: Path, tmp_path: Path, rows: list[tuple[str, int]], part: str
) -> None:
    file = write_rows(tmp_path / "in.csv", ["text", "label"], rows)
    with pytest.raises(UserError) as error:
        evaluate(Arguments(run=str(run), input=str(file), output=str(tmp_path / "out")))
    assert part in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


@pytest.mark.parametrize("written", ["1,2.0", "[1,2]"])
def test_labels_of_ones_own_leave_other_reviews_out(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], written: str
) -> None:
    rows = [("good", 5), ("bad", 1), ("so so", 3), ("dull", 2)]
    file = write_rows(tmp_path / "stars.csv", ["text", "stars"], rows)
    layout = {"label": "stars", "negative": written, "positive": "5"}
    metrics, columns = evaluated(capsys, run=run, input=file, output=tmp_path / "out", **layout)
    assert (metrics["samples"], metrics["left_out"]) == (3, 1)
    assert columns["label"].tolist() == [1, 0, 0]
    assert columns["index"].tolist() == [0, 1, 3]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"negative": "1"}, "positive=[]: give both, negative and positive"),
        ({"negative": "1,2", "positive": "2"}, "'2' is both negative and positive"),
        ({"label": "text"}, "text and label are both 'text'"),
        ({"separator": "colon"}, "separator=colon: allowed are auto, comma"),
    ],
)
def test_a_layout_that_contradicts_itself_is_refused(
    run: Path, tmp_path: Path, given: dict[str, str], said: str
) -> None:
    file = write_rows(tmp_path / "in.csv", ["text", "label"], [("good", 1), ("bad", 0)])
    with pytest.raises(UserError) as error:
        evaluate(Arguments(run=str(run), input=str(file), **given))
    assert said in str(error.value)


def test_a_missing_file_or_column_is_refused(run: Path, tmp_path: Path) -> None:
    file = write_rows(tmp_path / "in.csv", ["text", "lable"], [("good", 1), ("bad", 0)])
    with pytest.raises(UserError, match=r"no column 'label' among text, lable.*'lable'.*label=…"):
        evaluate(Arguments(run=str(run), input=str(file)))
    with pytest.raises(UserError, match=r"in\.jsonl: no such file"):
        evaluate(Arguments(run=str(run), input=str(tmp_path / "in.jsonl")))
    assert not (run / "evaluations").exists()


def test_an_output_that_is_a_file_is_refused(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from imdb_cls.evaluate import main

    file = write_rows(tmp_path / "in.csv", ["text", "label"], [("good", 1), ("bad", 0)])
    words = ["evaluate", f"run={run}", f"input={file}", f"output={file}"]
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit) as end:
        main()
    lines = capsys.readouterr().err.splitlines()
    assert (end.value.code, len(lines)) == (2, 1)
    assert str(file) in lines[0]
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


@pytest.mark.parametrize("missing", ["model", "model/config.json", "running", "failed"])
def test_a_half_written_run_is_refused_with_what_finishes_it(copy: Path, missing: str) -> None:
    if missing == "model":
        shutil.rmtree(copy / missing)
    elif (copy / missing).is_file():
        (copy / missing).unlink()
    else:
        record = json.loads((copy / "run.json").read_text())
        (copy / "run.json").write_text(json.dumps({**record, "status": missing}))
    with pytest.raises(UserError) as error:
        evaluate(Arguments(run=str(copy)))
    assert "python -m imdb_cls.train resume=" in str(error.value)
    assert not (copy / "evaluations").exists()


def test_a_damaged_model_is_refused(copy: Path) -> None:
    weights = copy / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100_000])
    with pytest.raises(UserError, match=r"model.safetensors is damaged"):
        evaluate(Arguments(run=str(copy)))


def test_reviews_that_have_changed_are_not_the_test_split(copy: Path) -> None:
    record = json.loads((copy / "run.json").read_text())
    record["resolved"]["data_fingerprint"] = "0" * 16
    (copy / "run.json").write_text(json.dumps(record))
    with pytest.raises(UserError, match="no longer its test split"):
        evaluate(Arguments(run=str(copy)))
