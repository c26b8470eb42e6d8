"""The size of a network, as its config.json tells it: all that is taken from that file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from imdb_cls.errors import UserError
from imdb_cls.typed import filled, read_object

# What a BERT's config.json calls the same.
_OF_BERT = {
    "n_layers": "num_hidden_layers",
    "n_heads": "num_attention_heads",
    "dim": "hidden_size",
    "hidden_dim": "intermediate_size",
    "activation": "hidden_act",
}
# transformers would fetch code or other kernels for these.
_REFUSED = ("quantization_config", "auto_map", "attn_implementation", "_attn_implementation")
_KERNELS = ("eager", "sdpa")
_ACTIVATIONS = ("gelu", "gelu_new", "relu", "silu")
_MOST = 10_000_000


@dataclass(frozen=True)
class Shape:
    FILE: ClassVar[str] = "config.json"

    model_type: str
    """distilbert, or bert: without token types that is one."""
    vocab_size: int = 30522
    max_position_embeddings: int = 512
    n_layers: int = 6
    n_heads: int = 12
    dim: int = 768
    hidden_dim: int = 3072
    activation: str = "gelu"
    pad_token_id: int = 0
    initializer_range: float = 0.02

    @classmethod
    def read(cls, model: Path) -> "Shape":
        """Of the network in a directory. Raises UserError if there is none that could be ours."""
        file = model / cls.FILE
        values = read_object(file)
        if values.get("model_type") == "bert":
            values |= {ours: values.get(theirs) for ours, theirs in _OF_BERT.items()}
        found = filled(cls, values, file)
        found._check(file, values)
        return found

    def _check(self, file: Path, values: dict[str, Any]) -> None:
        if self.model_type not in ("distilbert", "bert"):
            raise UserError(f"{file}: a '{self.model_type}' model: allowed are distilbert and bert")
        for key in _REFUSED:
            if values.get(key) not in (None, *_KERNELS * key.endswith("attn_implementation")):
                raise UserError(f"{file}: {key} is set: only plain weights and kernels are loaded")
        for name in ("vocab_size", "max_position_embeddings", "n_layers", "n_heads", "dim"):
            if not 1 <= getattr(self, name) <= _MOST:
                raise UserError(f"{file}: {name}={getattr(self, name)} must be 1 to {_MOST}")
        if not 1 <= self.hidden_dim <= _MOST or self.dim % self.n_heads:
            raise UserError(
                f"{file}: dim={self.dim}, hidden_dim={self.hidden_dim} and n_heads={self.n_heads}"
                " are no network: dim must be a multiple of n_heads"
            )
        if self.activation not in _ACTIVATIONS:
            raise UserError(
                f"{file}: activation={self.activation}: allowed are {', '.join(_ACTIVATIONS)}"
            )
        if not 0 <= self.pad_token_id < self.vocab_size or not 0 < self.initializer_range < 1:
            raise UserError(
                f"{file}: pad_token_id={self.pad_token_id} must be below vocab_size, and"
                f" initializer_range={self.initializer_range} lie between 0 and 1"
            )
