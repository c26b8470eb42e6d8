"""Reviews to look at: the most confident mistakes, and labels that may be wrong."""

from dataclasses import dataclass

import numpy as np

from imdb_cls.errors import UserError, one_line
from imdb_cls.names import LABELS
from imdb_cls.reports.page import percent, signed
from imdb_cls.reports.run.attribution import Attribution, attribute
from imdb_cls.reports.run.baseline import Baseline
from imdb_cls.reports.run.facts import Facts
from imdb_cls.reports.run.label_errors import Pool, place, pools_of, scored_name, suspects
from imdb_cls.reports.run.texts import Span, spans

_MISTAKES, _SUSPECTS = 8, 8


@dataclass(frozen=True)
class Example:
    """A review, and what is known of it."""

    split: str
    row: int
    """In its source."""
    given: str
    said: str
    """The predicted label, and how sure the model is of it."""
    baseline: str
    """The same of the baseline; empty where it is not asked."""
    length: str
    words: list[tuple[str, str, str]]
    """Those that speak most for the predicted label: word, kind of Span, log-odds that it adds."""
    exactness: str
    """What the words' figures add up to; empty without any."""
    text: list[Span]
    above: int | None = None
    """The place in the list of mistakes where the text stands already."""


@dataclass(frozen=True)
class Examples:
    mistakes: list[Example]
    no_words: str
    """Why some of them have no words; empty if all have."""
    suspects: list[Example]
    suspects_said: str


def examples(facts: Facts) -> Examples | str:
    """The texts of reviews to look at; or why there are none."""
    if facts.scored is None or facts.texts is None:
        return facts.no_texts or "nothing was scored"
    try:
        found, no_words = _mistakes(facts)
        doubted, said = _suspects(facts, [(m.split, m.row) for m in found])
    except (UserError, OSError, KeyError) as error:
        return one_line(error)
    return Examples(found, no_words, doubted, said)


def _mistakes(facts: Facts) -> tuple[list[Example], str]:
    assert facts.scored is not None
    assert facts.texts is not None
    sure = np.abs(facts.scored.log_odds)
    wrong = np.flatnonzero(~facts.scored.correct)
    rows = wrong[np.argsort(-sure[wrong], kind="stable")][:_MISTAKES]
    texts = [facts.texts[row] for row in rows]
    found, no_words = _attributions(facts, texts)
    return [
        _example(facts, int(row), text, attribution)
        for row, text, attribution in zip(rows, texts, found, strict=True)
    ], no_words


def _attributions(facts: Facts, texts: list[str]) -> tuple[list[Attribution | None], str]:
    nothing: list[Attribution | None] = [None] * len(texts)
    try:
        found = attribute(texts, facts.run.model_dir, facts.tokenizer)
    except ImportError as error:
        return nothing, f"No words are coloured: it takes captum, which is not installed ({error})."
    except (UserError, RuntimeError) as error:  # a damaged network, or a GPU without room
        return nothing, f"No words are coloured: {one_line(error)}."
    few = sum(attribution is not None for attribution in found)
    if few == len(found):
        return found, ""
    return found, (
        f"Words are coloured in the first {few} only: on a CPU, a network of this size and reviews"
        " of this length take long."
    )


def _example(
    facts: Facts,
    row: int,
    text: str,
    attribution: Attribution | None = None,
    above: int | None = None,
) -> Example:
    assert facts.scored is not None
    tokens, cut = int(facts.scored.tokens[row]), bool(facts.scored.truncated[row])
    words, exactness = [], ""
    if attribution:
        for word, weight in attribution.top(text):
            kind = "positive" if weight > 0 else "negative"
            words.append((word, kind, signed(weight, 2)))
        exactness = (
            f"log-odds {signed(attribution.log_odds, 2)}, of padding alone"
            f" {signed(attribution.reference, 2)}; the tokens' sum is off the difference by"
            f" {abs(attribution.delta):.2f} ({attribution.steps} steps)"
        )
    return Example(
        split=scored_name(facts),
        row=int(facts.scored.index[row]),
        given=LABELS[int(facts.scored.label[row])],
        said=_said(float(facts.scored.probability[row])),
        baseline="",
        length=f"{tokens:,} tokens" + ", truncated" * cut,
        words=words,
        exactness=exactness,
        text=[] if above else spans(text, facts.tokenizer, attribution),
        above=above,
    )


def _said(probability: float) -> str:
    sure = max(probability, 1 - probability)
    return f"{LABELS[int(probability > 0.5)]} {percent(sure) if sure < 0.9995 else '> 99.9 %'}"


def _suspects(facts: Facts, above: list[tuple[str, int]]) -> tuple[list[Example], str]:
    pools = pools_of(facts)
    found = suspects(pools)
    if isinstance(found, str):
        return [], f"Label errors were not looked for: {found}."
    shown = []
    for number in found.rows[:_SUSPECTS]:
        pool, row = place(pools, int(number))
        shown.append(_suspect(facts, pool, row, above))
    two = isinstance(facts.baseline, Baseline)
    by = "the network and the baseline, averaged" if two else "the network"
    where = " and ".join(f"{len(pool.label):,} {pool.split}" for pool in pools)
    return shown, (
        f"Confident learning (cleanlab) on the probabilities of {by}, for {where} reviews that"
        f" neither was trained on: {len(found.rows):,} candidates,"
        f" {percent(len(found.rows) / found.n)}. These are candidates, not verdicts: most are"
        " likely reviews that are hard, or that the models get wrong. Read them."
    )


def _suspect(facts: Facts, pool: Pool, row: int, above: list[tuple[str, int]]) -> Example:
    review = (pool.split, int(pool.index[row]))
    number = above.index(review) + 1 if review in above else None
    text = pool.texts[row]
    tokens = len(facts.tokenizer.backend.encode(text, add_special_tokens=False).ids) + 2
    return Example(
        split=pool.split,
        row=review[1],
        given=LABELS[int(pool.label[row])],
        said=_said(float(pool.network[row])),
        baseline="" if pool.baseline is None else _said(float(pool.baseline[row])),
        length=f"{tokens:,} tokens" + ", truncated" * (tokens > facts.tokenizer.max_length),
        words=[],
        exactness="",
        text=[] if number else spans(text, facts.tokenizer, None),
        above=number,
    )
