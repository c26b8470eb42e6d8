"""The token ids of a split, memory-mapped from the cache."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import datasets
import numpy as np
import numpy.typing as npt

from imdb_cls.data.splits import Split
from imdb_cls.inference.engine import Lengths, Rows
from imdb_cls.inference.tokenizer import HeadTailTokenizer


@dataclass(frozen=True)
class Tokens:
    """A tokenized split; every array has one entry a review."""

    table: datasets.Dataset
    lengths: Lengths
    """Tokens kept, [CLS] and [SEP] counted."""
    labels: npt.NDArray[np.int64]
    whole: npt.NDArray[np.int32]
    """Tokens before truncation."""
    truncated: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.lengths)

    def ids(self, rows: Rows) -> list[npt.NDArray[np.int32]]:
        return list(self.table[rows]["input_ids"])


def tokenize(split: Split, tokenizer: HeadTailTokenizer, cache: Path) -> Tokens:
    """A split's tokens, from the cache if these texts were tokenized like this before."""
    key = hashlib.sha256((split.fingerprint + tokenizer.fingerprint).encode()).hexdigest()[:16]
    directory = cache / "tokens"
    directory.mkdir(parents=True, exist_ok=True)
    table = split.reviews.map(
        lambda batch: {**tokenizer(batch["text"]), "label": batch["label"]},
        batched=True,
        remove_columns=split.reviews.column_names,
        features=datasets.Features(
            {
                "input_ids": datasets.Sequence(datasets.Value("int32")),
                "tokens": datasets.Value("int32"),
                "truncated": datasets.Value("bool"),
                "label": datasets.Value("int64"),
            }
        ),
        cache_file_name=str(directory / f"{key}.arrow"),
        load_from_cache_file=True,
        new_fingerprint=key,
    ).with_format("numpy")
    whole = np.asarray(table["tokens"][:], dtype=np.int32)
    return Tokens(
        table,
        lengths=np.minimum(whole, tokenizer.max_length),
        labels=np.asarray(table["label"][:], dtype=np.int64),
        whole=whole,
        truncated=np.asarray(table["truncated"][:], dtype=bool),
    )
