"""How much each word of a review adds to what a network says of it: integrated gradients."""

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from imdb_cls.inference.tokenizer import HeadTailTokenizer
from imdb_cls.loading import importing

# Steps of the Gauss-Legendre quadrature, tried in turn until the figures are exact enough. For most
# reviews, 12 are exact to a few per cent.
_STEPS = (12, 24, 48, 96)
# The share of the difference in log-odds that the sum may lack. A difference below 1 counts as 1:
# there is hardly anything to explain.
_TOLERANCE = 0.05
_AT_ONCE = 8
# Reviews x steps x tokens x weights that a page may take on a CPU: half a minute of two cores. A
# small network stays far below it.
_BUDGET, _FEWEST = 8e11, 2
_WORD = re.compile(r"<br\s*/?>|[^\s<]+|<")


@dataclass(frozen=True)
class Attribution:
    """What each word of a review adds, compared with a review of nothing but padding."""

    words: dict[tuple[int, int], float]
    """What each word adds to the log-odds of POSITIVE, by its start and end in the text. Only words
    that the model read are in it, in their order."""
    log_odds: float
    """Of POSITIVE, for the review."""
    reference: float
    """Of POSITIVE, for the padding."""
    delta: float
    """The sum over all tokens less (log_odds - reference): how exact the integral is."""
    steps: int

    def top(self, text: str) -> list[tuple[str, float]]:
        """The five words that speak most for the predicted label, each with the sum of what it adds
        wherever it stands."""
        sign = 1 if self.log_odds > 0 else -1
        sums: dict[str, float] = {}
        for (start, end), weight in self.words.items():
            word = re.sub(r"^\W+|\W+$", "", text[start:end]).lower()
            if re.search(r"[^\W\d_]", word) and word != "br":
                sums[word] = sums.get(word, 0.0) + weight
        ranked = sorted(sums.items(), key=lambda item: -sign * item[1])
        return [(word, weight) for word, weight in ranked[:5] if sign * weight > 0]


def attribute(
    texts: list[str], model_dir: Path, tokenizer: HeadTailTokenizer
) -> list[Attribution | None]:
    """The attributions of some reviews; None for those that would keep a CPU busy for too long.

    Raises:
        UserError: the network is damaged.
        ImportError: captum is not installed.
    """
    with importing(freeze=False):
        import torch
        from captum.attr import LayerIntegratedGradients

        from imdb_cls.inference.forward import logits
        from imdb_cls.inference.network import load_trained

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = load_trained(model_dir)
    torch.nn.Module.to(network, device)
    # Only gradients by the embeddings' output are wanted, none by the weights.
    network.requires_grad_(False)

    def forward(ids: Any) -> Any:
        found = logits(network, ids)
        return found[:, 1] - found[:, 0]

    gradients = LayerIntegratedGradients(forward, network.distilbert.embeddings)
    weights = sum(p.numel() for p in network.distilbert.transformer.parameters())
    found: list[Attribution | None] = []
    spent = 0.0
    for text in texts:
        ids = tokenizer([text])["input_ids"][0]
        spent += weights * len(ids) * _STEPS[0]
        if device.type == "cpu" and spent > _BUDGET and len(found) >= _FEWEST:
            found.append(None)
            continue
        found.append(_integrated(gradients, forward, ids, words(text, tokenizer), tokenizer.pad_id))
    return found


def _integrated(
    gradients: Any, forward: Any, ids: list[int], owners: list[tuple[int, int]], pad: int
) -> Attribution:
    """Integrates with as many steps as it takes for the tokens to add up to the difference in
    log-odds (Sundararajan et al. 2017, "Axiomatic Attribution for Deep Networks", section 5)."""
    import torch

    device = next(gradients.layer.parameters()).device
    given = torch.tensor([ids], device=device)
    padding = torch.full_like(given, pad)
    padding[0, 0], padding[0, -1] = given[0, 0], given[0, -1]
    with torch.no_grad():
        log_odds, reference = float(forward(given)), float(forward(padding))
    integrate = partial(gradients.attribute, given, padding, return_convergence_delta=True)
    for steps in _STEPS:
        values, delta = integrate(n_steps=steps, internal_batch_size=_AT_ONCE)
        if abs(float(delta)) <= _TOLERANCE * max(abs(log_odds - reference), 1.0):
            break
    by_token = values[0].sum(-1).double().tolist()
    by_word: dict[tuple[int, int], float] = {}
    for place, weight in zip(owners, by_token[1:-1], strict=True):
        by_word[place] = by_word.get(place, 0.0) + weight
    return Attribution(by_word, log_odds, reference, float(delta), steps)


def words(text: str, tokenizer: HeadTailTokenizer) -> list[tuple[int, int]]:
    """[kept tokens but [CLS] and [SEP]]: the start and end of the word that each is part of. Words
    are separated by white space; a line break of HTML is a word too."""
    bounds = [match.span() for match in _WORD.finditer(text)]
    ends = [end for _, end in bounds[:-1]]
    return [bounds[bisect_right(ends, start)] for start, _ in kept_offsets(text, tokenizer)]


def kept_offsets(text: str, tokenizer: HeadTailTokenizer) -> list[tuple[int, int]]:
    """[kept tokens but [CLS] and [SEP]]: where each starts and ends in the text."""
    offsets = tokenizer.backend.encode(text, add_special_tokens=False).offsets
    head, tail = tokenizer.ends
    if len(offsets) <= head + tail:
        return list(offsets)
    return [*offsets[:head], *offsets[len(offsets) - tail :]]
