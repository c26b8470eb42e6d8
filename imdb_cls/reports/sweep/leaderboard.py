"""The trials of a sweep as rows, one a recipe, the best first by the metric of the sweep."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from imdb_cls.names import SCALARS
from imdb_cls.runs.overrides import Overrides, comparable
from imdb_cls.runs.results import STATUSES, SweepResults, Trial


@dataclass(frozen=True)
class Figure:
    """A metric over the completed trials of a row."""

    mean: float
    deviation: float | None
    """Standard deviation of a sample (n - 1); None of a single trial."""
    n: int

    def __str__(self) -> str:
        spread = "" if self.deviation is None else f" ± {self.deviation:.4f}"
        return f"{self.mean:.4f}{spread}"


@dataclass(frozen=True)
class Row:
    """Trials that differ only by their seed."""

    trials: list[Trial]

    @cached_property
    def completed(self) -> list[Trial]:
        return [trial for trial in self.trials if trial.status == "completed"]

    @cached_property
    def figures(self) -> dict[str, Figure]:
        """val/… and test/… that its completed trials have."""
        names = (f"{split}/{name}" for split in ("val", "test") for name in SCALARS)
        values = {
            name: [trial.metrics[name] for trial in self.completed if name in trial.metrics]
            for name in names
        }
        return {name: figure(known) for name, known in values.items() if known}

    @property
    def differs(self) -> Overrides:
        """What tells it from other rows: the values that all its trials share."""
        keys = dict.fromkeys(key for trial in self.trials for key in trial.differs)
        shared: Overrides = {}
        for key in keys:
            values = [trial.differs[key] for trial in self.trials if key in trial.differs]
            if key != "seed" and len({comparable(value) for value in values}) == 1:
                shared[key] = values[0]
        return shared

    @property
    def seconds(self) -> float | None:
        """Of all its trials together."""
        return _total([trial.seconds for trial in self.trials])

    @property
    def cost(self) -> float | None:
        """USD of all its trials together."""
        return _total([trial.cost for trial in self.trials])

    @property
    def status(self) -> str:
        """Such as: 4 completed, 1 failed; of a single trial without its number."""
        return counted(self.trials) if len(self.trials) > 1 else self.trials[0].status

    @property
    def label(self) -> str:
        """The names of its trials, those in a row as 0-4."""
        return ranges([trial.name for trial in self.trials])


def figure(values: Sequence[float]) -> Figure:
    """Raises ZeroDivisionError if there are no values."""
    n, mean = len(values), math.fsum(values) / len(values)
    if n == 1:
        return Figure(mean, None, 1)
    squares = math.fsum((value - mean) ** 2 for value in values)
    return Figure(mean, math.sqrt(squares / (n - 1)), n)


def leaderboard(results: SweepResults) -> list[Row]:
    """The best first; rows without a value, and those whose value is NaN, come last."""
    folded: dict[str, list[Trial]] = {}
    for trial in results.trials:
        folded.setdefault(trial.recipe, []).append(trial)

    def rank(row: Row) -> float:
        reached = row.figures.get(results.metric)
        if reached is None or math.isnan(reached.mean):
            return math.inf
        return reached.mean if results.lower_is_better else -reached.mean

    return sorted(map(Row, folded.values()), key=rank)


def best_trial(results: SweepResults) -> Trial | None:
    """The best completed trial of the best row: the model to use."""

    def rank(trial: Trial) -> float:
        value = trial.metrics.get(results.metric, math.nan)
        if math.isnan(value):
            return math.inf
        return value if results.lower_is_better else -value

    rows = leaderboard(results)
    return min(rows[0].completed, key=rank) if rows and rows[0].completed else None


def counted(trials: list[Trial]) -> str:
    """How many trials have which status."""
    number = Counter(trial.status for trial in trials)
    return ", ".join(f"{number[status]} {status}" for status in STATUSES if number[status])


def ranges(names: list[str]) -> str:
    """Numbers in a row as 0-4; other names one by one."""
    groups: list[list[str]] = []
    for name in names:
        last = groups[-1][-1] if groups else ""
        if name.isdecimal() and last.isdecimal() and int(name) == int(last) + 1:
            groups[-1].append(name)
        else:
            groups.append([name])
    return ", ".join(
        f"{group[0]}-{group[-1]}" if len(group) > 2 else ", ".join(group) for group in groups
    )


def _total(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) if known else None
