"""How trials differ: in which keys, and which of them differ only by their seed."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from imdb_cls.runs.overrides import WITHOUT_EFFECT, Overrides, comparable, flat, frozen, is_within

# A trial that has not begun has no value of these. That is no difference.
_UNKNOWN_AT_FIRST = ("code", "seed")
# Beside what changes no result anyway, paths to files that are known by their content.
_LEFT_OUT = (
    *(*WITHOUT_EFFECT, "seed", "data.seed", "data.splits", "data.fallback"),
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


def differences(trials: list[Recipe]) -> tuple[list[Overrides], list[str]]:
    """Gives each trial's values of the keys that are not the same in all trials, and those keys.
    seed is the last of them, and code (the hash of the source) the one before."""
    keys = dict.fromkeys(key for trial in trials for key in trial.overrides)
    order = [*(key for key in keys if key != "seed"), "code", "seed"]
    told = [_told(trial) for trial in trials]
    # Of a damaged trial nothing may be known.
    known = [own for own, t in zip(told, trials, strict=True) if t.overrides or t.config]
    differing = [key for key in order if _differs(known, key)]
    return [{key: own[key] for key in differing if key in own} for own in told], differing


def _told(trial: Recipe) -> Overrides:
    """The trial's values of all keys that it chooses and that are known yet."""
    told = flat(trial.config or {}) | trial.overrides
    told |= {"code": (trial.code or "")[:8] or None, "seed": trial.seed}
    return {key: v for key, v in told.items() if v is not None or key not in _UNKNOWN_AT_FIRST}


def _differs(told: list[Overrides], key: str) -> bool:
    distinct = {comparable(own[key]) if key in own else None for own in told}
    return len(distinct - ({None} if key in _UNKNOWN_AT_FIRST else set())) > 1


def recipe_ids(trials: list[Recipe]) -> list[str]:
    """A name for each trial, equal for those that differ only by their seed."""
    base = [_base(trial) for trial in trials]
    configs = [flat(trial.config or {}) for trial in trials]
    seeds = [config.get("data.seed") for config in configs]
    # data.seed is a setting of its own where it does not follow the seed.
    own = {b for b, c, s in zip(base, configs, seeds, strict=True) if s != c.get("seed")}
    names = [
        _digest([name, seed if name in own else None]) if name else None
        for name, seed in zip(base, seeds, strict=True)
    ]
    # A trial without weights has the recipe of those with the same overrides.
    told = [frozen(trial.overrides, without=["seed"]) for trial in trials]
    known = {
        (overrides, code): name
        for trial, overrides, name in zip(trials, told, names, strict=True)
        for code in (None, trial.code)
        if name
    }
    return [
        name or known.get((overrides, trial.code)) or _digest(sorted(map(str, overrides)))
        for trial, overrides, name in zip(trials, told, names, strict=True)
    ]


def _base(trial: Recipe) -> str | None:
    """A hash of the whole recipe but data.seed; None while the weights are not known."""
    if trial.config is None or trial.weights is None:
        return None
    values = flat(trial.config)
    is_local = values.get("model.pretrained.source") == "local"
    left_out = [*_LEFT_OUT, *["model.pretrained.name"] * is_local]
    kept = {key: value for key, value in values.items() if not is_within(key, left_out)}
    return _digest([kept, trial.weights, trial.code])


def _digest(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
