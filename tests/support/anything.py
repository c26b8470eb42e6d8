"""What hypothesis can make of the world outside: texts, JSON, files, and ways to harm them."""

import json
from collections.abc import Callable
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from imdb_cls.errors import UserError

few = settings(max_examples=max(6, settings().max_examples // 5))
"""For a test whose examples take long."""

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
"""Any text that UTF-8 can hold."""
REVIEWS = TEXTS.filter(str.strip)
"""What can be a review: not only spaces."""

_DIGITS = "<4,400 digits>"
_HUGE = st.sampled_from([_DIGITS, 2**31, -(2**63), 2**64, 10**30, 1e308, -0.0])
_SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | _HUGE | st.text(max_size=20) | TEXTS
)
JSON = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
"""Any value that Python's json reads: NaN, huge numbers and halves of characters, too."""


VALUES = (
    st.integers().map(str)
    | st.floats().map(str)
    | st.sampled_from(["null", "true", "[]", "{}", "[1,2]", "{a: 1}", "'x'", "${seed}", "???", ""])
    | st.sampled_from(["1e5", "1_000", "0x10", "010", "~", "2026-01-01", "12:30", "nan", "-inf"])
    | st.sampled_from(["${oc.env:HOME}", "${nowhere}", "${", "[[[]]]", "a b", "1" * 400, "\n"])
    | TEXTS
)
"""What is typed behind key=."""


def changed(values: Any) -> st.SearchStrategy[Any]:
    """A JSON value in which one of those inside is another, missing, or a neighbour's."""
    places = list(_places(values))

    @st.composite
    def make(draw: st.DrawFn) -> Any:
        copy = json.loads(json.dumps(values))
        for _ in range(draw(st.integers(1, 3))):
            *way, last = draw(st.sampled_from(places))
            holder = copy
            for step in way:
                holder = holder[step] if _has(holder, step) else None
            if not _has(holder, last):
                continue
            if draw(st.integers(0, 5)):
                holder[last] = draw(JSON)
            else:
                del holder[last]
        return copy

    return make()


def _has(holder: Any, step: Any) -> bool:
    if isinstance(holder, dict):
        return step in holder
    return isinstance(holder, list) and isinstance(step, int) and step < len(holder)


def _places(values: Any, way: tuple[Any, ...] = ()) -> Any:
    pairs = values.items() if isinstance(values, dict) else enumerate(values)
    for step, value in pairs:
        yield (*way, step)
        if isinstance(value, dict | list):
            yield from _places(value, (*way, step))


def harmed(content: bytes) -> st.SearchStrategy[bytes]:
    """Bytes in whose place others stand, or that are cut, or any bytes at all."""

    @st.composite
    def make(draw: st.DrawFn) -> bytes:
        found = bytearray(content)
        for _ in range(draw(st.integers(1, 3))):
            start = draw(st.integers(0, len(found)))
            stop = min(len(found), start + draw(st.integers(0, 40)))
            found[start:stop] = draw(st.binary(max_size=40) | st.just(bytes(stop - start)))
        return bytes(found)

    cut = st.integers(0, len(content)).map(lambda end: content[:end])
    return make() | cut | st.binary(max_size=200)


def refusal(act: Callable[[], object]) -> str | None:
    """The one line of the UserError that this ends with, or None; any other exception is raised."""
    try:
        act()
    except UserError as error:
        said = str(error)
        assert said.strip()
        return said
    return None


def dumped(values: Any) -> str:
    """As JSON, with numbers of so many digits that Python converts none."""
    return json.dumps(values).replace(f'"{_DIGITS}"', "9" * 4400)
