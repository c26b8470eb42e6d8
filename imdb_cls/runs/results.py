"""Reads a sweep's directory, finished or not: its trials, how they differ, what they reached."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from imdb_cls.errors import UserError, missing
from imdb_cls.names import lower_is_better
from imdb_cls.runs import records
from imdb_cls.runs.differences import Recipe, differences, recipe_ids
from imdb_cls.runs.info import Resolved, RunInfo
from imdb_cls.runs.overrides import Overrides, frozen, parsed, short_names
from imdb_cls.runs.run import Run
from imdb_cls.storage import held

# In the order of a summary.
STATUSES = (
    *("completed", "running", "waiting", "pruned", "stopped", "interrupted", "failed", "damaged"),
)


@dataclass(frozen=True)
class TrialResult:
    """One run of a sweep, or one that is still to come."""

    name: str
    path: Path | None
    """Its run directory; None before it begins."""
    status: str
    """One of STATUSES."""
    overrides: Overrides
    seed: int | None
    reason: str | None = None
    """Why it failed, was stopped or pruned; which of its files is damaged, and how."""
    metrics: dict[str, float] = field(default_factory=dict)
    """val/… at the best checkpoint and test/… (metrics.json); empty until it has completed."""
    best: float | None = None
    """The best value of the sweep's metric so far."""
    seconds: float | None = None
    cost: float | None = None
    """USD paid; None of a trial on this machine and of a rehearsal, which cost nothing."""
    saved: float | None = None
    """USD that spot capacity has saved; None of a trial that was no spot job."""
    rehearsed: bool = False
    code: str | None = None
    recipe: str = ""
    """Equal for trials that differ only by their seed."""
    differs: Overrides = field(default_factory=dict)
    """Its values of the keys that are not the same in all trials."""


@dataclass(frozen=True)
class SweepResults:
    """What lies in the directory of a sweep."""

    path: Path
    status: str
    """running, completed, failed, stopped, or interrupted if it was killed before it could record
    its end."""
    command: str | None
    started: str | None
    finished: str | None
    search: str
    metric: str
    lower_is_better: bool
    backend: str
    trials: list[TrialResult]
    keys: list[str]
    """The full names of the keys in which the trials differ; seed is the last of them."""
    names: dict[str, str]
    """Their short names."""

    @property
    def name(self) -> str:
        return "/".join(self.path.parts[-2:])

    @property
    def completed(self) -> list[TrialResult]:
        return [trial for trial in self.trials if trial.status == "completed"]


def read(path: str | Path) -> SweepResults:
    """Reads a sweep as it stands now. It is quick enough to be called once a second. Raises
    UserError if there is no sweep."""
    directory = Path(path).expanduser().absolute()
    if not directory.is_dir():
        raise UserError(f"{path}: {missing(directory, 'directory')}")
    record, runs = _record(directory / "sweep.json"), list(_runs(directory))
    if not runs and not record:
        raise UserError(f"{path} is {_no_sweep(directory)}")
    metric = str(record.get("metric") or (runs and _metric_of(*runs[0])) or "val/accuracy")
    lower = record["direction"] == "min" if "direction" in record else lower_is_better(metric)
    lives = held(directory / ".lock")
    planned = record.get("planned") or []
    trials = [_trial(*run, lives, metric, lower) for run in runs]
    trials = _named(trials, planned)
    trials += _waiting(planned, trials)
    known = {run.path: info.resolved for run, info in runs if isinstance(info, RunInfo)}
    recipes = [_recipe(trial, known) for trial in trials]
    values, keys = differences(recipes)
    trials = [
        replace(trial, recipe=recipe, differs=told)
        for trial, recipe, told in zip(trials, recipe_ids(recipes), values, strict=True)
    ]
    begun = [i.started for _, i in runs if isinstance(i, RunInfo) and i.started]
    return SweepResults(
        path=directory,
        status=_status(record, trials, lives),
        command=record.get("command"),
        started=record.get("started") or min(begun, default=None),
        finished=record.get("finished"),
        search=str(record.get("search", "grid")),
        metric=metric,
        lower_is_better=lower,
        backend=str(record.get("backend", "local")),
        trials=trials,
        keys=keys,
        names=short_names(keys),
    )


def _record(file: Path) -> dict[str, Any]:
    """sweep.json; empty if there is none."""
    try:
        return records.read_sweep(file) if file.exists() else {}
    except UserError as error:
        raise UserError(f"{error}: move it away to read the runs beside it alone") from None


