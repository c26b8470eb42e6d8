"""Where a value of a parameter stands on an axis from 0 to 1."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from imdb_cls.runs.overrides import Value, comparable, shown

# Names, not quantities, even where they are numbers.
_NAMES = ("seed", "code")
_DECADE = 10
_MOST_TICKS = 6
# Share of the axis that a tick's label takes.
_LABEL = 0.16
_MARGIN = 0.06
_LONGEST = 18


@dataclass(frozen=True)
class Scale:
    """The axis of one parameter."""

    key: str
    kind: str
    """linear, log, or words: one place for each value."""
    low: float
    high: float
    words: tuple[tuple[str, Value], ...]
    ticks: list[tuple[float, str]]

    def place(self, value: Value) -> float:
        """Between 0 and 1."""
        if self.kind == "words":
            return (self.words.index(comparable(value)) + 0.5) / len(self.words)
        return self._spread(_number(value))

    def _spread(self, number: float) -> float:
        low, high = _warped(self.low, self.kind), _warped(self.high, self.kind)
        share = (_warped(number, self.kind) - low) / (high - low)
        return _MARGIN + (1 - 2 * _MARGIN) * share


def scale(key: str, values: Sequence[Value]) -> Scale:
    """The axis for these values of a parameter: logarithmic if they span a decade or more."""
    distinct = list({comparable(value): value for value in values}.values())
    numbers = [_number(value) for value in distinct if _is_number(value)]
    if key in _NAMES or len(numbers) < len(distinct) or len(distinct) < 2:
        return _of_words(key, distinct)
    low, high = min(numbers), max(numbers)
    kind = "log" if low > 0 and high / low >= _DECADE else "linear"
    axis = Scale(key, kind, low, high, (), [])
    ticks = sorted(distinct, key=_number)
    if len(ticks) > _MOST_TICKS or _crowded([axis.place(value) for value in ticks]):
        ticks = [value for value in _round_numbers(low, high, kind) if low <= value <= high]
    return Scale(key, kind, low, high, (), [(axis.place(value), shown(value)) for value in ticks])


def _of_words(key: str, distinct: list[Value]) -> Scale:
    if all(_is_number(value) for value in distinct):
        distinct = sorted(distinct, key=_number)
    words = tuple(comparable(value) for value in distinct)
    axis = Scale(key, "words", 0, 1, words, [])
    every = math.ceil(len(distinct) / 12)
    ticks = [(axis.place(value), _cut(shown(value))) for value in distinct[::every]]
    return Scale(key, "words", 0, 1, words, ticks)


def _round_numbers(low: float, high: float, kind: str) -> list[float]:
    """Ticks at 1, 2 and 5 times powers of ten."""
    if kind == "log":
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        steps = (1, 2, 5) if len(decades) <= 3 else (1,)
        return [step * 10.0**decade for decade in decades for step in steps]
    rough = (high - low) / 3
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= rough)
    return [number * step for number in range(math.floor(low / step), math.ceil(high / step) + 1)]


def _crowded(places: list[float]) -> bool:
    return any(b - a < _LABEL for a, b in itertools.pairwise(places))


def _warped(number: float, kind: str) -> float:
    return math.log(number) if kind == "log" else number


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _number(value: Value) -> float:
    assert isinstance(value, int | float)
    return float(value)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
