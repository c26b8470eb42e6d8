"""Which trials differ only by their seed."""

import copy
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from imdb_cls.runs.fingerprint import WITHOUT_EFFECT
from imdb_cls.runs.overrides import Overrides, frozen

# Beside what changes no result anyway, paths to files that are known by their content.
_LEFT_OUT = (
    *(*WITHOUT_EFFECT, "hydra", "seed"),
    *("data.seed", "data.splits", "data.fallback"),
    *("model.pretrained.path", "model.pretrained.fallback"),
)


@dataclass(frozen=True)
class Recipe:
    """What decides the numbers of a trial."""

    overrides: Overrides
    seed: int | None
    config: dict[str, Any] | None = None
    """config.yaml; None of a trial that has not begun."""
    weights: str | None = None
    """SHA-256; None of a trial that failed before it had them."""
    code: str | None = None


def recipe_ids(trials: list[Recipe]) -> list[str]:
    """A name for each trial, equal for those that differ only by their seed."""
    base = [_base(trial) for trial in trials]
    seeds = [_get(trial.config, "data.seed") for trial in trials]
    # data.seed is a setting of its own where it does not follow the seed.
    own = {b for b, t, s in zip(base, trials, seeds, strict=True) if s != _get(t.config, "seed")}
    names = [
        _digest([name, seed if name in own else None]) if name else None
        for name, seed in zip(base, seeds, strict=True)
    ]
    # A trial without weights has the recipe of those with the same overrides.
    known = {}
    for trial, known_name in zip(trials, names, strict=True):
        if known_name:
            for code in (None, trial.code):
                known[(frozen(trial.overrides, without=["seed"]), code)] = known_name
    return [name or _guess(trial, known) for trial, name in zip(trials, names, strict=True)]


def _guess(trial: Recipe, known: dict[tuple[frozenset[Any], str | None], str]) -> str:
    told = frozen(trial.overrides, without=["seed"])
    return known.get((told, trial.code)) or _digest(sorted(map(str, told)))


def _base(trial: Recipe) -> str | None:
    """A hash of the whole recipe but data.seed; None while the weights are not known."""
    if trial.config is None or trial.weights is None:
        return None
    config = copy.deepcopy(trial.config)
    _drop(config, _LEFT_OUT)
    if _get(config, "model.pretrained.source") == "local":
        _drop(config, ["model.pretrained.name"])
    return _digest([config, trial.weights, trial.code])


def _get(config: dict[str, Any] | None, key: str) -> Any:
    found: Any = config
    for part in key.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _drop(config: dict[str, Any], keys: Iterable[str]) -> None:
    for key in keys:
        group, _, name = key.rpartition(".")
        holder = _get(config, group) if group else config
        if isinstance(holder, dict):
            holder.pop(name, None)


def _digest(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
