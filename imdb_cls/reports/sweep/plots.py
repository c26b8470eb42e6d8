"""The plots of a sweep's page."""

import math

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from imdb_cls.reports.curves import finite, thinned
from imdb_cls.reports.scales import Scale, scale
from imdb_cls.reports.svg import FAINT, INK, LEVELS, Plot, level, series
from imdb_cls.reports.sweep.leaderboard import Row
from imdb_cls.runs.overrides import Value, comparable
from imdb_cls.runs.records import curves_of
from imdb_cls.runs.results import SweepResults, Trial

# Rows whose curves have a colour; the others are grey.
HIGHLIGHTED = 5
# Points of a curve; more are averaged.
_POINTS = 120
# Inches: three of them side by side, one on a phone.
_SMALL = (3.9, 2.7)


def parameter(results: SweepResults, key: str) -> Markup:
    """The metric against one parameter: full points have completed, hollow ones have not."""
    trials = [t for t in results.trials if key in t.differs and _known(t.best)]
    if not _varies(key, trials):
        return Markup()
    axis = scale(key, [trial.differs[key] for trial in trials])
    plot = Plot(f"by-{results.keys.index(key)}", *_SMALL, f"{results.metric} by {key}")
    with plot.drawn() as axes:
        places = [axis.place(t.differs[key]) + _aside(i, axis) for i, t in enumerate(trials)]
        for x, trial in zip(places, trials, strict=True):
            face = series(0) if trial.status == "completed" else "none"
            axes.plot([x], [trial.best or 0.0], "o", mfc=face, mec=series(0), markersize=4.5)
        _means(axes, axis, trials, key)
        _ticks(axes, axis)
        axes.set_xlabel(key + " (log)" * (axis.kind == "log"), parse_math=False)
        _metric_axis(axes, results.metric)
    return plot.svg


def _varies(key: str, trials: list[Trial]) -> bool:
    return len({comparable(trial.differs[key]) for trial in trials}) > 1


def _aside(number: int, axis: Scale) -> float:
    """Trials of one word stand beside each other, in the same place every time."""
    if axis.kind != "words":
        return 0.0
    return ((number * 0.618) % 1 - 0.5) * 0.35 / len(axis.words)


def _means(axes: Axes, axis: Scale, trials: list[Trial], key: str) -> None:
    """A line at the mean of those completed trials that share a value."""
    by_value: dict[tuple[str, Value], list[Trial]] = {}
    for trial in trials:
        if trial.status == "completed":
            by_value.setdefault(comparable(trial.differs[key]), []).append(trial)
    width = min(0.06, 0.3 / len(axis.words)) if axis.words else 0.035
    for group in by_value.values():
        if len(group) > 1:
            x = axis.place(group[0].differs[key])
            mean = math.fsum(trial.best or 0.0 for trial in group) / len(group)
            axes.plot([x - width, x + width], [mean, mean], color=INK, linewidth=1.6)


def _ticks(axes: Axes, axis: Scale) -> None:
    labels = [label for _, label in axis.ticks]
    axes.set_xlim(0, 1)
    axes.set_xticks([place for place, _ in axis.ticks], labels, parse_math=False)
    if sum(map(len, labels)) + 2 * len(labels) > 44:
        for text in axes.get_xticklabels():
            text.set(rotation=25, ha="right", rotation_mode="anchor")


def _metric_axis(axes: Axes, metric: str) -> None:
    axes.set_ylabel(metric)
    axes.yaxis.set_major_locator(MaxNLocator(5))


