"""Figures of matplotlib as SVG that is part of a page: it takes the page's font and colours."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

# Stand for custom properties of the page's CSS, which differ between light and dark.
INK, FAINT = "#fd0000", "#fd0001"
LEVELS, SERIES = 21, 6
# What matplotlib says about itself, and a style that would be the whole page's.
_LEFT_OUT = r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->"
_NAMES = {INK: "ink", FAINT: "faint"}

_STYLE: Any = {
    "svg.fonttype": "none",
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.facecolor": "none",
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "grid.color": FAINT,
    "grid.linewidth": 0.5,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "figure.facecolor": "none",
}


def level(share: float) -> str:
    """The colour of a share from 0 to 1 of the way from the worst to the best."""
    return f"#fe{round(min(max(share, 0), 1) * (LEVELS - 1)):02x}00"


def series(number: int) -> str:
    """The colour of one of a few series."""
    return f"#fc{number % SERIES:02x}00"


class Plot:
    """A figure that becomes SVG: `with Plot("curves", 4, 3, "what it shows") as plot`."""

    def __init__(self, name: str, width: float, height: float, label: str) -> None:
        self.name, self.size, self.label = name, (width, height), label
        self.svg = Markup()

    @contextmanager
    def drawn(self) -> Iterator[Axes]:
        """The axes to draw on; `svg` is there afterwards."""
        # A salt and no date: the same figure is the same text.
        with mpl.rc_context(_STYLE | {"svg.hashsalt": self.name}):
            figure = Figure(figsize=self.size, layout="constrained")
            yield figure.subplots()
            buffer = io.StringIO()
            FigureCanvasSVG(figure).print_figure(buffer, format="svg", metadata={"Date": None})
        self.svg = Markup(_for_page(buffer.getvalue(), self))


def _for_page(text: str, plot: Plot) -> str:
    text = re.sub(_LEFT_OUT, "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r"<[^>]+>", lambda tag: _tag(tag[0], plot.name), text)
    # Larger than it was drawn, so that its text is as large as the page's.
    wide = f"max-width: {plot.size[0] * 1.25:g}in"
    head = f'<svg role="img" aria-label="{escape(plot.label)}" style="{wide}"'
    return re.sub(r"\n\s*", "\n", text).replace("<svg", head, 1)


def _tag(tag: str, name: str) -> str:
    """One tag of matplotlib's: rounded, with names of its own, and with the page's font."""
    tag = re.sub(r"\d+\.\d+", lambda number: f"{round(float(number[0]), 2):g}", tag)
    tag = tag.replace("xlink:href", "href")
    if tag.startswith("<svg"):
        return re.sub(r' (xmlns|xmlns:xlink|width|height|version)="[^"]*"', "", tag)
    if tag.startswith("<g"):
        tag = re.sub(r' id="[^"]*"', "", tag)
    tag = re.sub(r'(id="|href="#|url\(#)', rf"\1{name}-", tag)
    tag = re.sub(r" font-family: [^;\"]*;", "", tag)
    tag = re.sub(r"font: (?:\w+ )*?([\d.]+px) [^;\"]*", r"font-size: \1", tag)
    return re.sub(r"#f[cde][0-9a-f]{4}", lambda colour: f"var({_property(colour[0])})", tag)


def _property(colour: str) -> str:
    if colour in _NAMES:
        return f"--{_NAMES[colour]}"
    kind = "level" if colour.startswith("#fe") else "series"
    return f"--{kind}-{int(colour[3:5], 16)}"


def level_colours(dark: bool) -> list[str]:
    """viridis, without the end that the page's background would swallow."""
    low, high = (0.28, 1.0) if dark else (0.0, 0.86)
    colours = mpl.colormaps["viridis"]
    shares = [low + (high - low) * number / (LEVELS - 1) for number in range(LEVELS)]
    return [mpl.colors.to_hex(colours(share)) for share in shares]
