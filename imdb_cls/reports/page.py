"""What every page is made of: tables, and the template around them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any, Generic, TypeVar

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from imdb_cls.errors import printable
from imdb_cls.reports.formats import setting
from imdb_cls.reports.svg import level_colours, variable
from imdb_cls.storage import write_text

Row = TypeVar("Row")
Content = dict[str, Any]
"""What a template shows, by the names that the template has for it."""


@dataclass(frozen=True)
class Column(Generic[Row]):
    """A column of a table: its name, and how its cells follow from the rows."""

    name: str
    text: Callable[[Row], str]
    kind: str = ""
    """A class of the style sheet: words, test or nothing."""
    sort: Callable[[Row], str] | None = None
    """What to sort by, if not by the text."""
    link: Callable[[Row], str | None] | None = None
    optional: bool = False
    """Whether it is left out if all its cells are empty."""


@dataclass(frozen=True)
class Table(Generic[Row]):
    rows: Sequence[Row]
    columns: Sequence[Column[Row]]
    best_first: bool = False
    """Whether the first row stands out."""

    @property
    def shown_columns(self) -> list[Column[Row]]:
        return [c for c in self.columns if not c.optional or any(map(c.text, self.rows))]


def text_columns(*names: str, words: int = 1) -> list[Column[Sequence[str]]]:
    """Columns for rows of texts. The first `words` of them are of words, the others of figures."""
    return [
        Column(name, itemgetter(number), "words" if number < words else "")
        for number, name in enumerate(names)
    ]


def setting_column(key: str, name: str) -> Column[Any]:
    """The column of a key, for rows that have the values of keys in `differs`."""
    return Column(name, lambda row: setting(row.differs, key))


def write(path: Path, directory: Path, content: Content) -> None:
    """Writes a page, whole or not at all. Its template is the page.html of a directory."""
    write_text(path, render(directory, content))


def render(directory: Path, content: Content) -> str:
    """The page that a directory's page.html makes of the content."""
    environment = Environment(
        loader=FileSystemLoader([directory, Path(__file__).parent]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_unbroken,
    )
    environment.filters["variable"] = variable
    colours = {"light": level_colours(dark=False), "dark": level_colours(dark=True)}
    text = environment.get_template("page.html").render(**content, **colours)
    # Reviews and names come from anywhere, and stand in plots too.
    return printable(text)


def _unbroken(value: object) -> object:
    """Keeps a per cent sign on the line of its number."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return value.replace(" %", "\N{NO-BREAK SPACE}%")
    return value
