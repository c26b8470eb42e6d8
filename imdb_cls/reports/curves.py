"""Curves of metrics as they are drawn."""

import math
from collections.abc import Sequence


def finite(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """Without NaN and infinity, which no axis has."""
    return [(step, value) for step, value in points if math.isfinite(value)]


def thinned(points: Sequence[tuple[int, float]], most: int) -> list[tuple[float, float]]:
    """At most `most` points: the means of neighbours."""
    many = math.ceil(len(points) / most)
    groups = [points[start : start + many] for start in range(0, len(points), many or 1)]
    return [(sum(x for x, _ in g) / len(g), math.fsum(y for _, y in g) / len(g)) for g in groups]


def smoothed(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """Exponential moving average over about a tenth of the points, without the pull towards 0 at
    its beginning (Kingma & Ba 2015, section 3)."""
    keep = 1 - 2 / (max(3.0, len(points) / 10) + 1)
    mean, weight, smooth = 0.0, 0.0, []
    for step, value in points:
        mean = keep * mean + (1 - keep) * value
        weight = keep * weight + (1 - keep)
        smooth.append((step, mean / weight))
    return smooth
