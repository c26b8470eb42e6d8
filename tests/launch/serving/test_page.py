"""The page at /: a person's way to ask the server."""

import html
import re
from pathlib import Path
from urllib.parse import quote

import pytest

from imdb_cls.inference.contract import Limits
from imdb_cls.inference.labeller import Labeller
from imdb_cls.runs.run import Run
from launch.serving import page
from tests.support.browser import dom, needs_chromium
from tests.support.pages import EVIL, Page
from tests.support.served import Served


def words_of(content: str) -> dict[str, float]:
    """The weight of each word on the page, by the word."""
    found = re.findall(r'<span class="[pn]\w+tive" title="(.[\d.]+)"[^>]*>([^<]*)<', content)
    return {html.unescape(word).strip(): float(weight.replace("−", "-")) for weight, word in found}


@needs_chromium
def test_a_browser_shows_the_label_and_the_words_that_drove_it(
    served: Served, run: Path, tmp_path: Path
) -> None:
    text = "i liked the movie & <b>hated</b> it"
    content = dom(f"http://127.0.0.1:{served.port}/#{quote(text)}", tmp_path)
    _, ((answer,)) = served.ask({"inputs": text})
    expected = f"{answer['label']}, {100 * answer['score']:.1f}&nbsp;%"
    assert f'aria-live="polite">{expected}<' in content
    labeller, words = Labeller.open(run / "model"), text.split()
    without = [" ".join(words[:n] + words[n + 1 :]) for n in range(len(words))]
    whole, *others = labeller.log_odds([text, *without])
    weights = {word: whole - other for word, other in zip(words, others, strict=True)}
    assert words_of(content) == {w: pytest.approx(x, abs=0.006) for w, x in weights.items()}


def test_it_says_what_is_served_and_how_good_it_is(served: Served, run: Path) -> None:
    status, content = served.get("/")
    test = Run(run).metrics()["test"]
    share = f"{100 * test['accuracy']:.1f}\N{NO-BREAK SPACE}% of {test['samples']:,} test reviews"
    assert status == 200
    assert Run(run).name in content
    assert share in content


def test_it_loads_nothing_and_escapes_what_it_shows() -> None:
    content = page.render(page.ServedModel(EVIL, EVIL, EVIL), Limits())
    seen = Page(content)
    assert EVIL not in content
    assert seen.scripts == 1
    assert set(seen.links) == {"data:,", "/docs"}
