"""The trials of a sweep in rows, one for each recipe, the best first by the sweep's metric."""

import math
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from imdb_cls.runs.overrides import Overrides, comparable
from imdb_cls.runs.results import STATUSES, SweepResults, TrialResult


@dataclass(frozen=True)
class Aggregate:
    """A metric over the completed trials of a row."""

    mean: float
    deviation: float | None
    """Standard deviation of a sample (n - 1); None for a single trial."""

    @classmethod
    def of(cls, values: list[float]) -> "Aggregate":
        n, mean = len(values), math.fsum(values) / len(values)
        squares = math.fsum((value - mean) ** 2 for value in values)
        return cls(mean, math.sqrt(squares / (n - 1)) if n > 1 else None)

    def __str__(self) -> str:
        spread = "" if self.deviation is None else f" ± {self.deviation:.4f}"
        return f"{self.mean:.4f}{spread}"


@dataclass(frozen=True)
class Row:
    """Trials that differ only by their seed."""

    trials: list[TrialResult]

    @cached_property
    def completed(self) -> list[TrialResult]:
        return [trial for trial in self.trials if trial.status == "completed"]

    @cached_property
    def metrics(self) -> dict[str, Aggregate]:
        """The metrics that its completed trials have."""
        values: dict[str, list[float]] = {}
        for trial in self.completed:
            for name, value in trial.metrics.items():
                values.setdefault(name, []).append(value)
        return {name: Aggregate.of(values[name]) for name in values}

    def mean(self, metric: str) -> float | None:
        return self.metrics[metric].mean if metric in self.metrics else None

    @cached_property
    def differs(self) -> Overrides:
        """What tells it from other rows: the values that all its trials share."""
        shared: Overrides = {}
        for key in dict.fromkeys(key for trial in self.trials for key in trial.differs):
            values = [trial.differs[key] for trial in self.trials if key in trial.differs]
            if key != "seed" and len({comparable(value) for value in values}) == 1:
                shared[key] = values[0]
        return shared

    @property
    def seconds(self) -> float | None:
        """The sum over its trials."""
        return total([trial.seconds for trial in self.trials])

    @property
    def cost(self) -> float | None:
        """USD, the sum over its trials."""
        return total([trial.cost for trial in self.trials])

    @property
    def saved(self) -> float | None:
        """USD that spot capacity has saved, the sum over its trials."""
        return total([trial.saved for trial in self.trials])

    @property
    def status(self) -> str:
        """The status of its only trial, or how many of them have which: 4 completed, 1 failed."""
        return counted(self.trials) if len(self.trials) > 1 else self.trials[0].status

    @property
    def label(self) -> str:
        """The names of its trials: 0-4."""
        return ranges([trial.name for trial in self.trials])


class Leaderboard:
    """The rows of a sweep, the best first. Rows without a value, and those whose value is NaN, come
    last."""

    def __init__(self, results: SweepResults) -> None:
        self.results = results
        by_recipe: dict[str, list[TrialResult]] = {}
        for trial in results.trials:
            by_recipe.setdefault(trial.recipe, []).append(trial)
        rows = map(Row, by_recipe.values())
        self.rows = sorted(rows, key=lambda row: self._rank(row.mean(results.metric)))
        differing = {key for row in self.rows for key in row.differs}
        # The keys in which rows differ, with their short names.
        self.keys = {key: name for key, name in results.names.items() if key in differing}

    @property
    def test_metric(self) -> str:
        """The metric of the sweep, on the test split."""
        return self.results.metric.replace("val/", "test/", 1)

    @property
    def best_trial(self) -> TrialResult | None:
        """The best completed trial of the best row: the model to use."""
        metric, trials = self.results.metric, self.rows[0].completed if self.rows else []
        return min(trials, key=lambda trial: self._rank(trial.metrics.get(metric)), default=None)

    def value(self, row: Row) -> str:
        """The metric of the sweep; if no trial of the row has completed, the best so far."""
        if self.results.metric in row.metrics:
            return str(row.metrics[self.results.metric])
        reached = [trial.best for trial in row.trials if trial.best is not None]
        best = min(reached, key=self._rank, default=None)
        return "" if best is None else f"{best:.4f} so far"

    def test_value(self, row: Row) -> str:
        return str(row.metrics.get(self.test_metric, ""))

    def _rank(self, value: float | None) -> float:
        """What to sort by: the best value is the least, and no value or NaN the greatest."""
        if value is None or math.isnan(value):
            return math.inf
        return value if self.results.lower_is_better else -value


def counted(trials: list[TrialResult]) -> str:
    """How many trials have which status."""
    number = Counter(trial.status for trial in trials)
    return ", ".join(f"{number[status]} {status}" for status in STATUSES if number[status])


def ranges(names: list[str]) -> str:
    """Three or more consecutive numbers as 0-4, other names one by one."""
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


def total(values: list[float | None]) -> float | None:
    """The sum of what is known; None if nothing is."""
    known = [value for value in values if value is not None]
    return math.fsum(known) if known else None
