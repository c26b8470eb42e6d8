"""The plots of a run's page and of a comparison. Their legends stand beside them, in the page."""

import math
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import MaxNLocator, MultipleLocator

from imdb_cls.reports.curves import Points, draw, name_steps
from imdb_cls.reports.run.parts import Bin, Part, ece
from imdb_cls.reports.svg import INK, SMALL, Plot, series
from imdb_cls.runs.predictions import Interval

_MOST_POINTS = 300
# What the ticks of an axis may be apart, times a power of ten.
_TICKS = [1, 2, 2.5, 5, 10]
_DASHED: dict[str, Any] = {"color": INK, "linewidth": 0.8, "linestyle": (0, (4, 3))}


@dataclass(frozen=True)
class Dot:
    """An accuracy with its interval."""

    name: str
    value: float
    interval: Interval | None
    colour: str


@dataclass(frozen=True)
class Curve:
    """A metric by step."""

    label: str
    points: Points
    colour: str
    width: float = 1.4
    marker: float = 4
    """The size of its points, which are marked if they are few; 0: they never are."""


def dots(shown: list[Dot], caption: str) -> Plot | None:
    """Accuracies below each other, the first on top; None if there are none."""
    if not shown:
        return None
    plot = Plot("accuracy", SMALL[0], 0.75 + 0.34 * len(shown), "accuracy", caption)
    with plot.drawn() as axes:
        for row, dot in enumerate(reversed(shown)):
            if dot.interval:
                axes.plot(dot.interval, [row, row], color=dot.colour, linewidth=2)
            axes.plot([dot.value], [row], "o", color=dot.colour, markersize=6)
        names = [dot.name for dot in reversed(shown)]
        axes.set_yticks(range(len(shown)), names, parse_math=False)
        axes.set(ylim=(-0.6, len(shown) - 0.4), xlabel="accuracy")
        axes.grid(axis="y", visible=False)
        axes.grid(axis="x", visible=True)
        axes.tick_params(axis="y", length=0)
        _percent(axes.xaxis)
        axes.margins(x=0.12)
    return plot


def curves(
    name: str, label: str, unit: str, shown: list[Curve], caption: str, mark: int | None = None
) -> Plot | None:
    """Curves over the optimizer's steps, with a line at the step `mark`, that of the chosen
    checkpoint. None if there is nothing to draw."""
    shown = [curve for curve in shown if curve.points]
    if not shown:
        return None
    plot = Plot(f"curve-{name}", *SMALL, f"{label} by step", caption)
    with plot.drawn() as axes:
        if mark is not None:
            axes.axvline(mark, **_DASHED)
        for curve in shown:
            style: Any = {"color": curve.colour, "linewidth": curve.width}
            draw(axes, curve.points, _MOST_POINTS, curve.marker, **style)
            plot.legend.append((curve.label, curve.colour))
        name_steps(axes)
        axes.set(ylabel=f"{label} ({unit})" if unit else label, xlim=(0, None))
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=_TICKS))
        axes.yaxis.set_major_formatter(lambda value, place: f"{value:.3g}")
    if mark is not None:
        plot.legend.append(("chosen checkpoint", INK))
    elif len(plot.legend) == 1:
        plot.legend.clear()  # the axis names the only curve
    return plot


def parts(name: str, label: str, shown: list[Part], caption: str) -> Plot | None:
    """The accuracy on parts of the reviews, beside that on all; None if there are no parts."""
    if not shown:
        return None
    legend = [("part", series(0)), ("all reviews", INK)]
    plot = Plot(name, *SMALL, f"accuracy by {label}", caption, legend)
    with plot.drawn() as axes:
        whole = sum(part.correct for part in shown) / sum(part.n for part in shown)
        axes.axhline(whole, **_DASHED)
        for place, part in enumerate(shown):
            axes.plot([place, place], part.interval, color=series(0), linewidth=2)
            axes.plot([place], [part.accuracy], "o", color=series(0), markersize=6)
        names = [f"{part.name}\nn={part.n:,}" for part in shown]
        axes.set_xticks(range(len(shown)), names, fontsize=7.5)
        axes.set(xlim=(-0.6, len(shown) - 0.4), xlabel=label, ylabel="accuracy")
        _percent(axes.yaxis)
    return plot


def reliability(shown: list[tuple[str, list[Bin]]], caption: str, whiskers: bool) -> Plot:
    """Accuracy against confidence, a series for each list of bins; `whiskers` are the intervals."""
    legend = [*_legend(shown), ("as sure as right", INK)]
    plot = Plot("reliability", *SMALL, "accuracy by confidence", caption, legend)
    ends = (p.interval[0] if whiskers else p.accuracy for _, found in shown for p in found)
    bottom = max(0.0, min(0.5, math.floor(min(ends, default=0.5) * 10) / 10))
    with plot.drawn() as axes:
        axes.plot([0.5, 1], [0.5, 1], **_DASHED)
        for number, (_, found) in enumerate(shown):
            # Side by side, or the intervals would hide each other.
            aside = 0.003 * (2 * number - len(shown) + 1)
            xs = [part.confidence + aside for part in found]
            for x, part in zip(xs, found, strict=True) if whiskers else ():
                axes.plot([x, x], part.interval, color=series(number), linewidth=1)
            ys = [part.accuracy for part in found]
            axes.plot(xs, ys, color=series(number), linewidth=1.2, marker="o", markersize=4)
        _confidence(axes)
        axes.set(ylim=(bottom, 1.02), ylabel="accuracy")
        _percent(axes.yaxis, 0.1)
    return plot


def confidences(shown: list[tuple[str, list[Bin]]], caption: str) -> Plot:
    """What share of the reviews is in each bin of confidence."""
    plot = Plot("confidence", *SMALL, "reviews by confidence", caption, _legend(shown))
    with plot.drawn() as axes:
        for number, (_, found) in enumerate(shown):
            whole = sum(part.n for part in found)
            for part in found:
                width = (part.high - part.low) / len(shown) * 0.9
                left = part.low + (part.high - part.low) * (0.05 + number * 0.9 / len(shown))
                axes.bar(left, part.n / whole, width, align="edge", color=series(number))
        _confidence(axes)
        axes.set_ylabel("share of the reviews")
        _percent(axes.yaxis)
    return plot


def _legend(shown: list[tuple[str, list[Bin]]]) -> list[tuple[str, str]]:
    return [
        (f"{label}, ECE {ece(found):.3f}", series(number))
        for number, (label, found) in enumerate(shown)
    ]


def _confidence(axes: Axes) -> None:
    axes.set(xlim=(0.49, 1.01), xlabel="confidence: probability of the predicted label")
    _percent(axes.xaxis, 0.1)


def _percent(axis: Axis, every: float | None = None) -> None:
    """Sets ticks in per cent, one `every` so much, with as many decimals as tell them apart."""
    axis.set_major_locator(MultipleLocator(every) if every else MaxNLocator(5, steps=_TICKS))

    def written(value: float, place: float) -> str:
        ticks = axis.get_majorticklocs()
        step = 100 * abs(ticks[1] - ticks[0]) if len(ticks) > 1 else 1.0
        return f"{100 * value:.{0 if step > 0.99 else 1}f} %"

    axis.set_major_formatter(written)
