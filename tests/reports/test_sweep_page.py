"""sweep.html: everything on one page that needs nothing else, whatever the sweep holds."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from imdb_cls.reports.scales import scale
from imdb_cls.reports.sweep.importance import importances
from imdb_cls.reports.sweep.leaderboard import Leaderboard
from imdb_cls.reports.sweep.page import write_page
from imdb_cls.runs.results import read
from tests.support.made_sweeps import Made
from tests.support.pages import EVIL, Page

LR = "model.learning_rate"


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path / "sweep")


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Two learning rates, two dropouts, three seeds; one trial failed, one was pruned."""
    made = Made(tmp_path_factory.mktemp("page") / "sweep")
    for number in range(12):
        rate, dropout, seed = (1e-5, 1e-3)[number // 6], (0.0, 0.1)[number // 3 % 2], number % 3 + 1
        accuracy = 0.8 + 0.03 * (number // 6) + 0.01 * (number // 3 % 2) + 0.001 * (7 * seed % 4)
        told = (f"{LR}={rate}", f"model.dropout={dropout}", f"seed={seed}")
        if number == 4:
            reason = f"RuntimeError('{EVIL}')"
            made.trial(*told, status="failed", curve=[], reason=reason)
        elif number == 7:
            reason = "pruned: val/loss 0.4321 after 1 validations"
            made.trial(*told, status="stopped", curve=[0.7], pruned=True, reason=reason)
        else:
            made.trial(*told, accuracy=accuracy)
    return made


def page_of(made: Made) -> Page:
    write_page(Leaderboard(read(made.path)), made.path / "sweep.html")
    return Page((made.path / "sweep.html").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def page(grid: Made) -> Page:
    return page_of(grid)


def test_the_page_has_everything_in_its_order(page: Page) -> None:
    assert page.headings == [
        *("Leaderboard", "The best two", "val/accuracy by parameter", "All parameters at once"),
        *("Curves", "Importance of the parameters", "What did not complete", "All trials"),
    ]
    assert "Test figures chose nothing" in page.words
    assert "10 completed, 1 pruned, 1 failed" in page.words
    assert "12 min 5 s" in page.words
    assert "Paired t-test on val/accuracy" in page.words
    assert "trial 7 pruned: val/loss 0.4321 after 1 validations" in page.words
    assert page.text.count("<svg") == 3 + 1 + 3 + 1
    assert "model.learning_rate (log)" in page.words
    assert "model.dropout (log)" not in page.words


def test_the_page_needs_nothing_else(page: Page) -> None:
    assert "://" not in page.text
    assert "@import" not in page.text
    outside = [link for link in page.links if not re.fullmatch(r"#[\w-]+|\d+/|data:,", link or "")]
    assert outside == []
    assert {f"{number}/" for number in range(12)} <= set(page.links)


def test_a_trial_leads_to_its_own_page_where_it_has_one(made: Made) -> None:
    made.trial("seed=1", accuracy=0.8)
    made.trial("seed=2", accuracy=0.9)
    (made.path / "1" / "report.html").touch()
    assert {"0/", "1/report.html"} <= set(page_of(made).links)


def test_every_name_on_the_page_is_there_once(page: Page) -> None:
    assert len(page.ids) == len(set(page.ids))
    used = {*re.findall(r'href="#([^"]+)"', page.text), *re.findall(r"url\(#(.+?)\)", page.text)}
    assert used <= set(page.ids)


def test_every_colour_follows_the_mode(page: Page) -> None:
    style, _, body = page.text.partition("</style>")
    assert re.findall(r"#[0-9a-f]{6}\b", body) == []
    light, dark = style.split("@media (prefers-color-scheme: dark)")
    for name in set(re.findall(r"var\((--[\w-]+)\)", page.text)):
        assert f"{name}: " in light
        assert f"{name}: " in dark


def test_the_same_sweep_is_the_same_page(page: Page, grid: Made) -> None:
    assert page_of(grid).text == page.text


def test_what_was_typed_is_shown_not_run(made: Made) -> None:
    for number in range(4):
        name = f"{EVIL}$x^2${number % 2}"
        made.trial(f"data.text='{name}'", f"seed={number}", accuracy=0.8 + number / 100)
    made.record(command=f"python -m imdb_cls.train -m data.text={EVIL}")
    page = page_of(made)
    assert page.scripts == 1
    assert EVIL not in page.text
    assert EVIL in page.words


def test_a_sweep_without_a_completed_trial_has_a_page(made: Made) -> None:
    made.trial("seed=1", status="failed", curve=[], resolved=None, reason="UserError('no')")
    made.planned.append(["seed=2"])
    made.record(status="running")
    page = page_of(made)
    assert "No trial has completed yet." in page.words
    assert "no two rows with completed trials" in page.words
    assert "It takes at least 4 completed trials, and there are 0." in page.words


def test_a_parameter_of_which_one_value_came_through_has_no_plot(made: Made) -> None:
    for seed in (1, 2):
        made.trial(f"{LR}=1e-4", f"seed={seed}", accuracy=0.8 + seed / 100)
        made.trial(f"{LR}=1e30", f"seed={seed}", status="failed", curve=[])
    page = page_of(made)
    assert 'aria-label="val/accuracy by seed"' in page.text
    assert f'aria-label="val/accuracy by {LR}"' not in page.text
    assert "All parameters at once" not in page.headings


def test_what_a_rehearsal_did_not_cost_is_said(made: Made) -> None:
    made.trial("seed=1", job={"cost_usd": 1.25})
    made.trial("seed=2", job={"cost_usd": 7.0}, rehearsal=True)
    page = page_of(made)
    assert "$1.25" in page.words
    assert "$8.25" not in page.words
    assert "rehearsed" in page.words


def test_what_spot_has_saved_is_said(made: Made) -> None:
    for seed, saved in ((1, 0.5), (2, 0.25)):
        made.trial(f"seed={seed}", job={"cost_usd": 1.0, "saved_usd": saved})
    page = page_of(made)
    assert "saved by spot" in page.words
    assert "$0.75" in page.words


def test_thirty_trials_are_a_small_page(made: Made) -> None:
    for number in range(30):
        run = made.trial(f"{LR}={1e-5 * 1.2**number}", f"model.dropout={number / 100}")
        with (run / "metrics.csv").open("a") as file:
            file.writelines(f"{step},9,train/loss,{1 / step},1.0\n" for step in range(200, 2000))
    page = page_of(made)
    assert len(page.text) < 1_000_000
    assert "the others" in page.words


def test_what_matters_is_the_most_important(grid: Made) -> None:
    shares = importances(read(grid.path))
    assert isinstance(shares, dict)
    assert next(iter(shares)) == LR
    assert set(shares) == {LR, "model.dropout", "seed"}
    assert sum(shares.values()) == pytest.approx(1)


def test_why_there_is_no_importance_is_said(made: Made) -> None:
    for seed in range(3):
        made.trial(f"seed={seed}", accuracy=0.8)
    few = "It takes at least 4 completed trials, and there are 3."
    assert importances(read(made.path)) == few
    made.trial("seed=3", accuracy=0.8)
    same = "val/accuracy is the same in all completed trials."
    assert importances(read(made.path)) == same


def test_values_over_a_decade_have_a_logarithmic_axis() -> None:
    axis = scale(LR, [1e-5, 1e-4, 1e-3])
    assert axis.kind == "log"
    assert axis.place(1e-4) == pytest.approx((axis.place(1e-5) + axis.place(1e-3)) / 2)
    assert [label for _, label in axis.ticks] == ["1e-05", "0.0001", "0.001"]
    assert scale(LR, [1e-4, 4e-4]).kind == scale("model.dropout", [0.0, 0.5]).kind == "linear"
    assert scale("seed", [1, 2, 30]).kind == scale("model", ["a", "b"]).kind == "words"


@pytest.mark.skipif(not shutil.which("chromium"), reason="there is no Chromium here")
def test_a_browser_opens_the_page_without_a_complaint(
    page: Page, grid: Made, tmp_path: Path
) -> None:
    done = subprocess.run(
        [
            *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"),
            *("--enable-logging=stderr", f"--user-data-dir={tmp_path}"),
            f"file://{grid.path}/sweep.html",
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "</html>" in done.stdout
    assert done.stdout.count("<svg") == page.text.count("<svg")
    assert "CONSOLE" not in done.stderr
