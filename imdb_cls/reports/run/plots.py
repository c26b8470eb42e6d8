"""The plots of a run's page. Their legends are the page's, beside them, where nothing overlaps."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

from imdb_cls.reports.curves import smoothed, thinned
from imdb_cls.reports.page import Picture
from imdb_cls.reports.run.reliability import Bin
from imdb_cls.reports.run.slices import Slice
from imdb_cls.reports.svg import FAINT, INK, Plot, series

Points = Sequence[tuple[int, float]]
# Inches: three of them side by side, one on a phone.
SMALL = (3.9, 2.7)
_MOST_POINTS = 300
_MOST_MARKED = 12


@dataclass(frozen=True)
class Dot:
    """A share with its interval."""

    name: str
    value: float
    interval: tuple[float, float] | None
    series: int = 0


@dataclass(frozen=True)
class Curve:
    """A metric by step, in one of the page's colours."""

    label: str
    points: Points
    series: int
    smooth: bool = False
    """Whether its raw values are drawn faintly behind their moving average."""


def dots(name: str, label: str, shown: list[Dot], caption: str) -> Picture:
    """A share a row, from above."""
    plot = Plot(name, SMALL[0], 0.75 + 0.34 * len(shown), label)
    with plot.drawn() as axes:
        for row, dot in enumerate(reversed(shown)):
            colour = series(dot.series)
            if dot.interval:
                axes.plot(dot.interval, [row, row], color=colour, linewidth=2)
            axes.plot([dot.value], [row], "o", color=colour, markersize=6)
        names = [dot.name for dot in reversed(shown)]
        axes.set_yticks(range(len(shown)), names, parse_math=False)
        axes.set_ylim(-0.6, len(shown) - 0.4)
        axes.grid(axis="y", visible=False)
        axes.grid(axis="x", visible=True)
        axes.tick_params(axis="y", length=0)
        _percent(axes.xaxis)
        axes.margins(x=0.12)
        axes.set_xlabel(label)
    return Picture(plot.svg, caption)


def curves(
    name: str, label: str, unit: str, shown: list[Curve], caption: str, mark: int | None = None
) -> Picture | None:
    """Curves over the optimizer's steps; None if there is nothing to draw.

    Args:
        label, unit: of the upright axis.
        mark: a step to draw a line at: the chosen checkpoint's.
    """
    shown = [curve for curve in shown if curve.points]
    if not shown:
        return None
    plot = Plot(f"curve-{name}", *SMALL, f"{label} by step")
    legend = []
    with plot.drawn() as axes:
        if mark is not None:
            axes.axvline(mark, color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
        for curve in shown:
            legend += _curve(axes, curve)
        axes.set_xlabel("step")
        axes.set_ylabel(f"{label} ({unit})" if unit else label)
        axes.set_xlim(left=0)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.yaxis.set_major_locator(_ticks())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, place: f"{value:.3g}"))
    if mark is not None:
        legend.append(("chosen checkpoint", "ink"))
    elif len(legend) == 1:
        legend = []  # the axis says it
    return Picture(plot.svg, caption, legend)


def overlaid(metric: str, unit: str, shown: list[Curve], caption: str) -> Picture | None:
    """A metric of several runs by step; that of train is smoothed. None if none has it."""
    shown = [curve for curve in shown if curve.points]
    if not shown:
        return None
    if metric.startswith("train/"):
        shown = [replace(curve, points=smoothed(curve.points)) for curve in shown]
    return curves(metric.replace("/", "-"), metric, unit, shown, caption)


def _curve(axes: Axes, curve: Curve) -> list[tuple[str, str]]:
    """Draws it; gives its part of the legend."""
    colour = series(curve.series)
    points = thinned(curve.points, _MOST_POINTS)
    xs, ys = [x for x, _ in points], [y for _, y in points]
    if not curve.smooth:
        marked = "o" if len(points) <= _MOST_MARKED else None
        axes.plot(xs, ys, color=colour, linewidth=1.4, marker=marked, markersize=4)
        return [(curve.label, _name(curve))]
    axes.plot(xs, ys, color=FAINT, linewidth=1)
    mean = thinned(smoothed(curve.points), _MOST_POINTS)
    axes.plot([x for x, _ in mean], [y for _, y in mean], color=colour, linewidth=1.6)
    return [(f"{curve.label}, raw", "faint"), (f"{curve.label}, moving average", _name(curve))]


