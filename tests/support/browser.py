"""Pages in a real browser: what they look like on a phone and on a desk, in light and in dark."""

import html
import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

needs_chromium = pytest.mark.skipif(
    not shutil.which("chromium"), reason="there is no Chromium here"
)
PHONE, DESK = 390, 1280

# A frame a width; what is in them is measured when both have loaded.
_FRAMES = """<!doctype html><pre id="seen"></pre>
<iframe src="{page}" style="width:390px;height:9000px;border:0"></iframe>
<iframe src="{page}" style="width:1280px;height:9000px;border:0"></iframe>
<script>
window.onload = () => {{
  const seen = [...document.querySelectorAll("iframe")].map(frame => {{
    const page = frame.contentDocument, all = name => [...page.querySelectorAll(name)];
    page.querySelectorAll("details").forEach(part => part.open = true);
    const size = (node, box = node.getBoundingClientRect()) => [box.width, box.height];
    return {{
      overflow: page.documentElement.scrollWidth - frame.clientWidth,
      pictures: all("svg").map(node => size(node)),
      letters: all("svg text").map(text => size(text)[1]),
      captions: all("figure").map(figure => figure.innerText.trim().length),
      colours: ["backgroundColor", "color"].map(
        name => frame.contentWindow.getComputedStyle(page.body)[name]),
      marks: all(".review span").slice(0, 50).map(
        word => frame.contentWindow.getComputedStyle(word).backgroundColor),
    }};
  }});
  document.getElementById("seen").textContent = JSON.stringify(seen);
}};
</script>"""


@dataclass(frozen=True)
class Seen:
    """A page at one width."""

    overflow: int
    """Pixels that it is wider than the window."""
    pictures: list[tuple[float, float]]
    letters: list[float]
    """Heights of the texts in the pictures, in pixels."""
    captions: list[int]
    """Characters beside each picture."""
    colours: tuple[str, str]
    """Of the page and of its text."""
    marks: list[str]


def dom(address: str, place: Path, *options: str) -> str:
    """What a page is when it has loaded and its scripts have waited for what they ask for; fails if
    the browser complains of anything. `place` is where the browser keeps its files."""
    done = subprocess.run(
        [
            *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"),
            *("--virtual-time-budget=20000", "--enable-logging=stderr", *options),
            *(f"--user-data-dir={place}/profile", address),
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "CONSOLE" not in done.stderr, done.stderr
    return done.stdout


def look(page: Path, dark: bool, place: Path) -> tuple[Seen, Seen]:
    """The page on a phone and on a desk; fails if the browser complains of anything."""
    frames = place / "frames.html"
    frames.write_text(_FRAMES.format(page=f"file://{page}"), encoding="utf-8")
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    content = dom(f"file://{frames}", place, "--allow-file-access-from-files", scheme)
    found = re.search(r'<pre id="seen">(.*?)</pre>', content, re.DOTALL)
    assert found, content[:500]
    phone, desk = (Seen(**seen) for seen in json.loads(html.unescape(found[1])))
    return phone, desk
