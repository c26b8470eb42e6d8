"""What a review is, and how a row of a source becomes one."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from imdb_cls.config import DataConfig
from imdb_cls.config.checks import check_columns
from imdb_cls.config.knobs import check_value
from imdb_cls.config.schema import SEPARATOR
from imdb_cls.errors import UserError, nearest
from imdb_cls.names import label_values, plain_label

LEFT_OUT = -1
"""The label of a review that is neither negative nor positive, and is not used."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Review:
    """One review; `where` says where it stands, for an error about it."""

    text: str
    label: int | None
    """0, 1 or LEFT_OUT; None if labels were not asked for."""
    where: str


@dataclass(frozen=True)
class Layout:
    """How a source holds reviews, as the keys of conf/data/base.yaml of the same names say it."""

    text: str = "text"
    label: str | None = "label"
    """The column of the labels; None: they are not read."""
    separator: str = "auto"
    negative: tuple[str, ...] = ()
    positive: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    """Further columns that every row must have."""

    @classmethod
    def of(cls, config: DataConfig) -> "Layout":
        own = tuple(config.negative), tuple(config.positive)
        return cls(config.text, config.label, config.separator, *own)

    def __post_init__(self) -> None:
        """Raises UserError for a layout that contradicts itself."""
        check_value("separator", self.separator, SEPARATOR)
        check_columns(self.text, self.label, self.negative, self.positive)

    @property
    def columns(self) -> list[str]:
        return [self.text, *([] if self.label is None else [self.label]), *self.also]

    @property
    def own_labels(self) -> bool:
        return bool(self.negative)

    @property
    def key(self) -> list[object]:
        """What the reviews of a file depend on, beside its content."""
        own = [] if self == Layout(self.text, self.label) else [self.separator, self.labels]
        return [self.text, self.label, *own]

    @cached_property
    def labels(self) -> dict[str, int]:
        return label_values(self.negative, self.positive)


def checked_review(row: Row, where: str, layout: Layout) -> Review:
    """The review of a row. Raises UserError as `checked_text` does, and for a label that means
    nothing, where there are none of one's own."""
    text = checked_text(row[layout.text], where, layout.text)
    if layout.label is None:
        return Review(text, None, where)
    value = row[layout.label]
    label = layout.labels.get(plain_label(value), LEFT_OUT if layout.own_labels else None)
    if label is None:
        raise UserError(
            f"{where}: {layout.label}={value!r}: allowed are 0/1, negative/positive, neg/pos and"
            " false/true; say what others mean, as in negative=[1,2] positive=[4,5]"
        )
    return Review(text, label, where)


def checked_text(value: Any, where: str, column: str = "text") -> str:
    """The text itself. Raises UserError for what is null, no text, or nothing but spaces."""
    if not isinstance(value, str):
        what = "null" if value is None else f"no text but {value!r}"
        raise UserError(f"{where}: {column} is {what}: every review needs a text")
    if not value.strip():
        raise UserError(f"{where}: {column} is empty: every review needs a text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise UserError(f"{where}: {column} holds half a character, which UTF-8 cannot") from None
    return value


def check_names(
    kind: str, names: list[str], found: Collection[str], where: str, advice: str = ""
) -> None:
    """Raises UserError if one of the columns or splits (the `kind`) is not among those found, or
    stands there more than once."""
    found = list(found)
    for name in names:
        if name not in found:
            raise UserError(
                f"{where}: no {kind} '{name}' among {', '.join(found) or 'none'}."
                f"{nearest(name, found)}{advice}"
            )
        if (times := found.count(name)) > 1:
            raise UserError(f"{where}: {times} {kind}s are called '{name}': rename all but one")
