"""Runs to compare: in what they differ, and which of them were tested on the same reviews."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from imdb_cls.reports.configs import effective
from imdb_cls.reports.run.facts import Facts
from imdb_cls.reports.run.facts import read as read_run
from imdb_cls.reports.run.predictions import Bools
from imdb_cls.runs.differences import differences
from imdb_cls.runs.overrides import Overrides, short_names
from imdb_cls.runs.run import Run
from imdb_cls.runs.same_but_seed import Ingredients


@dataclass(frozen=True)
class Comparison:
    runs: list[Facts]
    names: list[str]
    """What tells each from the others."""
    differs: list[Overrides]
    """Each run's values of the keys in which the runs differ."""
    keys: list[str]
    """Those keys; seed is the last of them."""
    shown_keys: dict[str, str]
    """Their short names."""

    @cached_property
    def groups(self) -> list[list[int]]:
        """The numbers of tested runs, those together whose test reviews are the same."""
        found: list[list[int]] = []
        for number, run in enumerate(self.runs):
            if run.scored is None or not run.scores:
                continue
            for group in found:
                first = self.runs[group[0]].scored
                if first is not None and first.same_reviews(run.scored):
                    group.append(number)
                    break
            else:
                found.append([number])
        return found

    def correct(self, number: int) -> Bools:
        """[test reviews]: whether a tested run is right."""
        scored = self.runs[number].scored
        assert scored is not None
        return scored.correct

    def right_by(self, group: list[int]) -> list[int]:
        """[runs + 1]: how many reviews none of a group's runs gets right, one of them, …, all."""
        times = np.sum([self.correct(number) for number in group], axis=0)
        return [int(n) for n in np.bincount(times, minlength=len(group) + 1)]


def read(paths: list[Path]) -> Comparison:
    """
    Raises:
        UserError: one of them is no run.
    """
    runs = [read_run(Run.open(path)) for path in paths]
    ingredients = [_ingredients(run) for run in runs]
    told, keys = differences(ingredients)
    if all(run.get("data.seed", run.get("seed")) == run.get("seed") for run in told):
        keys = [key for key in keys if key != "data.seed"]
    return Comparison(runs, _names(runs), told, keys, short_names(keys))


def _ingredients(run: Facts) -> Ingredients:
    """With every key of the config as if it were typed: runs of different experiments differ in
    what those say."""
    overrides = effective(run.config)
    overrides.pop("seed", None)
    return Ingredients(overrides, run.info.seed, run.config, None, run.info.code)


def _names(runs: list[Facts]) -> list[str]:
    """The end of each path, two parts of it or as many as it takes."""
    paths = [run.run.path.absolute().parts for run in runs]
    parts = 2
    while parts < max(map(len, paths)):
        names = ["/".join(path[-parts:]) for path in paths]
        if max(Counter(names).values()) == 1:
            return names
        parts += 1
    return ["/".join(path) for path in paths]
