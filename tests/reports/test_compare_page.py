"""python -m imdb_cls.report: a run's page again, or several runs on one."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from imdb_cls import report
from imdb_cls.reports.compare.page import groups_of, read, write
from imdb_cls.reports.compare.significance import right_by
from imdb_cls.runs.run import Run
from tests.support.browser import look, needs_chromium
from tests.support.made_runs import made_run
from tests.support.once import once
from tests.support.pages import EVIL, Page
from tests.support.runs import resealed


@pytest.fixture(scope="module")
def runs(trained: Path, shared: Path) -> list[Path]:
    """Three runs: the second has another learning rate and is right on all reviews but five, the
    third was tested on other reviews."""
    path = once(shared, "compared", lambda path: _make(trained, path))
    return [path / name for name in ("a", "b", "c")]


def _make(trained: Path, path: Path) -> None:
    first = made_run(trained, path / "a")
    for name in ("b", "c"):
        shutil.copytree(first.path, path / name)
    second, third = Run(path / "b"), Run(path / "c")
    table = pq.read_table(second.predictions_file)
    probability = np.where(table["label"].to_numpy() == 1, 0.9, 0.1)
    probability[:5] = 1 - probability[:5]
    pq.write_table(_with(table, "probability", probability), second.predictions_file)
    second.config_file.write_text(
        second.config_file.read_text().replace("learning_rate: 0.001", "learning_rate: 0.004")
    )
    pq.write_table(_with(table, "index", table["index"].to_numpy() + 1), third.predictions_file)
    third.record(seed=2, status="failed", reason=f"RuntimeError('{EVIL}')", device=EVIL)
    for run in (second, third):
        resealed(run.path)


def _with(table: pa.Table, name: str, values: object) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, pa.array(values))


@pytest.fixture(scope="module")
def page(runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Page:
    output = write(runs, tmp_path_factory.mktemp("compare") / "compare.html")
    return Page(output.read_text(encoding="utf-8"))


def test_the_page_compares_in_the_order_of_the_questions(page: Page) -> None:
    assert page.headings == [
        *("How good are they?", "Are the differences real?", "How did training go?"),
        "Are they as sure as they are right?",
    ]
    for said in ("compared/a", "compared/b", "compared/c", "0.004", "learning_rate", "p, Holm"):
        assert said in page.words, said
    # Only what differs has a column.
    assert "weight_decay" not in page.words


def test_runs_on_the_same_reviews_are_tested_in_pairs_the_others_are_not(
    page: Page, runs: list[Path]
) -> None:
    groups = groups_of(read(runs)[0])
    assert [[name[-1] for name in group] for group in groups] == [["a", "b"], ["c"]]
    assert "Not all were tested on the same reviews" in page.words
    assert page.words.count(" − compared/") == 1
    wrong, some, right = right_by(groups[0])
    assert wrong + some + right == 50
    assert f"are right on {right} of 50 reviews" in page.words
    assert f"all are wrong on {wrong} " in page.words


def test_each_run_is_a_link_to_its_page_or_its_directory(runs: list[Path], tmp_path: Path) -> None:
    for name in ("one", "two words"):
        shutil.copytree(runs[0], tmp_path / name)
    (tmp_path / "one" / "report.html").touch()
    output = write([tmp_path / "one", tmp_path / "two words"], tmp_path / "compare.html")
    links = Page(output.read_text(encoding="utf-8")).links
    assert [link for link in links if not (link or "").startswith(("#", "data:"))] == [
        *("one/report.html", "two%20words")
    ]


def test_the_page_needs_nothing_else_and_shows_what_it_is_given(page: Page) -> None:
    assert "://" not in page.text
    assert EVIL in page.words
    assert EVIL not in page.text
    assert len(page.text.encode()) < 1_000_000
    assert len(page.ids) == len(set(page.ids))


@needs_chromium
def test_a_browser_draws_all_of_it(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "compare.html"
    file.write_text(page.text, encoding="utf-8")
    for seen in look(file, True, tmp_path):
        assert seen.overflow <= 0
        assert len(seen.pictures) == page.text.count("<svg") >= 4
        assert all(width > 200 and height > 60 for width, height in seen.pictures)


def test_runs_without_any_figures_are_compared_by_what_they_are(
    runs: list[Path], tmp_path: Path
) -> None:
    for name in ("x", "y"):
        shutil.copytree(runs[0], tmp_path / name)
        for file in ("metrics.json", "metrics.csv", "predictions.parquet"):
            (tmp_path / name / file).unlink()
    output = write([tmp_path / "x", tmp_path / "y"], tmp_path / "compare.html")
    page = Page(output.read_text(encoding="utf-8"))
    assert page.headings == ["How good are they?", "Are the differences real?"]
    assert "No two of the runs were tested on the same reviews" in page.words


def test_the_command_writes_the_page_of_a_run_and_says_where(
    runs: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(runs[0], tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    # Twice the same run is one run.
    monkeypatch.setattr(sys, "argv", ["report", "run", f"{tmp_path}/run"])
    report.main()
    assert capsys.readouterr().out == f"{tmp_path}/run/report.html\n"
    words = Page((tmp_path / "run" / "report.html").read_text(encoding="utf-8")).words
    assert f"{json.loads((runs[0] / 'metrics.json').read_text())['test']['accuracy']:.3f}" in words


def test_the_command_explains_itself_without_torch() -> None:
    script = "import runpy, sys, atexit; atexit.register(lambda: print('torch' in sys.modules));"
    script += "runpy.run_module('imdb_cls.report', run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", script, "--help"], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: python -m imdb_cls.report RUN [RUN …]")
    assert done.stdout.endswith("False\n")


def test_the_command_compares_several_runs(
    runs: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for words, name in (([], "compare.html"), (["output=mine.html"], "mine.html")):
        monkeypatch.setattr(sys, "argv", ["report", *map(str, runs), *words])
        report.main()
        assert capsys.readouterr().out == f"{name}\n"
        assert "<h1>3 runs</h1>" in (tmp_path / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "which run?"),
        (("nowhere",), "no such directory"),
        (("output=a.html",), "which run?"),
        (("outptu=a.html", "RUN"), "Did you mean 'output'?"),
        (("RUN", "RUN", "nowhere"), "no such directory"),
        (("RUN", "output=."), "is a directory"),
        (("RUN", "output=no/where.html"), "no such directory"),
    ],
)
def test_the_command_says_what_it_wants_in_a_line(
    runs: list[Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    given = [str(runs[0]) if word == "RUN" else word for word in words]
    monkeypatch.setattr(sys, "argv", ["report", *given])
    with pytest.raises(SystemExit) as end:
        report.main()
    out, error = capsys.readouterr()
    assert (end.value.code, out) == (2, "")
    assert error.startswith("error: ")
    assert said in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
