"""`python -m imdb_cls.predict`: every way in, every way out, and what it refuses."""

import contextlib
import csv
import io
import json
import os
import pty
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from imdb_cls import predict as command_module
from imdb_cls.errors import UserError
from imdb_cls.predict import Arguments, chunks, predict
from tests.support.files import write_rows
from tests.support.processes import Command
from tests.support.runs import decided, reviews


@pytest.fixture(scope="module")
def run(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return decided(trained, tmp_path_factory.mktemp("decided") / "run")


@pytest.fixture(scope="module")
def texts(run: Path) -> list[str]:
    return reviews(run, 40)


@pytest.fixture(scope="module")
def probabilities(run: Path, texts: list[str]) -> list[float]:
    """Of POSITIVE, from the network itself, one review at a time."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(run / "model")
    network = AutoModelForSequenceClassification.from_pretrained(run / "model").eval()
    with torch.inference_mode():
        logits = [network(**tokenizer(text, return_tensors="pt")).logits[0] for text in texts]
    return [float(row.double().softmax(-1)[1]) for row in logits]


def predicted(capsys: pytest.CaptureFixture[str], **given: Any) -> list[dict[str, Any]]:
    """What the command prints in a pipe."""
    predict(Arguments(**{name: str(v) if name != "texts" else v for name, v in given.items()}))
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def written(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        return list(pq.read_table(path).to_pylist())
    with path.open(newline="") as file:
        if path.suffix == ".jsonl":
            return [json.loads(line) for line in file]
        return [{**row, "score": float(row["score"])} for row in csv.DictReader(file)]


def test_a_score_is_the_probability_of_its_label(
    run: Path,
    texts: list[str],
    probabilities: list[float],
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = predicted(capsys, run=run, texts=texts)
    assert {row["label"] for row in found} == {"NEGATIVE", "POSITIVE"}
    assert len(found) == len(texts)
    for row, probability in zip(found, probabilities, strict=True):
        assert list(row) == ["label", "score"]
        assert row["label"] == ("POSITIVE" if probability > 0.5 else "NEGATIVE")
        assert row["score"] == pytest.approx(max(probability, 1 - probability), abs=1e-6)
    assert np.ptp([row["score"] for row in found]) > 0.1


def test_transformers_pipeline_says_the_same(
    run: Path, texts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    from transformers import pipeline

    classify = pipeline("text-classification", model=str(run / "model"), device="cpu")
    theirs = [classify(text)[0] for text in texts]
    ours = predicted(capsys, run=run, texts=texts)
    assert [row["label"] for row in ours] == [row["label"] for row in theirs]
    scores = [row["score"] for row in theirs]
    assert [row["score"] for row in ours] == pytest.approx(scores, abs=1e-5)


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_every_kind_of_file_goes_in_and_comes_out_in_order(
    run: Path,
    texts: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    ending: str,
) -> None:
    file = write_rows(tmp_path / f"in.{ending}", ["n", "review"], enumerate(texts))
    out = tmp_path / f"out.{ending}"
    assert predicted(capsys, run=run, input=file, text="review", output=out) == []
    expected = predicted(capsys, run=run, texts=texts)
    found = written(out)
    assert [list(row) for row in found] == [["label", "score"]] * len(texts)
    assert found == expected
    assert sorted(path.name for path in tmp_path.iterdir()) == [file.name, out.name]


def test_standard_input_is_a_review_a_line_and_a_pipe_gets_json(
    run: Path, texts: list[str], command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    done = command("predict", f"run={run}", stdin="\n".join(texts))
    assert (done.returncode, done.stderr) == (0, "")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert found == predicted(capsys, run=run, texts=texts)


def test_a_reader_that_has_enough_gets_no_traceback(
    run: Path, texts: list[str], python: list[str], tmp_path: Path
) -> None:
    # More than a pipe holds, so that the writer does meet its end.
    (tmp_path / "in.txt").write_text("\n".join(texts * 100))
    predicting = shlex.join([*python, "-m", "imdb_cls.predict", f"run={run}"])
    line = f"{predicting} < in.txt | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert set(json.loads(done.stdout)) == {"label", "score"}


@contextlib.contextmanager
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """A real terminal as standard input and output; gives what reads the screen."""
    ours, theirs = pty.openpty()
    os.set_blocking(ours, False)
    with os.fdopen(theirs, "r+b", buffering=0) as file, monkeypatch.context() as patch:
        screen = io.TextIOWrapper(file, encoding="utf-8", write_through=True)
        patch.setenv("COLUMNS", "100")
        patch.setenv("TERM", "xterm")
        patch.setattr(sys, "stdin", screen)
        patch.setattr(sys, "stdout", screen)
        yield lambda: os.read(ours, 100_000).decode()
    os.close(ours)


def test_a_terminal_gets_a_table(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(monkeypatch) as read_screen:
        predict(Arguments(run=str(run), texts=["i liked [b]the[/b] movie", "dull " * 50]))
        shown = read_screen()
    assert "review" in shown
    assert "i liked [b]the[/b] movie" in shown
    assert "dull dull" in shown
    assert "…" in shown
    assert shown.count("POSITIVE") + shown.count("NEGATIVE") == 2
    assert "{" not in shown


def test_a_terminal_without_reviews_is_not_waited_for(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        terminal(monkeypatch),
        pytest.raises(UserError, match="no reviews: give them as"),
    ):
        predict(Arguments(run=str(run)))


def test_a_review_of_5_mb_is_scored_by_both_its_ends(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ends = ("dull plot and bad acting " * 10, " i liked this great movie" * 10)
    long = ends[0] + "so it goes " * 480_000 + ends[1]
    assert len(long) > 5_000_000
    short = ends[0] + "but" + ends[1]
    file = write_rows(tmp_path / "in.csv", ["text"], [[long], [short], [ends[0]]])
    csv.field_size_limit(131_072)  # Python's own, whoever raised it before
    found = predicted(capsys, run=run, input=file)
    assert found[0]["label"] == found[1]["label"]
    assert found[0]["score"] == pytest.approx(found[1]["score"], abs=1e-6)
    assert found[0] != found[2]


def test_chunks_hold_so_many_reviews_and_are_given_before_the_input_ends() -> None:
    consumed = 0

    def endless() -> Iterator[str]:
        nonlocal consumed
        while True:
            consumed += 1
            yield "a review"

    parts = chunks(endless())
    assert len(next(parts)) == consumed == command_module.CHUNK_REVIEWS
    assert len(next(parts)) == consumed - command_module.CHUNK_REVIEWS


def test_chunks_hold_so_many_characters() -> None:
    consumed = 0

    def endless() -> Iterator[str]:
        nonlocal consumed
        while True:
            consumed += 1
            yield "x" * (command_module.CHUNK_CHARACTERS // 4)

    parts = chunks(endless())
    assert [len(next(parts)), len(next(parts))] == [4, 4]
    assert consumed == 8


def test_chunks_lose_and_reorder_nothing() -> None:
    texts = [str(number) for number in range(2 * command_module.CHUNK_REVIEWS + 3)]
    parts = list(chunks(iter(texts)))
    assert [text for part in parts for text in part] == texts
    assert len(parts) == 3
    assert list(chunks(texts[: command_module.CHUNK_REVIEWS])) == parts[:1]


@pytest.mark.parametrize("size", [1, 7])
def test_scores_do_not_depend_on_chunks_or_batches(
    run: Path,
    texts: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    size: int,
) -> None:
    whole = predicted(capsys, run=run, texts=texts)
    monkeypatch.setattr(command_module, "CHUNK_REVIEWS", size)
    chunked = predicted(capsys, run=run, texts=texts)
    monkeypatch.undo()
    predict(Arguments(run=str(run), texts=texts, batch_size=size))
    batched = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for other in (chunked, batched):
        assert [row["label"] for row in other] == [row["label"] for row in whole]
        scores = [row["score"] for row in whole]
        assert [row["score"] for row in other] == pytest.approx(scores, abs=1e-6)


JSONL = '{"text": "good"}\n'


@pytest.mark.parametrize(
    ("name", "content", "parts"),
    [
        ("in.jsonl", JSONL + '{"text": null}\n', ["in.jsonl, line 2: text is null"]),
        ("in.jsonl", JSONL + '{"text": " "}\n', ["in.jsonl, line 2: text is empty"]),
        ("in.jsonl", JSONL + '{"text": 7}\n', ["line 2: text is no text but 7"]),
        (
            "in.jsonl",
            JSONL + '{"txet": "bad"}\n',
            ["line 2: no column 'text' among txet", "'txet'"],
        ),
        ("in.jsonl", JSONL + "bad\n", ["line 2: not JSON"]),
        ("in.csv", "review,n\ngood,1\n", ["no column 'text' among review, n", "text=…"]),
        ("in.csv", "n,text\n1,good\n2\n", ["in.csv, line 3: 1 fields, not 2"]),
        ("in.csv", "text\n", ["no reviews in it"]),
        ("in.csv", b"text\ngood\n\xff\xfe\n", ["in.csv", "not UTF-8", "iconv"]),
        ("in.parquet", "text\ngood\n", ["in.parquet: not Parquet"]),
        (
            "in.txt",
            "good\n",
            ["in.txt: allowed are files that end in .csv, .tsv, .json, .jsonl, .parquet"],
        ),
        ("im.csv", "text\ngood\n", ["in.csv: no such file", "Did you mean 'im.csv'?"]),
    ],
)
def test_a_bad_file_is_refused_and_no_output_stays(
    run: Path, tmp_path: Path, name: str, content: str | bytes, parts: list[str]
) -> None:
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    asked = tmp_path / name.replace("im.", "in.")
    with pytest.raises(UserError) as error:
        predict(Arguments(run=str(run), input=str(asked), output=str(tmp_path / "out.jsonl")))
    assert all(part in str(error.value) for part in parts), error.value
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_bad_file_leaves_an_older_output_as_it_was(run: Path, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text(JSONL + "bad\n")
    (tmp_path / "out.jsonl").write_text("older\n")
    with pytest.raises(UserError):
        predict(
            Arguments(
                run=str(run), input=f"{tmp_path}/in.jsonl", output=str(tmp_path / "out.jsonl")
            )
        )
    assert (tmp_path / "out.jsonl").read_text() == "older\n"


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ({"texts": ["good"], "input": "in.csv"}, "both input=in.csv and texts are given: 'good'"),
        ({"texts": ["good", " "]}, "text 2: text is empty"),
        ({"texts": ["good"], "output": "out.txt"}, "output=out.txt: allowed are files that end in"),
        ({"texts": ["good"], "output": "no/out.csv"}, "output=no/out.csv: no such directory: no"),
        ({"texts": ["good"], "device": "tpu"}, "device=tpu: allowed are auto, cpu, gpu, mps"),
        ({"texts": ["good"], "precision": "fp7"}, "precision=fp7: allowed are"),
        ({"texts": ["good"], "run": "no-run"}, "no-run: no such directory"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    given: dict[str, Any],
    part: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as error:
        predict(Arguments(**{"run": str(run), **given}))
    assert part in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_argument_is_one_line_with_the_nearest_right_one(command: Command) -> None:
    done = command("predict", "run=x", "inptu=reviews.csv")
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: unknown argument 'inptu=reviews.csv': allowed are run=")
    assert "Did you mean 'input'?" in done.stderr
    assert "behind --" in done.stderr
