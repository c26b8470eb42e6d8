"""How much each word of a review adds to what a network says of it: integrated gradients."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imdb_cls.inference.tokenizer import HeadTailTokenizer

# Steps of the Gauss-Legendre quadrature: the fewest are exact to a few per cent for most reviews.
_STEPS, _MOST_STEPS = 12, 96
# More steps are taken while the sum lacks more than this share of the difference in log-odds. A
# difference below 1 counts as 1: there is hardly anything to explain.
_TOLERANCE = 0.05
_AT_ONCE = 8
# Reviews x steps x tokens x weights that a page may take on a CPU: half a minute of two cores. A
# small network stays far below it.
_BUDGET, _FEWEST = 8e11, 2
_WORD = re.compile(r"<br\s*/?>|[^\s<]+|<")


@dataclass(frozen=True)
class Piece:
    """A word of a review."""

    start: int
    end: int
    """Where it stands in the text, in characters."""
    weight: float
    """What it adds to the log-odds of POSITIVE."""


@dataclass(frozen=True)
class Attribution:
    """What each word of a review adds, compared with a review of nothing but padding."""

    pieces: list[Piece]
    """The words that the model read, in their order."""
    log_odds: float
    """Of POSITIVE, for the review."""
    reference: float
    """Of POSITIVE, for the padding."""
    delta: float
    """The sum over all tokens less (log_odds - reference): how exact the integral is."""
    steps: int

    @property
    def heaviest(self) -> float:
        return max((abs(piece.weight) for piece in self.pieces), default=0.0)

    def top(self, text: str, most: int = 5) -> list[tuple[str, float]]:
        """The words that speak most for the predicted label, each with the sum of what it adds
        wherever it stands."""
        sign = 1 if self.log_odds > 0 else -1
        sums: dict[str, float] = {}
        for piece in self.pieces:
            word = re.sub(r"^\W+|\W+$", "", text[piece.start : piece.end]).lower()
            if re.search(r"[^\W\d_]", word) and word != "br":
                sums[word] = sums.get(word, 0.0) + piece.weight
        ranked = sorted(sums.items(), key=lambda item: -sign * item[1])
        return [(word, weight) for word, weight in ranked[:most] if sign * weight > 0]


def attribute(
    texts: list[str], model: Path, tokenizer: HeadTailTokenizer
) -> list[Attribution | None]:
    """The attributions of some reviews; None for those that would keep a CPU busy for too long.

    Args:
        model: the directory of a trained network.

    Raises:
        UserError: the network is damaged.
        ImportError: captum is not installed.
    """
    import torch
    from captum.attr import LayerIntegratedGradients

    from imdb_cls.inference.network import load_trained

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = load_trained(model)
    torch.nn.Module.to(network, device)
    # Only gradients by the embeddings' output are wanted, none by the weights.
    network.requires_grad_(False)

    def forward(ids: Any) -> Any:
        logits = network(ids, attention_mask=torch.ones_like(ids)).logits
        return logits[:, 1] - logits[:, 0]

    gradients = LayerIntegratedGradients(forward, network.distilbert.embeddings)
    weights = sum(p.numel() for p in network.distilbert.transformer.parameters())
    found: list[Attribution | None] = []
    spent = 0.0
    for text in texts:
        ids = tokenizer([text])["input_ids"][0]
        spent += weights * len(ids) * _STEPS
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
    steps = _STEPS
    while True:
        values, delta = gradients.attribute(
            given,
            padding,
            n_steps=steps,
            internal_batch_size=_AT_ONCE,
            return_convergence_delta=True,
        )
        missing = abs(float(delta))
        if missing <= _TOLERANCE * max(abs(log_odds - reference), 1.0) or steps >= _MOST_STEPS:
            break
        steps *= 2
    by_token = values[0].sum(-1).double().tolist()
    sums: dict[tuple[int, int], float] = {}
    for place, weight in zip(owners, by_token[1:-1], strict=True):
        sums[place] = sums.get(place, 0.0) + weight
    pieces = [Piece(start, end, weight) for (start, end), weight in sums.items()]
    return Attribution(pieces, log_odds, reference, float(delta), steps)


def words(text: str, tokenizer: HeadTailTokenizer) -> list[tuple[int, int]]:
    """[kept tokens but [CLS] and [SEP]]: the start and end of the word that each is part of. Words
    are separated by white space; a line break of HTML is a word too."""
    bounds = [match.span() for match in _WORD.finditer(text)]
    owners, number = [], 0
    for start, _ in kept_offsets(text, tokenizer):
        while number + 1 < len(bounds) and bounds[number][1] <= start:
            number += 1
        owners.append(bounds[number])
    return owners


def kept_offsets(text: str, tokenizer: HeadTailTokenizer) -> list[tuple[int, int]]:
    """[kept tokens but [CLS] and [SEP]]: where each starts and ends in the text."""
    offsets = tokenizer.backend.encode(text, add_special_tokens=False).offsets
    head, tail = tokenizer.ends
    if len(offsets) <= head + tail:
        return list(offsets)
    return [*offsets[:head], *(offsets[-tail:] if tail else [])]
