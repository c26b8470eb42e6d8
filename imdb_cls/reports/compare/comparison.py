"""Runs to compare: in what they differ, and which of them were tested on the same reviews."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from imdb_cls.reports.configs import effective
from imdb_cls.reports.run.results import RunResults
from imdb_cls.reports.run.results import read as read_run
from imdb_cls.runs.differences import Recipe, differences
from imdb_cls.runs.overrides import Overrides, short_names
from imdb_cls.runs.predictions import Bools
from imdb_cls.runs.run import Run


@dataclass(frozen=True)
class Compared:
    """One of the runs."""

    name: str
    """What tells it from the others."""
    results: RunResults
    differs: Overrides
    """Its values of the keys in which the runs differ."""


@dataclass(frozen=True)
class Comparison:
    runs: list[Compared]
    keys: dict[str, str]
    """The keys in which the runs differ, with their short names; seed is the last of them."""

    @property
    def metric(self) -> str:
        """What chose the checkpoint of the first run."""
        return self.runs[0].results.metric

    @property
    def groups(self) -> list[dict[str, Bools]]:
        """The tested runs, grouped by their test reviews. A group tells for each run, by its name,
        whether its labels are right: [reviews]."""
        found: dict[tuple[bytes, bytes], dict[str, Bools]] = {}
        for run in self.runs:
            scored = run.results.scored
            if scored is not None and run.results.scores:
                reviews = scored.index.tobytes(), scored.label.tobytes()
                found.setdefault(reviews, {})[run.name] = scored.correct
        return list(found.values())


def read(paths: list[Path]) -> Comparison:
    """Raises UserError if one of them is no run."""
    results = [read_run(Run.open(path)) for path in paths]
    told, keys = differences([_recipe(run) for run in results])
    # A data.seed that follows the seed says nothing more.
    if all(run.get("data.seed", run.get("seed")) == run.get("seed") for run in told):
        keys = [key for key in keys if key != "data.seed"]
    runs = [Compared(*run) for run in zip(_names(results), results, told, strict=True)]
    return Comparison(runs, short_names(keys))


def _recipe(run: RunResults) -> Recipe:
    """The run as if every key of its config had been typed: what two experiments set in their
    files is a difference too."""
    overrides = effective(run.config)
    overrides.pop("seed", None)
    return Recipe(overrides, run.info.seed, run.config, None, run.info.code)


def _names(runs: list[RunResults]) -> list[str]:
    """The last two parts of each path, or as many as it takes to tell them apart."""
    paths = [run.run.path.absolute().parts for run in runs]
    for parts in range(2, max(map(len, paths))):
        names = ["/".join(path[-parts:]) for path in paths]
        if max(Counter(names).values()) == 1:
            return names
    return ["/".join(path) for path in paths]