def parallel(results: SweepResults) -> Markup:
    """A line a completed trial through its values of all parameters to its metric."""
    trials = [t for t in results.completed if _known(t.best)]
    keys = [key for key in results.keys if all(key in trial.differs for trial in trials)]
    keys = [key for key in keys if _varies(key, trials)]
    if len(keys) < 2:
        return Markup()
    scales = [scale(key, [trial.differs[key] for trial in trials]) for key in keys]
    scales.append(scale(results.metric, [trial.best for trial in trials]))
    # The best on top.
    trials = sorted(trials, key=lambda t: _share(t, trials, results.lower_is_better))
    width = max(8.0, 1.5 * len(scales))
    plot = Plot("parallel", width, 3.3, f"{results.metric} of all trials by all parameters")
    with plot.drawn() as axes:
        for number, trial in enumerate(trials):
            ys = [s.place(trial.differs[s.key]) + _aside(number, s) for s in scales[:-1]]
            ys.append(scales[-1].place(trial.best))
            colour = level(_share(trial, trials, results.lower_is_better))
            axes.plot(range(len(scales)), ys, color=colour, linewidth=1.3)
        for x, axis in enumerate(scales):
            _upright(axes, x, axis, results)
        ends = [f"{trial.best:.4f}" for trial in (trials[0], trials[-1])]
        _colour_bar(axes, len(scales) - 1 + 0.42, *ends)
        axes.set_xlim(-0.15, len(scales) - 1 + 0.82)
        axes.set_ylim(-0.02, 1.02)
        axes.set_axis_off()
    return plot.svg


def _upright(axes: Axes, x: int, axis: Scale, results: SweepResults) -> None:
    """An axis that stands, its name above and its ticks to the right."""
    axes.plot([x, x], [0, 1], color=INK, linewidth=0.8)
    name = results.names.get(axis.key, axis.key) + " (log)" * (axis.kind == "log")
    axes.text(x, 1.05, name, ha="center", va="bottom", fontsize=8.5, parse_math=False)
    for y, label in axis.ticks:
        axes.plot([x, x + 0.03], [y, y], color=INK, linewidth=0.8)
        axes.text(x + 0.05, y, label, va="center", fontsize=8, parse_math=False)


def _colour_bar(axes: Axes, x: float, worst: str, best: str) -> None:
    for number in range(LEVELS):
        colour = level(number / (LEVELS - 1))
        bottom = number / LEVELS
        axes.bar(x, 1 / LEVELS, 0.08, bottom, align="edge", color=colour, antialiased=False)
    for y, label in ((1.0, f"best\n{best}"), (0.0, f"worst\n{worst}")):
        axes.text(x + 0.1, y, label, va="top" if y else "bottom", fontsize=8)


def _share(trial: Trial, trials: list[Trial], lower: bool) -> float:
    """0 for the worst, 1 for the best."""
    values = [t.best for t in trials if t.best is not None]
    low, high = min(values), max(values)
    if trial.best is None or high == low:
        return 1.0
    share = (trial.best - low) / (high - low)
    return 1 - share if lower else share


def curves(rows: list[Row], metric: str) -> Markup:
    """A metric by step, of all trials: the best rows in colour and on top."""
    plot = Plot(f"curve-{metric.replace('/', '-')}", *_SMALL, f"{metric} by step")
    empty = True
    with plot.drawn() as axes:
        for place, row in reversed(list(enumerate(rows))):
            colour = series(place) if place < HIGHLIGHTED else FAINT
            for trial in row.trials:
                points = thinned(_points(trial, metric), _POINTS)
                empty = empty and not points
                xs, ys = [x for x, _ in points], [y for _, y in points]
                dots = "o" if len(points) <= 12 else None
                axes.plot(xs, ys, color=colour, linewidth=1.2, marker=dots, markersize=2.5)
        axes.set_xlabel("step")
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        _metric_axis(axes, metric)
    return Markup() if empty else plot.svg


def _points(trial: Trial, metric: str) -> list[tuple[int, float]]:
    if trial.path is None:
        return []
    found = curves_of(trial.path / "metrics.csv").get(metric, [])
    return finite(found)


def importances(shares: dict[str, float]) -> Markup:
    """A bar a parameter, the most important above."""
    names = list(shares)[::-1]
    plot = Plot("importance", 4.8, 0.7 + 0.28 * len(names), "importance of the parameters")
    with plot.drawn() as axes:
        axes.barh(range(len(names)), [shares[name] for name in names], color=series(0), height=0.6)
        axes.set_yticks(range(len(names)), names, parse_math=False)
        axes.set_xlabel("share of the variance that it explains")
        axes.set_xlim(0, 1)
        axes.grid(visible=False)
    return plot.svg


def _known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
