"""Figures of matplotlib as SVG that is part of a page: it takes the page's font and colours."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import matplotlib as mpl
import numpy as np
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

# Colours to draw with. Each stands for a custom property of the page's CSS, whose value differs
# between light and dark.
INK, FAINT = "#fd0000", "#fd0001"
LEVELS, SERIES = 21, 6
# The width and height in inches of a plot that stands beside two others, or alone on a phone.
SMALL = (3.9, 2.7)
# What matplotlib says about itself, and a style that would apply to the whole page.
_LEFT_OUT = r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->"

_STYLE: Any = {
    "svg.fonttype": "none",
    # A name may have dollars.
    "text.parse_math": False,
    "font.size": 9,
    **dict.fromkeys(("xtick.labelsize", "ytick.labelsize"), 8),
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor"), INK),
    **dict.fromkeys(("xtick.color", "ytick.color"), INK),
    **dict.fromkeys(("axes.facecolor", "figure.facecolor"), "none"),
    **dict.fromkeys(("axes.linewidth", "xtick.major.width", "ytick.major.width"), 0.6),
    **dict.fromkeys(("axes.spines.top", "axes.spines.right", "axes.formatter.useoffset"), False),
    **{"axes.grid": True, "axes.grid.axis": "y", "axes.axisbelow": True},
    **{"grid.color": FAINT, "grid.linewidth": 0.5},
}


def level(share: float) -> str:
    """The colour of a share from 0 to 1 of the way from the worst to the best."""
    return f"#fe{round(min(max(share, 0), 1) * (LEVELS - 1)):02x}00"


def series(number: int) -> str:
    """The colour of one of a few series; beyond the last, colours are used again."""
    return f"#fc{number % SERIES:02x}00"


def variable(colour: str) -> str:
    """What the page's CSS has for a colour: var(--series-0)."""
    if colour in (INK, FAINT):
        return "var(--ink)" if colour == INK else "var(--faint)"
    kind = "level" if colour.startswith("#fe") else "series"
    return f"var(--{kind}-{int(colour[3:5], 16)})"


def level_colours(dark: bool) -> list[str]:
    """viridis, without the end that the page's background would swallow."""
    shares = np.linspace(0.28, 1.0, LEVELS) if dark else np.linspace(0.0, 0.86, LEVELS)
    return [mpl.colors.to_hex(colour) for colour in mpl.colormaps["viridis"](shares)]


@dataclass
class Plot:
    """A figure that becomes SVG."""

    name: str
    """What its ids begin with; no other figure of the page has it."""
    width: float
    height: float
    """In inches."""
    label: str
    """What a screen reader says of it."""
    caption: str = ""
    legend: list[tuple[str, str]] = field(default_factory=list)
    """Labels and their colours. They stand beside it, in the page."""
    svg: Markup = field(default_factory=Markup)

    @contextmanager
    def drawn(self) -> Iterator[Axes]:
        """Gives the axes to draw on; afterwards `svg` is set."""
        # With a fixed salt and without a date, the same figure is the same text.
        with mpl.rc_context(_STYLE | {"svg.hashsalt": self.name}):
            figure = Figure(figsize=(self.width, self.height), layout="constrained")
            yield figure.subplots()
            buffer = io.StringIO()
            FigureCanvasSVG(figure).print_figure(buffer, format="svg", metadata={"Date": None})
        text = buffer.getvalue()
        text = re.sub(_LEFT_OUT, "", text[text.index("<svg") :], flags=re.DOTALL)
        text = re.sub(r"<[^>]+>", self._adapted, text)
        # Shown larger than it was drawn, its text is as large as the page's.
        wide = f"max-width: {self.width * 1.25:g}in"
        head = f'<svg role="img" aria-label="{escape(self.label)}" style="{wide}"'
        self.svg = Markup(re.sub(r"\n\s*", "\n", text).replace("<svg", head, 1))

    def _adapted(self, match: re.Match[str]) -> str:
        """One of matplotlib's tags with rounded numbers, ids of its own, and the page's font and
        colours."""
        tag = re.sub(r"\d+\.\d+", lambda number: f"{round(float(number[0]), 2):g}", match[0])
        tag = tag.replace("xlink:href", "href")
        if tag.startswith("<svg"):
            return re.sub(r' (xmlns|xmlns:xlink|width|height|version)="[^"]*"', "", tag)
        if tag.startswith("<g"):
            tag = re.sub(r' id="[^"]*"', "", tag)
        tag = re.sub(r'(id="|href="#|url\(#)', rf"\1{self.name}-", tag)
        tag = re.sub(r" font-family: [^;\"]*;", "", tag)
        tag = re.sub(r"font: (?:\w+ )*?([\d.]+px) [^;\"]*", r"font-size: \1", tag)
        return re.sub(r"#f[cde][0-9a-f]{4}", lambda colour: variable(colour[0]), tag)
