"""What all pages are made of: the template environment, tables, and how numbers are written."""

from dataclasses import dataclass, field
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup


@dataclass(frozen=True)
class Column:
    name: str
    kind: str = ""
    """A class of the style sheet: words, test or nothing."""


@dataclass(frozen=True)
class Cell:
    text: str
    sort: str | None = None
    """What to sort by, if not by the text."""
    link: str | None = None


@dataclass(frozen=True)
class Line:
    cells: list[Cell]
    best: bool = False


@dataclass(frozen=True)
class Content:
    """A table."""

    columns: list[Column]
    rows: list[Line]


@dataclass(frozen=True)
class Picture:
    """A plot with what one sees on it, and what its colours stand for."""

    svg: Markup
    caption: str
    legend: list[tuple[str, str]] = field(default_factory=list)
    """Labels, and the colours' names in the style sheet."""


def environment(directory: Path) -> Environment:
    """Templates of a page's own directory, and those that all pages share."""
    return Environment(
        loader=FileSystemLoader([directory, Path(__file__).parent]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_unbroken,
    )


def _unbroken(value: object) -> object:
    """No line ends before a per cent sign."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return value.replace(" %", "\N{NO-BREAK SPACE}%")
    return value


def duration(seconds: float) -> str:
    """0.3 s, 45 s, 12 min 5 s, 3 h 20 min."""
    if 0 < seconds < 2:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def percent(share: float) -> str:
    """86.6 %"""
    return f"{100 * share:.1f} %"


def signed(value: float, digits: int) -> str:
    """+1.2, −0.5; without a sign what is rounded to 0."""
    text = f"{value:+.{digits}f}"
    return text[1:] if float(text) == 0 else text.replace("-", "−")


def points(difference: float) -> str:
    """A difference of two shares: +1.2 points."""
    return f"{signed(100 * difference, 1)} points"


def p_value(p: float) -> str:
    """p = 0.032; below what anybody reads, p < 0.0001."""
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.2g}"
