"""Which words made a network say what it said: integrated gradients, a figure a word."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imdb_cls.inference.tokenizer import HeadTailTokenizer

# Of Gauss-Legendre's quadrature, which is exact to a few per cent with so few.
_STEPS, _MOST_STEPS = 12, 96
# Share of the difference that may be missing from the sum before more steps are taken; of one below
# 1, that is hardly a difference, as much as of 1.
_TOLERANCE = 0.05
_AT_ONCE = 8
# Reviews x steps x tokens x weights that a page takes on a CPU: half a minute of two cores. All of
# a small network's reviews are far below it.
_BUDGET, _FEWEST = 8e11, 2
_WORD = re.compile(r"<br\s*/?>|[^\s<]+|<")


@dataclass(frozen=True)
class Piece:
    """A stretch of a review's text."""

    start: int
    end: int
    """Of its characters."""
    weight: float
    """What it adds to the log-odds of POSITIVE; 0 of what stands between words."""


@dataclass(frozen=True)
class Attribution:
    """A review's words with what each adds, against a review of nothing but padding."""

    pieces: list[Piece]
    """Words that the model read, in their order."""
    log_odds: float
    """Of the review, POSITIVE against NEGATIVE."""
    reference: float
    """Of the padding."""
    delta: float
    """Sum of all tokens' figures less (log_odds - reference): how exact the integral is."""
    steps: int

    @property
    def heaviest(self) -> float:
        return max((abs(piece.weight) for piece in self.pieces), default=0.0)

    def top(self, text: str, most: int = 5) -> list[tuple[str, float]]:
        """The words that add most to the label that was predicted, each once, and what they add
        where they stand together."""
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
    """The attributions of some reviews; None for those beyond what a CPU can do while one waits.

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
    # Gradients are of the embeddings' output only.
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
    """With as many steps as it takes for the figures to add up to the difference (Sundararajan et
    al. 2017, "Axiomatic Attribution for Deep Networks", section 5)."""
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
    """[kept tokens but [CLS] and [SEP]]: the start and end of the word that each is part of. A word
    is what stands between blanks, or a line break of HTML."""
    bounds = [match.span() for match in _WORD.finditer(text)]
    owners, number = [], 0
    for start, _ in kept_offsets(text, tokenizer):
        while number + 1 < len(bounds) and bounds[number][1] <= start:
            number += 1
        owners.append(bounds[number])
    return owners


def kept_offsets(text: str, tokenizer: HeadTailTokenizer) -> list[tuple[int, int]]:
    """[kept tokens but [CLS] and [SEP]]: where each stands in the text."""
    offsets = tokenizer.backend.encode(text, add_special_tokens=False).offsets
    head, tail = tokenizer.ends
    if len(offsets) <= head + tail:
        return list(offsets)
    return [*offsets[:head], *(offsets[-tail:] if tail else [])]
