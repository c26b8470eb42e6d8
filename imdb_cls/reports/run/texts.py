"""The text of a review as a page shows it: its words coloured, and what was not read left out."""

import re
from dataclasses import dataclass

from imdb_cls.inference.tokenizer import HeadTailTokenizer
from imdb_cls.reports.run.attribution import Attribution, kept_offsets

# The most characters of a stretch that are shown: nobody reads more.
_MOST = 4000


@dataclass(frozen=True)
class Span:
    """A stretch of text."""

    text: str
    kind: str = ""
    """positive or negative: what a word speaks for; cut: a note on what was left out; break: a
    line break."""
    strength: int = 0
    """How strong its colour is, in per cent."""


def spans(text: str, tokenizer: HeadTailTokenizer, attribution: Attribution | None) -> list[Span]:
    """The parts of a review that were read, with a note in place of the tokens between them."""
    offsets = kept_offsets(text, tokenizer)
    whole = len(tokenizer.backend.encode(text, add_special_tokens=False).ids)
    if len(offsets) == whole:
        return _coloured(text, 0, len(text), attribution)
    head, _ = tokenizer.ends
    first = offsets[head - 1][1] if head else 0
    last = offsets[head][0] if len(offsets) > head else len(text)
    return [
        *_coloured(text, 0, first, attribution),
        Span(f"[… {whole - len(offsets):,} tokens left out …]", "cut"),
        *_coloured(text, last, len(text), attribution),
    ]


def _coloured(text: str, start: int, end: int, attribution: Attribution | None) -> list[Span]:
    """The text between two places, its words coloured by what they add."""
    found, place = [], start
    words = attribution.words if attribution else {}
    heaviest = max(map(abs, words.values()), default=0.0) or 1.0
    for (first, last), weight in words.items():
        # Of a word that the truncation cuts in two, only the part before the cut is coloured.
        if first < start or first >= end:
            continue
        found += _plain(text[place:first])
        place = min(last, end)
        word = text[first:place]
        strength = round(100 * abs(weight) / heaviest)
        # A fainter colour could not be seen.
        if strength < 5 or re.fullmatch(r"<br\s*/?>", word):
            found += _plain(word)
        else:
            found.append(Span(word, "positive" if weight > 0 else "negative", strength))
    return [*found, *_plain(text[place:end])]


def _plain(text: str) -> list[Span]:
    """The text without colours. Line breaks of HTML become breaks."""
    found: list[Span] = []
    for number, line in enumerate(re.split(r"(?:\s*<br\s*/?>\s*)+", text[:_MOST])):
        if number:
            found.append(Span("", "break"))
        if line:
            found.append(Span(line))
    if len(text) > _MOST:
        found.append(Span(f"[… {len(text) - _MOST:,} characters not shown …]", "cut"))
    return found
