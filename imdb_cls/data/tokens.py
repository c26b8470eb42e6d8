"""Tokens of reviews: truncation that keeps both ends, and a memory-mapped cache of a split's."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import datasets
import numpy as np
import numpy.typing as npt

from imdb_cls.data.splits import Split

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

# Part of the cache's key: raise it when the code below changes what it gives.
_VERSION = 1


@dataclass(frozen=True)
class Tokenizer:
    """A fast tokenizer with the truncation of a run.

    A review is told by its end: of a longer one, `head_fraction` of the tokens come from the
    beginning and the rest from the end (Sun et al. 2019, "How to Fine-Tune BERT for Text
    Classification?", section 5.3.1, found 128 + 382 of 512 the best).
    """

    fast: "PreTrainedTokenizerFast"
    max_length: int
    head_fraction: float

    @property
    def pad_id(self) -> int:
        return int(self.fast.pad_token_id)

    def __call__(self, texts: list[str]) -> dict[str, list[Any]]:
        """input_ids: [texts][tokens], with [CLS] and [SEP]; tokens: their number before truncation,
        those two counted; truncated: whether any were left out."""
        whole = self.fast(texts, add_special_tokens=False, verbose=False)["input_ids"]
        room = self.max_length - 2
        head = round(room * self.head_fraction)
        tail = room - head
        kept = [
            ids if len(ids) <= room else ids[:head] + (ids[-tail:] if tail else []) for ids in whole
        ]
        cls, sep = self.fast.cls_token_id, self.fast.sep_token_id
        return {
            "input_ids": [[cls, *ids, sep] for ids in kept],
            "tokens": [len(ids) + 2 for ids in whole],
            "truncated": [len(ids) > room for ids in whole],
        }

    @property
    def fingerprint(self) -> str:
        parts = (
            self.fast.backend_tokenizer.to_str(),
            self.max_length,
            self.head_fraction,
            _VERSION,
        )
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Tokens:
    """A tokenized split; every array has one entry a review."""

    table: datasets.Dataset
    lengths: npt.NDArray[np.int32]
    """Tokens kept, [CLS] and [SEP] counted."""
    labels: npt.NDArray[np.int64]
    whole: npt.NDArray[np.int32]
    """Tokens before truncation."""
    truncated: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.lengths)

    def ids(self, rows: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int32]]:
        """The token ids of some reviews."""
        return list(self.table[rows]["input_ids"])


def tokenize(split: Split, tokenizer: Tokenizer, cache: Path) -> Tokens:
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
                "input_ids": datasets.List(datasets.Value("int32"))
                if hasattr(datasets, "List")
                else datasets.Sequence(datasets.Value("int32")),
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