def _no_sweep(directory: Path) -> str:
    if (directory / "run.json").is_file():
        return f"a run, not a sweep: its figures are in {directory / 'metrics.json'}"
    below = sorted(path.parent.name for path in directory.glob("*/sweep.json"))
    hint = f"it holds sweeps: {', '.join(below)}" if below else "train -m makes one in multirun/"
    return f"no sweep, no run lies in it: {hint}"


def _runs(directory: Path) -> Iterator[tuple[Run, RunInfo | UserError]]:
    """Every run below it with its record, or what is wrong with that."""
    for path in sorted(directory.iterdir(), key=lambda path: (len(path.name), path.name)):
        run = Run(path)
        if path.name.startswith(".") or not path.is_dir():
            continue
        try:
            if run.is_there():
                info = records.info_of(run.record_file)
                yield run, info or UserError(f"{run.record_file}: no such file")
        except PermissionError:
            yield run, UserError(f"{path}: Permission denied: its owner must let you read it")
        except UserError as error:
            yield run, error


def _metric_of(run: Run, info: RunInfo | UserError) -> str | None:
    """The metric in a run's config."""
    with contextlib.suppress(UserError):
        return None if isinstance(info, UserError) else records.config_of(run, info).get("metric")
    return None


def _status(record: dict[str, Any], trials: list[TrialResult], lives: bool) -> str:
    if "status" not in record:
        return "running" if any(trial.status == "running" for trial in trials) else "completed"
    status = str(record["status"])
    # Jobs run on even if no command waits for them.
    at_work = lives or any(trial.status == "running" for trial in trials)
    return "interrupted" if status == "running" and not at_work else status


def _trial(
    run: Run, info: RunInfo | UserError, lives: bool, metric: str, lower: bool
) -> TrialResult:
    if isinstance(info, UserError):
        return TrialResult(run.path.name, run.path, "damaged", {}, None, str(info))
    status, reason = records.status_of(run, info, lives), info.plain_reason
    metrics: dict[str, float] = {}
    best = None
    try:
        records.config_of(run, info)
        metrics = records.metrics_of(run, info) if status == "completed" else {}
        values = [value for _, value in records.curves_of(run, info).get(metric, [])]
        # NaN is neither better nor worse than a number.
        best = (min if lower else max)((v for v in values if v == v), default=None)
    except UserError as error:
        status, reason, metrics = "damaged", str(error), {}
    return TrialResult(
        name=run.path.name,
        path=run.path,
        status=status,
        overrides=parsed(info.overrides),
        seed=info.seed,
        reason=reason,
        metrics=metrics,
        best=metrics.get(metric, best),
        seconds=records.seconds_of(info, status),
        cost=info.cost_usd,
        saved=info.saved_usd,
        rehearsed=bool(info.rehearsal),
        code=info.code,
    )


def _named(trials: list[TrialResult], planned: list[list[str]]) -> list[TrialResult]:
    """The trials, those whose run.json is damaged with the overrides that were planned for their
    number, unless another trial has them."""
    there = {frozen(trial.overrides) for trial in trials}
    found = []
    for trial in trials:
        number = int(trial.name) if trial.name.isdecimal() else len(planned)
        if trial.status == "damaged" and not trial.overrides and number < len(planned):
            overrides = parsed(planned[number])
            if frozen(overrides) not in there:
                trial = replace(trial, overrides=overrides, seed=_seed(overrides))
        found.append(trial)
    return found


def _seed(overrides: Overrides) -> int | None:
    seed = overrides.get("seed")
    return seed if isinstance(seed, int) else None


def _waiting(planned: list[list[str]], begun: list[TrialResult]) -> list[TrialResult]:
    """The planned trials that have no directory yet, under the names that they will get if those
    are free."""
    there = {frozen(trial.overrides) for trial in begun}
    taken = {trial.name for trial in begun}
    waiting = []
    for number, typed in enumerate(planned):
        overrides = parsed(typed)
        if frozen(overrides) in there:
            continue
        there.add(frozen(overrides))
        while str(number) in taken:
            number += 1
        taken.add(str(number))
        waiting.append(TrialResult(str(number), None, "waiting", overrides, _seed(overrides)))
    return waiting


def _recipe(trial: TrialResult, known: dict[Path, Resolved | None]) -> Recipe:
    # What is damaged is not looked at: it is known by its overrides.
    if trial.path is None or trial.status == "damaged":
        return Recipe(trial.overrides, trial.seed, code=trial.code)
    resolved, config = known[trial.path], records.yaml_of(trial.path / "config.yaml")
    weights = resolved.weights_sha256 if resolved else None
    return Recipe(trial.overrides, trial.seed, config, weights, trial.code)
