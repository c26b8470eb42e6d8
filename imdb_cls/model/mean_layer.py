"""A layer that lets a DistilBERT's classifier read the mean of all tokens.

The classifier reads the first token. A sentence embedding's encoder was trained to give its
sentence as the mean of its tokens (Reimers & Gurevych 2019, "Sentence-BERT", section 3). One more
layer brings the mean to where the classifier reads, so that the network is still a plain
DistilBERT: it begins as LayerNorm(first token + mean of all tokens), and is trained like the
others.
"""

import torch

from imdb_cls.inference.shape import Shape

_LAYER = "distilbert.transformer.layer.{}."


def has_mean_layer(weights: dict[str, torch.Tensor], layers: int) -> bool:
    """Whether the last of so many layers is one of these: its queries and keys are 0, and stay so,
    because neither has a gradient while the other is 0."""
    last = _LAYER.format(layers - 1)
    parts = [last + f"attention.{kind}_lin.weight" for kind in "qk"]
    return all(part in weights and not weights[part].any() for part in parts)


def mean_layer(shape: Shape) -> dict[str, torch.Tensor]:
    """The weights of the layer behind those of a network. With queries and keys of 0 every token
    gets the same attention; values and output pass it on. The feed-forward part adds nothing at
    first: its second matrix is 0, the first one is drawn from torch's generator."""
    width, inner = shape.dim, shape.hidden_dim
    one, drawn = torch.eye(width), torch.randn(inner, width) * shape.initializer_range
    linears = {
        "attention.q_lin": torch.zeros(width, width),
        "attention.k_lin": torch.zeros(width, width),
        "attention.v_lin": one,
        "attention.out_lin": one.clone(),
        "ffn.lin1": drawn,
        "ffn.lin2": torch.zeros(width, inner),
    }
    weights: dict[str, torch.Tensor] = {}
    for name, weight in linears.items():
        weights |= {f"{name}.weight": weight, f"{name}.bias": torch.zeros(len(weight))}
    for name in ("sa_layer_norm", "output_layer_norm"):
        weights |= {f"{name}.weight": torch.ones(width), f"{name}.bias": torch.zeros(width)}
    return {_LAYER.format(shape.n_layers) + name: weight for name, weight in weights.items()}
