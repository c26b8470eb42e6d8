"""What trials were told on the command line: keys, values, and how they are shown."""

from collections.abc import Iterable, Sequence

from imdb_cls.runs.fingerprint import WITHOUT_EFFECT

Value = str | float | int | bool | None
Overrides = dict[str, Value]

_WITHOUT_EFFECT = {*WITHOUT_EFFECT, "hydra"}


def parsed(typed: Iterable[str]) -> Overrides:
    """Overrides in Hydra's syntax as keys and values, but for those that change no result: where a
    trial runs, who logs it. Of a key that stands twice the last counts, as for Hydra."""
    values: Overrides = {}
    for override in typed:
        key, _, text = override.partition("=")
        key = key.strip().lstrip("+~")
        if key not in _WITHOUT_EFFECT and key.split(".")[0] not in _WITHOUT_EFFECT:
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

    def tail(key: str, parts: int) -> str:
        return ".".join(key.split(".")[-parts:])

    names = {}
    for key in keys:
        parts = 1
        while tail(key, parts) != key and any(
            tail(other, parts) == tail(key, parts) for other in keys if other != key
        ):
            parts += 1
        names[key] = tail(key, parts)
    return names
