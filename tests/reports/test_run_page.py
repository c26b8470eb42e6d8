"""report.html: what a run came to, on a page that needs nothing else, whatever there is of it."""

import csv
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from imdb_cls.data import sources
from imdb_cls.data.reviews import Layout
from imdb_cls.data.splits import whole
from imdb_cls.evaluate import Arguments, evaluate
from imdb_cls.reports.run.page import write, write_evaluation
from imdb_cls.reports.run.provenance import cost, fast
from imdb_cls.reports.run.results import read, with_reviews
from imdb_cls.runs.run import Run
from tests.support.browser import look, needs_chromium
from tests.support.called import call
from tests.support.damage import DAMAGES
from tests.support.pages import EVIL, Page
from tests.support.runs import older, resealed

MOST_BYTES = 3_000_000


@pytest.fixture(scope="module")
def page(reported: Run) -> Page:
    return Page((reported.path / "report.html").read_text(encoding="utf-8"))


@pytest.fixture
def copy(reported: Run, tmp_path: Path) -> Run:
    shutil.copytree(reported.path, tmp_path / "run")
    return Run(tmp_path / "run")


def made_again(run: Run) -> Page:
    return Page(write(run).read_text(encoding="utf-8"))


def test_the_page_answers_in_the_order_of_the_questions(page: Page) -> None:
    assert page.headings == [
        *("How good is it?", "Is the difference real?", "How did training go?"),
        *("Where does it fail?", "What exactly ran?"),
    ]
    for said in (
        *("TF-IDF baseline", "the original", "McNemar's exact test", "chosen checkpoint"),
        *("By label", "By length", "By confidence", "divided by T", "The most confident mistakes"),
        *("the words that drove it", "Labels that may be wrong", "candidates, not verdicts"),
        *("data fingerprint", "SHA-256 of the weights", "99.8\N{NO-BREAK SPACE}% of its labels"),
        *("python -m imdb_cls.predict", "python -m launch.endpoint deploy"),
    ):
        assert said in page.words, said


def test_the_page_shows_the_figures_of_the_run(page: Page, reported: Run) -> None:
    test = reported.metrics()["test"]
    for name in ("accuracy", "precision", "f1", "loss", "ece"):
        assert f"{test[name]:.3f}" in page.words
    assert reported.info().resolved.data_fingerprint in page.words
    assert reported.info().resolved.weights_sha256 in page.words
    assert "data.train_size" in page.words


def test_the_words_that_drove_a_mistake_are_coloured_and_named(page: Page) -> None:
    assert len(re.findall(r'<details class="example"', page.text)) > 1
    assert re.search(r'<span class="drivers"><span class="(positive|negative)"', page.text)
    assert re.search(r'<p class="review">.*?<span class="positive" style', page.text, re.DOTALL)
    assert re.search(r'<p class="review">.*?<span class="negative" style', page.text, re.DOTALL)
    assert re.search(r"\[… [\d,]+ tokens left out …\]", page.words)
    # Reviews are full of them; here they are breaks.
    assert "&lt;br" not in page.text


def test_the_page_needs_nothing_else_and_is_small(page: Page) -> None:
    assert "://" not in page.text
    assert "@import" not in page.text
    assert all(re.fullmatch(r"#[\w-]+|data:,", link or "") for link in page.links)
    assert len(page.text.encode()) < MOST_BYTES


def test_every_name_and_colour_of_the_page_is_defined_in_both_modes(page: Page) -> None:
    assert len(page.ids) == len(set(page.ids))
    used = {*re.findall(r'href="#([^"]+)"', page.text), *re.findall(r"url\(#(.+?)\)", page.text)}
    assert used <= set(page.ids)
    style, _, body = page.text.partition("</style>")
    assert re.findall(r"#[0-9a-f]{6}\b", body) == []
    light, dark = style.split("@media (prefers-color-scheme: dark)")
    for name in set(re.findall(r"var\(--((?:series|level)-\d+|ink|faint)\)", page.text)):
        assert f"--{name}: " in light
        assert f"--{name}: " in dark


@needs_chromium
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_browser_draws_all_of_it_on_a_phone_and_on_a_desk(
    reported: Run, page: Page, tmp_path: Path, dark: bool
) -> None:
    phone, desk = look(reported.path / "report.html", dark, tmp_path)
    for seen in (phone, desk):
        assert seen.overflow <= 0
        assert len(seen.pictures) == page.text.count("<svg") >= 6
        assert all(width > 200 and height > 60 for width, height in seen.pictures)
        assert min(seen.captions) > 20
        assert len(set(seen.marks)) > 1
    # What a phone shows in pixels is small, but to be read.
    assert min(phone.letters) > 9
    paper, ink = (sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in phone.colours)
    assert (paper < ink) == dark


def test_a_run_that_failed_has_a_page_of_what_there_is(copy: Run) -> None:
    for file in (copy.metrics_file, copy.predictions_file):
        file.unlink()
    shutil.rmtree(copy.model_dir)
    copy.record(status="failed", reason=f"RuntimeError('{EVIL}')")
    page = made_again(copy)
    assert page.headings == ["How did training go?", "What exactly ran?"]
    assert "Not tested yet; the run's status is failed." in page.words
    assert f"python -m imdb_cls.train resume={copy.path}" in page.words
    assert EVIL in page.words
    assert EVIL not in page.text


