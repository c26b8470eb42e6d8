"""Curves of metrics: which of their points are drawn, and how."""

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from imdb_cls.runs.metrics import Curves

Points = Sequence[tuple[int, float]]
_MOST_MARKED = 12


def logged(curves: Curves, metric: str) -> list[tuple[int, float]]:
    """A metric by step, without NaN and infinity, which no axis has."""
    return [(step, value) for step, value in curves.get(metric, []) if math.isfinite(value)]


def thinned(points: Points, most: int) -> list[tuple[float, float]]:
    """At most `most` points, each the mean of neighbours."""
    many = math.ceil(len(points) / most)
    groups = [points[start : start + many] for start in range(0, len(points), many or 1)]
    return [(sum(x for x, _ in g) / len(g), math.fsum(y for _, y in g) / len(g)) for g in groups]


def smoothed(points: Points) -> list[tuple[int, float]]:
    """The exponential moving average over about a tenth of the points, corrected for its bias
    towards 0 at the beginning (Kingma & Ba 2015, section 3)."""
    keep = 1 - 2 / (max(3.0, len(points) / 10) + 1)
    mean, weight, smooth = 0.0, 0.0, []
    for step, value in points:
        mean = keep * mean + (1 - keep) * value
        weight = keep * weight + (1 - keep)
        smooth.append((step, mean / weight))
    return smooth


def draw(axes: Axes, points: Points, most: int, markersize: float = 0, **style: Any) -> None:
    """Draws a curve, thinned to `most` points. With a `markersize` they are marked if there are
    few of them."""
    shown = thinned(points, most)
    marker = "o" if markersize and len(shown) <= _MOST_MARKED else None
    xs, ys = [x for x, _ in shown], [y for _, y in shown]
    axes.plot(xs, ys, marker=marker, markersize=markersize, **style)


def name_steps(axes: Axes) -> None:
    """Gives the lower axis the optimizer's steps."""
    axes.set_xlabel("step")
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
