"""What trials were told on the command line: keys, values, and how they are shown."""

from collections.abc import Iterable, Sequence
from typing import Any

from imdb_cls.runs import fingerprint

Value = str | float | int | bool | None
Overrides = dict[str, Value]

# Of the keys of a config.yaml.
WITHOUT_EFFECT = (*fingerprint.WITHOUT_EFFECT, "hydra")


def parsed(typed: Iterable[str]) -> Overrides:
    """Overrides in Hydra's syntax as keys and values, but for those that change no result: where a
    trial runs, who logs it. Of a key that stands twice the last counts, as for Hydra."""
    values: Overrides = {}
    for override in typed:
        key, _, text = override.partition("=")
        key = key.strip().lstrip("+~")
        if not is_within(key, WITHOUT_EFFECT):
            values[key] = _value(text.strip())
    return values


def _value(text: str) -> Value:
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1].replace(f"\\{text[0]}", text[0])
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if text.lower() == "null":
        return None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def flat(config: dict[str, Any], prefix: str = "") -> Overrides:
    """The values of a config by their keys with dots (data.source), a list as one text."""
    found: Overrides = {}
    for key, value in config.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = str(value) if isinstance(value, list) else value
    return found


def is_within(key: str, groups: Iterable[str]) -> bool:
    """Whether a key is one of these, or lies below one of them."""
    return any(key == group or key.startswith(f"{group}.") for group in groups)


def comparable(value: Value) -> tuple[str, Value]:
    """Equal for equal values, however they were typed: 1e-4 is 0.0001, but true is not 1."""
    if isinstance(value, bool):
        return "bool", value
    if isinstance(value, int | float):
        return "number", float(value)
    return type(value).__name__, value


def frozen(overrides: Overrides, without: Sequence[str] = ()) -> frozenset[tuple[str, object]]:
    """Equal for the same overrides in another order."""
    return frozenset((k, comparable(v)) for k, v in overrides.items() if k not in without)


def shown(value: Value) -> str:
    """As a person wants to read it: four significant digits, and Hydra's words for the rest."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """The last part of each key, or as many as it takes to tell it from the others."""
    names = {}
    for key in keys:
        parts = key.split(".")
        tails = [".".join(parts[-count:]) for count in range(1, len(parts) + 1)]
        others = [f".{other}" for other in keys if other != key]
        alone = (tail for tail in tails if not any(o.endswith(f".{tail}") for o in others))
        names[key] = next(alone, key)
    return names
