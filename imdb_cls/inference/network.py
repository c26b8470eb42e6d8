"""The trained network in torch, on any device and in any precision."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from transformers import DistilBertConfig, DistilBertForSequenceClassification

from imdb_cls.errors import UserError, translated
from imdb_cls.inference import forward
from imdb_cls.inference.engine import Advance, Engine, Ids, Lengths, Logits, Rows
from imdb_cls.inference.padding import eval_batches, pad
from imdb_cls.inference.settings import check_file
from imdb_cls.inference.shape import Shape
from imdb_cls.names import LABELS
from imdb_cls.storage import readable

WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class TorchEngine(Engine):
    network: DistilBertForSequenceClassification
    pad_id: int
    device: torch.device
    precision: str
    batch_size: int

    @property
    def name(self) -> str:
        return f"torch {self.precision}"

    @torch.inference_mode()
    def logits(self, lengths: Lengths, ids: Ids, advance: Advance = lambda _: None) -> Logits:
        # The reviews go in batches of like length.
        torch.nn.Module.to(self.network, self.device)
        self.network.train(False)
        found = np.empty((len(lengths), len(LABELS)), dtype=np.float64)
        pending: list[tuple[Rows, torch.Tensor]] = []
        kind = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}.get(self.precision)
        with torch.autocast(self.device.type, kind, enabled=kind is not None):
            for rows in eval_batches(lengths, self.batch_size):
                batch = pad(ids(rows), rows, self.pad_id).to(self.device)
                answer = forward.logits(self.network, batch.input_ids, batch.attention_mask)
                pending.append((rows, answer))
                advance(len(rows))
        # They are read at the end, so that a GPU is not waited for after every batch.
        for rows, answer in pending:
            found[rows] = answer.cpu().double().numpy()
        return found


def load_trained(path: Path) -> DistilBertForSequenceClassification:
    """The network of a run's model/ directory, in eval mode. Nothing but config.json and
    model.safetensors is read. Raises UserError if they are damaged."""
    shape, weights = Shape.read(path), read_weights(path)
    check_fit(shape, weights, path)
    with torch.device("meta"):  # drawing weights at random would take longer than to read them
        network = DistilBertForSequenceClassification(to_config(shape))
    embeddings = network.distilbert.embeddings
    torch.nn.Module.to_empty(network, device="cpu")
    if hasattr(embeddings, "position_ids"):  # which no file has
        positions = torch.arange(shape.max_position_embeddings)[None]
        embeddings.register_buffer("position_ids", positions, persistent=False)
    with translated(f"{path / WEIGHTS} does not fit its {Shape.FILE}", RuntimeError):
        network.load_state_dict(weights)
    network.train(False)
    return network


def to_config(shape: Shape) -> DistilBertConfig:
    """What transformers makes a network from."""
    values = {name: value for name, value in vars(shape).items() if name != "model_type"}
    return DistilBertConfig(**values)


def read_weights(directory: Path) -> dict[str, torch.Tensor]:
    """The weights in a directory's model.safetensors, by their names. Raises UserError if the file
    is damaged: inference.json, which lies beside that of a run, has its checksum."""
    file = readable(directory / WEIGHTS)
    check_file(directory, WEIGHTS)
    with translated(f"{file} is damaged", SafetensorError, OSError), safe_open(file, "pt") as found:
        return {name: found.get_tensor(name) for name in found.keys()}  # noqa: SIM118


def check_fit(shape: Shape, weights: dict[str, torch.Tensor], directory: Path) -> None:
    """Raises UserError if a network of this shape would be larger or smaller than its weights. It
    is asked before the network is made: a million layers fill the memory."""
    layers = {int(n[1]) for name in weights if (n := re.search(r"\.layer\.(\d+)\.", name))}
    embedded = "distilbert.embeddings.{}_embeddings.weight".format
    sizes = {
        embedded("word"): (shape.vocab_size, shape.dim),
        embedded("position"): (shape.max_position_embeddings, shape.dim),
        "distilbert.transformer.layer.0.ffn.lin1.weight": (shape.hidden_dim, shape.dim),
    }
    wrong = [n for n, size in sizes.items() if n in weights and tuple(weights[n].shape) != size]
    if wrong or (layers and len(layers) != shape.n_layers):
        found = f"{len(layers)} layers, not {shape.n_layers}"
        if wrong:
            found = f"{wrong[0]} is {list(weights[wrong[0]].shape)}, not {list(sizes[wrong[0]])}"
        raise UserError(f"{directory / WEIGHTS} does not fit its {Shape.FILE}: {found}")
    if not layers:
        raise UserError(f"{directory / WEIGHTS} has no layers: it holds no DistilBERT")
