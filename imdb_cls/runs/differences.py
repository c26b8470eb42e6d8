"""The keys in which the trials of a sweep differ."""

from typing import Any

from imdb_cls.runs.overrides import Overrides, Value, comparable
from imdb_cls.runs.same_but_seed import Recipe

# A trial that has not begun has no value of these. That is no difference.
_UNKNOWN_AT_FIRST = ("code", "seed")


def differences(trials: list[Recipe]) -> tuple[list[Overrides], list[str]]:
    """Gives each trial's values of the keys that are not the same in all trials, and those keys.
    seed is the last of them, and code (the hash of the source) the one before."""
    keys = dict.fromkeys(key for trial in trials for key in trial.overrides)
    order = [*(key for key in keys if key != "seed"), "code", "seed"]
    told: list[Overrides] = [
        {key: value for key in order for value in _values(trial, key)} for trial in trials
    ]
    # Of a damaged trial nothing may be known.
    known = [own for own, t in zip(told, trials, strict=True) if t.overrides or t.config]
    differing = [key for key in order if _differs(known, key)]
    return [{key: own[key] for key in differing if key in own} for own in told], differing


def _values(trial: Recipe, key: str) -> list[Value]:
    """A list of the trial's value of a key. It is empty if the trial does not choose that group, or
    the value is not known yet."""
    if key == "code":
        return [trial.code[:8]] if trial.code else []
    if key == "seed":
        return [] if trial.seed is None else [trial.seed]
    if key in trial.overrides:
        return [trial.overrides[key]]
    found: Any = trial.config
    for part in key.split("."):
        if not isinstance(found, dict) or part not in found:
            return []
        found = found[part]
    if isinstance(found, dict):
        return []
    return [str(found) if isinstance(found, list) else found]


def _differs(told: list[Overrides], key: str) -> bool:
    distinct = {comparable(own[key]) if key in own else None for own in told}
    return len(distinct - ({None} if key in _UNKNOWN_AT_FIRST else set())) > 1
