"""The text of a review as a page shows it: what was read, what was left out, what each word did."""

import re
from dataclasses import dataclass

from imdb_cls.inference.tokenizer import HeadTailTokenizer
from imdb_cls.reports.run.attribution import Attribution, kept_offsets

# Characters that are shown of one stretch, of a review that is longer than anybody reads.
_MOST = 4000


@dataclass(frozen=True)
class Span:
    """A stretch of text, to be escaped."""

    text: str
    kind: str = ""
    """positive or negative: what its words speak for; cut: a note on what was left out; break."""
    strength: int = 0
    """Of the colour, in per cent."""


def spans(text: str, tokenizer: HeadTailTokenizer, attribution: Attribution | None) -> list[Span]:
    """The kept parts of a review, with a note in the place of the middle that was not read."""
    offsets = kept_offsets(text, tokenizer)
    whole = len(tokenizer.backend.encode(text, add_special_tokens=False).ids)
    if len(offsets) == whole:
        return _with_weights(text, 0, len(text), attribution)
    head, _ = tokenizer.ends
    first = offsets[head - 1][1] if head else 0
    last = offsets[head][0] if len(offsets) > head else len(text)
    return [
        *_with_weights(text, 0, first, attribution),
        Span(f"[… {whole - len(offsets):,} tokens left out …]", "cut"),
        *_with_weights(text, last, len(text) if last < len(text) else last, attribution),
    ]


def _with_weights(text: str, start: int, end: int, attribution: Attribution | None) -> list[Span]:
    """The text between two characters, its words coloured by what they add."""
    found, place = [], start
    heaviest = attribution.heaviest if attribution else 0.0
    for piece in attribution.pieces if attribution else []:
        # A word that is cut in two is shown on the side where it begins.
        if piece.start < start or piece.start >= end:
            continue
        found += _plain(text[place : piece.start])
        stop = min(piece.end, end)
        strength = round(100 * abs(piece.weight) / heaviest) if heaviest else 0
        kind = "positive" if piece.weight > 0 else "negative"
        word = text[piece.start : stop]
        # Below it nobody sees the colour.
        if strength < 5 or re.fullmatch(r"<br\s*/?>", word):
            found += _plain(word)
        else:
            found.append(Span(word, kind, strength))
        place = max(place, stop)
    return [*found, *_plain(text[place:end])]


def _plain(text: str) -> list[Span]:
    """Text without colours; the line breaks of HTML become breaks."""
    found: list[Span] = []
    for number, line in enumerate(re.split(r"(?:\s*<br\s*/?>\s*)+", text[:_MOST])):
        if number:
            found.append(Span("", "break"))
        if line:
            found.append(Span(line))
    if len(text) > _MOST:
        found.append(Span(f"[… {len(text) - _MOST:,} characters not shown …]", "cut"))
    return found
