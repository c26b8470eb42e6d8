"""The plots of a sweep's page."""

import math
from collections.abc import Iterable
from operator import itemgetter
from statistics import fmean

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from imdb_cls.reports.curves import draw, logged, name_steps
from imdb_cls.reports.scales import Scale, scale
from imdb_cls.reports.svg import FAINT, INK, LEVELS, SMALL, Plot, level, series
from imdb_cls.reports.sweep.leaderboard import Row
from imdb_cls.runs.overrides import comparable
from imdb_cls.runs.records import curves_of
from imdb_cls.runs.results import SweepResults, TrialResult
from imdb_cls.runs.run import Run

# Rows whose curves have a colour; the others are grey.
HIGHLIGHTED = 5
_MOST_POINTS = 120


def parameter(results: SweepResults, key: str) -> Markup:
    """The metric against one parameter: full points have completed, hollow ones have not."""
    reached = [(trial, best) for trial, best in _reached(results.trials) if key in trial.differs]
    if not _varies(key, reached):
        return Markup()
    axis = scale(key, [trial.differs[key] for trial, _ in reached])
    plot = Plot(f"by-{results.keys.index(key)}", *SMALL, f"{results.metric} by {key}")
    with plot.drawn() as axes:
        for number, (trial, best) in enumerate(reached):
            x = axis.place(trial.differs[key]) + _aside(number, axis)
            face = series(0) if trial.status == "completed" else "none"
            axes.plot([x], [best], "o", mfc=face, mec=series(0), markersize=4.5)
        _means(axes, axis, reached)
        labels = [label for _, label in axis.ticks]
        axes.set_xlim(0, 1)
        axes.set_xticks([place for place, _ in axis.ticks], labels, parse_math=False)
        if sum(map(len, labels)) + 2 * len(labels) > 44:
            for text in axes.get_xticklabels():
                text.set(rotation=25, ha="right", rotation_mode="anchor")
        axes.set_xlabel(_name(key, axis), parse_math=False)
        _metric_axis(axes, results.metric)
    return plot.svg


def _reached(trials: Iterable[TrialResult]) -> list[tuple[TrialResult, float]]:
    """The trials that have a value of the metric, and the best of each."""
    return [(t, t.best) for t in trials if t.best is not None and math.isfinite(t.best)]


def _varies(key: str, reached: list[tuple[TrialResult, float]]) -> bool:
    return len({comparable(trial.differs[key]) for trial, _ in reached}) > 1


def _aside(number: int, axis: Scale) -> float:
    """How far from its place a trial stands, so that those with the same word are beside each
    other. It is the same every time."""
    if axis.kind != "words":
        return 0.0
    return ((number * 0.618) % 1 - 0.5) * 0.35 / len(axis.values)


def _name(name: str, axis: Scale) -> str:
    return name + " (log)" * (axis.kind == "log")


def _means(axes: Axes, axis: Scale, reached: list[tuple[TrialResult, float]]) -> None:
    """Draws a line at the mean of those completed trials that share a value."""
    by_place: dict[float, list[float]] = {}
    for trial, best in reached:
        if trial.status == "completed":
            by_place.setdefault(axis.place(trial.differs[axis.key]), []).append(best)
    width = min(0.06, 0.3 / len(axis.values)) if axis.kind == "words" else 0.035
    for x, values in by_place.items():
        if len(values) > 1:
            axes.plot([x - width, x + width], [fmean(values)] * 2, color=INK, linewidth=1.6)


def parallel(results: SweepResults) -> Markup:
    """A line for each completed trial through its values of all parameters to its metric."""
    reached = _reached(results.completed)
    keys = [key for key in results.keys if all(key in trial.differs for trial, _ in reached)]
    keys = [key for key in keys if _varies(key, reached)]
    if len(keys) < 2:
        return Markup()
    scales = [scale(key, [trial.differs[key] for trial, _ in reached]) for key in keys]
    last = scale(results.metric, [value for _, value in reached])
    # The best are drawn last, on top of the others.
    reached.sort(key=itemgetter(1), reverse=results.lower_is_better)
    worst, best = reached[0][1], reached[-1][1]
    width = max(8.0, 1.5 * (len(scales) + 1))
    plot = Plot("parallel", width, 3.3, f"{results.metric} of all trials by all parameters")
    with plot.drawn() as axes:
        for number, (trial, value) in enumerate(reached):
            ys = [s.place(trial.differs[s.key]) + _aside(number, s) for s in scales]
            ys.append(last.place(value))
            share = 1.0 if worst == best else (value - worst) / (best - worst)
            axes.plot(range(len(ys)), ys, color=level(share), linewidth=1.3)
        for x, axis in enumerate([*scales, last]):
            _upright(axes, x, axis, results.names.get(axis.key, axis.key))
        _colour_bar(axes, len(scales) + 0.42, worst, best)
        axes.set(xlim=(-0.15, len(scales) + 0.82), ylim=(-0.02, 1.02))
        axes.set_axis_off()
    return plot.svg


def _upright(axes: Axes, x: int, axis: Scale, name: str) -> None:
    """Draws an upright axis with its name above and its ticks to the right."""
    axes.plot([x, x], [0, 1], color=INK, linewidth=0.8)
    axes.text(x, 1.05, _name(name, axis), ha="center", va="bottom", fontsize=8.5, parse_math=False)
    for y, label in axis.ticks:
        axes.plot([x, x + 0.03], [y, y], color=INK, linewidth=0.8)
        axes.text(x + 0.05, y, label, va="center", fontsize=8, parse_math=False)


def _colour_bar(axes: Axes, x: float, worst: float, best: float) -> None:
    for number in range(LEVELS):
        colour = level(number / (LEVELS - 1))
        bottom = number / LEVELS
        axes.bar(x, 1 / LEVELS, 0.08, bottom, align="edge", color=colour, antialiased=False)
    axes.text(x + 0.1, 1.0, f"best\n{best:.4f}", va="top", fontsize=8)
    axes.text(x + 0.1, 0.0, f"worst\n{worst:.4f}", va="bottom", fontsize=8)


def curves(rows: list[Row], metric: str) -> Markup:
    """A metric by step, of all trials: the best rows in colour and on top."""
    shown = []
    for place, row in reversed(list(enumerate(rows))):
        colour = series(place) if place < HIGHLIGHTED else FAINT
        for trial in row.trials:
            if trial.path and trial.status != "damaged":
                shown.append((colour, logged(curves_of(Run(trial.path)), metric)))
    if not any(points for _, points in shown):
        return Markup()
    plot = Plot(f"curve-{metric.replace('/', '-')}", *SMALL, f"{metric} by step")
    with plot.drawn() as axes:
        for colour, points in shown:
            draw(axes, points, _MOST_POINTS, color=colour, linewidth=1.2, markersize=2.5)
        name_steps(axes)
        _metric_axis(axes, metric)
    return plot.svg


def importances(shares: dict[str, float]) -> Markup:
    """A bar for each parameter, the most important above."""
    names = list(shares)[::-1]
    plot = Plot("importance", 4.8, 0.7 + 0.28 * len(names), "importance of the parameters")
    with plot.drawn() as axes:
        axes.barh(range(len(names)), [shares[name] for name in names], color=series(0), height=0.6)
        axes.set_yticks(range(len(names)), names, parse_math=False)
        axes.set(xlabel="share of the variance that it explains", xlim=(0, 1))
        axes.grid(visible=False)
    return plot.svg


def _metric_axis(axes: Axes, metric: str) -> None:
    axes.set_ylabel(metric)
    axes.yaxis.set_major_locator(MaxNLocator(5))
