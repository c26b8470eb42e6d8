"""Where a value of a parameter stands on an axis from 0 to 1."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeGuard

from imdb_cls.runs.overrides import Value, comparable, shown

# Names, not quantities, even where they are numbers.
_NAMES = ("seed", "code")
_DECADE = 10
_MOST_TICKS, _MOST_WORDS = 6, 12
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
    values: list[Value]
    """The values to show, each once; numbers are sorted."""
    low: float = 0.0
    high: float = 1.0
    """The least and the greatest number."""

    def place(self, value: Value) -> float:
        """A number between 0 and 1."""
        if self.kind == "words":
            places = [comparable(known) for known in self.values]
            return (places.index(comparable(value)) + 0.5) / len(places)
        assert isinstance(value, int | float)
        low, high, at = self.low, self.high, float(value)
        if self.kind == "log":
            low, high, at = math.log(low), math.log(high), math.log(at)
        return _MARGIN + (1 - 2 * _MARGIN) * ((at - low) / (high - low))

    @cached_property
    def ticks(self) -> list[tuple[float, str]]:
        """The places and labels of those values that have room, or of round numbers."""
        if self.kind == "words":
            every = math.ceil(len(self.values) / _MOST_WORDS)
            return [(self.place(value), _cut(shown(value))) for value in self.values[::every]]
        ticks: Sequence[Value] = self.values
        places = [self.place(value) for value in ticks]
        crowded = any(b - a < _LABEL for a, b in itertools.pairwise(places))
        if crowded or len(ticks) > _MOST_TICKS:
            round_numbers = _round_numbers(self.low, self.high, self.kind)
            ticks = [number for number in round_numbers if self.low <= number <= self.high]
        return [(self.place(value), shown(value)) for value in ticks]


def scale(key: str, values: Sequence[Value]) -> Scale:
    """The axis for these values of a parameter: logarithmic if they span a decade or more."""
    distinct = {comparable(value): value for value in values}.values()
    numbers = sorted(filter(_is_number, distinct))
    if len(numbers) < len(distinct):
        return Scale(key, "words", list(distinct))
    if key in _NAMES or len(numbers) < 2:
        return Scale(key, "words", [*numbers])
    low, high = float(numbers[0]), float(numbers[-1])
    kind = "log" if low > 0 and high / low >= _DECADE else "linear"
    return Scale(key, kind, [*numbers], low, high)


def _round_numbers(low: float, high: float, kind: str) -> list[float]:
    """1, 2 and 5 times powers of ten."""
    if kind == "log":
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        steps = (1, 2, 5) if len(decades) <= 3 else (1,)
        return [step * 10.0**decade for decade in decades for step in steps]
    rough = (high - low) / 3
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= rough)
    return [number * step for number in range(math.floor(low / step), math.ceil(high / step) + 1)]


def _is_number(value: Value) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