def _name(curve: Curve) -> str:
    return f"series-{curve.series}"


def slices(name: str, label: str, shown: list[Slice], whole: float, caption: str) -> Picture:
    """Accuracy of parts of the reviews, beside the accuracy of all."""
    plot = Plot(name, *SMALL, f"accuracy by {label}")
    with plot.drawn() as axes:
        axes.axhline(whole, color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
        for place, part in enumerate(shown):
            axes.plot([place, place], part.interval, color=series(0), linewidth=2)
            axes.plot([place], [part.accuracy], "o", color=series(0), markersize=6)
        names = [f"{part.name}\nn={part.n:,}" for part in shown]
        axes.set_xticks(range(len(shown)), names, fontsize=7.5)
        axes.set_xlim(-0.6, len(shown) - 0.4)
        axes.set_xlabel(label)
        axes.set_ylabel("accuracy")
        _percent(axes.yaxis)
    return Picture(plot.svg, caption, [("part", "series-0"), ("all reviews", "ink")])


def reliability(
    name: str, shown: list[tuple[str, list[Bin]]], caption: str, whiskers: bool = True
) -> Picture:
    """Accuracy against confidence, a series a list of bins; `whiskers` are their intervals."""
    plot = Plot(name, *SMALL, "accuracy by confidence")
    ends = (p.interval[0] if whiskers else p.accuracy for _, found in shown for p in found)
    lowest = min(ends, default=0.5)
    bottom = max(0.0, min(0.5, math.floor(lowest * 10) / 10))
    with plot.drawn() as axes:
        axes.plot([0.5, 1], [0.5, 1], color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
        for number, (_, found) in enumerate(shown):
            # Side by side, or the intervals hide each other.
            aside = 0.003 * (2 * number - len(shown) + 1)
            xs = [part.confidence + aside for part in found]
            for x, part in zip(xs, found, strict=True) if whiskers else ():
                axes.plot([x, x], part.interval, color=series(number), linewidth=1)
            ys = [part.accuracy for part in found]
            axes.plot(xs, ys, color=series(number), linewidth=1.2, marker="o", markersize=4)
        axes.set_xlim(0.49, 1.01)
        axes.set_ylim(bottom, 1.02)
        axes.set_xlabel("confidence: probability of the predicted label")
        axes.set_ylabel("accuracy")
        _percent(axes.xaxis, 0.1)
        _percent(axes.yaxis, 0.1)
    legend = [(label, f"series-{number}") for number, (label, _) in enumerate(shown)]
    return Picture(plot.svg, caption, [*legend, ("as sure as right", "ink")])


def confidences(name: str, shown: list[tuple[str, list[Bin]]], caption: str) -> Picture:
    """What share of the reviews is in each bin of confidence."""
    plot = Plot(name, *SMALL, "reviews by confidence")
    with plot.drawn() as axes:
        for number, (_, found) in enumerate(shown):
            whole = sum(part.n for part in found)
            for part in found:
                width = (part.high - part.low) / len(shown) * 0.9
                left = part.low + (part.high - part.low) * (0.05 + number * 0.9 / len(shown))
                axes.bar(left, part.n / whole, width, align="edge", color=series(number))
        axes.set_xlim(0.49, 1.01)
        axes.set_xlabel("confidence: probability of the predicted label")
        axes.set_ylabel("share of the reviews")
        _percent(axes.xaxis, 0.1)
        _percent(axes.yaxis)
    return Picture(
        plot.svg, caption, [(label, f"series-{number}") for number, (label, _) in enumerate(shown)]
    )


def _percent(axis: Axis, every: float | None = None) -> None:
    """Ticks in per cent, `every` so much, as many decimals as it takes to tell them apart."""
    axis.set_major_locator(MultipleLocator(every) if every else _ticks())

    def written(value: float, place: int | None) -> str:
        ticks = axis.get_majorticklocs()
        step = 100 * abs(ticks[1] - ticks[0]) if len(ticks) > 1 else 1.0
        return f"{100 * value:.{0 if step > 0.99 else 1}f} %"

    axis.set_major_formatter(FuncFormatter(written))


def _ticks() -> MaxNLocator:
    return MaxNLocator(5, steps=[1, 2, 2.5, 5, 10])
