"""A BERT without token types is a DistilBERT: the same weights under other names.

DistilBERT (Sanh et al. 2019) is BERT's architecture without token types and pooler. All tokens of a
review have type 0: the embedding of that type is added to those of the positions.
"""

import torch

_RENAMED = (
    ("encoder.layer.", "transformer.layer."),
    ("attention.self.query.", "attention.q_lin."),
    ("attention.self.key.", "attention.k_lin."),
    ("attention.self.value.", "attention.v_lin."),
    ("attention.output.dense.", "attention.out_lin."),
    ("attention.output.LayerNorm.", "sa_layer_norm."),
    ("intermediate.dense.", "ffn.lin1."),
    ("output.dense.", "ffn.lin2."),
    ("output.LayerNorm.", "output_layer_norm."),
)
_POSITIONS = "embeddings.position_embeddings.weight"
_TYPES = "embeddings.token_type_embeddings.weight"
_DROPPED = ("pooler.", "cls.", "classifier.", "embeddings.position_ids", _TYPES)


def convert_weights(bert: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A BertModel's state dict as a DistilBertModel's."""
    bert = {name.removeprefix("bert."): weight for name, weight in bert.items()}
    converted = {}
    for name, weight in bert.items():
        if name.startswith(_DROPPED):
            continue
        for old, new in _RENAMED:
            name = name.replace(old, new)
        converted[name] = weight
    converted[_POSITIONS] = converted[_POSITIONS] + bert[_TYPES][0]
    return converted
