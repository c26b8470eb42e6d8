"""Reviews to look at: the most confident mistakes, and labels that may be wrong."""

import numpy as np

from imdb_cls.errors import UserError, one_line
from imdb_cls.names import LABELS
from imdb_cls.reports.formats import percent, signed
from imdb_cls.reports.page import Content
from imdb_cls.reports.run.attribution import Attribution, attribute
from imdb_cls.reports.run.label_errors import Pool, pools_of, suspects
from imdb_cls.reports.run.results import RunResults
from imdb_cls.reports.run.texts import spans

_MISTAKES, _SUSPECTS = 8, 8


def examples(results: RunResults) -> Content:
    """The texts of reviews to look at; or `why_not`, if there are none."""
    if results.scored is None or results.reviews is None:
        return {"why_not": results.no_reviews or "nothing was scored"}
    texts = results.reviews.texts()
    try:
        pools = pools_of(results, results.scored, texts)
        sure = np.abs(results.scored.log_odds)
        wrong = np.flatnonzero(~results.scored.correct)
        mistakes = wrong[np.argsort(-sure[wrong], kind="stable")][:_MISTAKES].tolist()
        found, no_words = _attributions(results, [texts[row] for row in mistakes])
        shown = [_example(results, pools[0], *pair) for pair in zip(mistakes, found, strict=True)]
        doubted, summary = _suspects(results, pools, mistakes)
    except (UserError, OSError, KeyError) as error:
        return {"why_not": one_line(error)}
    return {
        "why_not": "",
        "mistakes": shown,
        "no_words": no_words,
        "suspects": doubted,
        "suspects_summary": summary,
    }


def _attributions(results: RunResults, texts: list[str]) -> tuple[list[Attribution | None], str]:
    """The attributions of some texts, and why some of them have none."""
    nothing: list[Attribution | None] = [None] * len(texts)
    try:
        found = attribute(texts, results.run.model_dir, results.tokenizer)
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


def _example(results: RunResults, pool: Pool, row: int, attribution: Attribution | None) -> Content:
    """A review and what is known of it. The attribution colours its words, and names those that
    speak most for the predicted label."""
    text, network = pool.texts[row], pool.network
    words, exactness = [], ""
    if attribution:
        words = [
            (word, "positive" if weight > 0 else "negative", signed(weight, 2))
            for word, weight in attribution.top(text)
        ]
        exactness = (
            f"log-odds {signed(attribution.log_odds, 2)}, of padding alone"
            f" {signed(attribution.reference, 2)}; the tokens' sum is off the difference by"
            f" {abs(attribution.delta):.2f} ({attribution.steps} steps)"
        )
    return {
        "split": pool.split,
        "row": int(network.index[row]),
        "given": LABELS[int(network.label[row])],
        "predicted": _predicted(float(network.probability[row])),
        "baseline": "",
        "length": f"{network.tokens[row]:,} tokens" + ", truncated" * bool(network.truncated[row]),
        "words": words,
        "exactness": exactness,
        "text": spans(text, results.tokenizer, attribution),
        "above": None,
    }


def _predicted(probability: float) -> str:
    """The predicted label, and how sure a model is of it."""
    sure = max(probability, 1 - probability)
    return f"{LABELS[int(probability > 0.5)]} {percent(sure) if sure < 0.9995 else '> 99.9 %'}"


def _suspects(
    results: RunResults, pools: list[Pool], mistakes: list[int]
) -> tuple[list[Content], str]:
    found = suspects(pools)
    if isinstance(found, str):
        return [], f"Label errors were not looked for: {found}."
    shown = []
    for pool, row in found[:_SUSPECTS]:
        example = _example(results, pool, row, None)
        if pool.baseline is not None:
            example["baseline"] = _predicted(float(pool.baseline[row]))
        if pool is pools[0] and row in mistakes:
            # Where its text stands already.
            example["above"] = mistakes.index(row) + 1
        shown.append(example)
    by = "the network" + " and the baseline, averaged" * (pools[0].baseline is not None)
    where = " and ".join(f"{len(pool.network):,} {pool.split}" for pool in pools)
    share = percent(len(found) / sum(len(pool.network) for pool in pools))
    return shown, (
        f"Confident learning (cleanlab) on the probabilities of {by}, for {where} reviews that"
        f" neither was trained on: {len(found):,} candidates, {share}. These are candidates, not"
        " verdicts: most are likely reviews that are hard, or that the models get wrong. Read them."
    )