def test_a_run_that_has_only_begun_has_a_page(copy: Run) -> None:
    for file in (copy.metrics_file, copy.predictions_file, copy.table_file):
        file.unlink()
    copy.record(status="stopped", resolved=None, parts=None, seconds=None, device=None)
    assert made_again(copy).headings == ["What exactly ran?"]


def test_without_its_reviews_the_page_says_why(copy: Run) -> None:
    resolved = replace(copy.info().resolved, data_fingerprint="0" * 16)
    copy.record(resolved=resolved)
    page = made_again(copy)
    assert page.words.count("the reviews have changed since the run") >= 2
    assert "The most confident mistakes" not in page.words
    assert "TF-IDF baseline" not in page.words
    assert "Where does it fail?" in page.headings


def test_a_run_older_than_calibration_says_what_it_lacks(
    copy: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    page = made_again(Run(older(copy.path)))
    assert "The run has no temperature" in page.words
    assert "No fast model for CPUs was exported" in page.words
    assert "divided by T" not in page.words
    assert "is older than inference.json" in capsys.readouterr().err


def test_what_the_fast_model_loses_is_said(reported: Run) -> None:
    known = reported.metrics()["fast"]
    said = "99.8 % of its labels on 500 val reviews are those of the trained network; 86.1 % are"
    assert said in fast(known)
    assert "0.004 on average, 0.093 at most" in fast(known)
    none = {"kind": None, "tried": {"int8": 0.97, "fp32": 0.981}}
    assert "the best that was tried gives 98.1 % of val's labels" in fast(none)


@pytest.mark.parametrize(
    ("name", "kept", "lost"),
    [
        ("model/model.safetensors", "The most confident mistakes", "sum is off the"),
        ("model/inference.json", "TF-IDF baseline", "The most confident mistakes"),
        ("model/tokenizer.json", "TF-IDF baseline", "The most confident mistakes"),
        ("metrics.json", "The most confident mistakes", "get the right label"),
        ("metrics.csv", "The most confident mistakes", "How did training go?"),
        ("predictions.parquet", "How good is it?", "Where does it fail?"),
        ("predictions_val.parquet", "The most confident mistakes", "50 test and 40 val reviews"),
    ],
)
@pytest.mark.parametrize("damage", ["flipped", "missing"])
def test_what_is_damaged_is_left_out_and_named(
    copy: Run, name: str, kept: str, lost: str, damage: str
) -> None:
    DAMAGES[damage](copy.path / name)
    said = call("imdb_cls.report", copy.path)
    assert (said.code, said.out) == (1, f"{copy.report_file}\n")
    assert said.err.splitlines()[0] == "left out, and said on the page:"
    assert f"{copy.path / name}" in said.err.splitlines()[1]
    page = Page(copy.report_file.read_text(encoding="utf-8"))
    assert f"Damaged, and left out: {copy.path / name}" in page.words
    assert kept in page.words
    assert lost not in page.words
    assert "Not tested yet" not in page.words


def test_a_rehearsal_is_not_said_to_have_cost_anything(copy: Run) -> None:
    job = {"cost_usd": 1.25, "price_per_hour": 3.825, "seconds_billed": 90}
    copy.record(job_name="imdb-cls-1", job=job, rehearsal=True)
    page = made_again(copy)
    assert "nothing: a rehearsal, not paid" in page.words
    assert "$1.25" not in page.words
    assert "1 min 30 s" in page.words
    assert cost(replace(copy.info(), rehearsal=False)) == "$1.25"


def test_reviews_handed_in_are_not_read_again(copy: Run) -> None:
    splits = with_reviews(read(copy), None).splits
    assert splits is not None
    config = yaml.safe_load(copy.config_file.read_text())
    config["data"]["sha256"] = "0" * 64
    copy.config_file.write_text(yaml.safe_dump(config))
    resealed(copy.path)
    assert "TF-IDF baseline" not in made_again(copy).words
    page = Page(write(copy, splits).read_text(encoding="utf-8"))
    assert "TF-IDF baseline" in page.words


def test_an_evaluation_has_a_page_of_its_own(
    reported: Run, page: Page, tmp_path: Path, cache: Path
) -> None:
    texts = [f"{EVIL} a fine film number {number}" for number in range(12)]
    file = tmp_path / "mine.csv"
    with file.open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream)
        rows.writerow(("text", "label"))
        rows.writerows((text, number % 2) for number, text in enumerate(texts))
    evaluate(Arguments(run=str(reported.path), input=str(file), output=str(tmp_path / "out")))
    split = whole(sources.load_files(str(file), Layout(), cache))
    own = Page(write_evaluation(tmp_path / "out", reported, split).read_text(encoding="utf-8"))
    assert "How did training go?" not in own.headings
    assert str(file) in own.words
    assert "of 12 reviews get the right label" in own.words
    assert "TF-IDF baseline" in own.words
    assert EVIL in own.words
    assert EVIL not in own.text
    assert own.scripts == 0
    # That of the run stays as it was.
    assert (reported.path / "report.html").read_text(encoding="utf-8") == page.text
