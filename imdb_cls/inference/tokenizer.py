"""Text to token ids, with a truncation that keeps both ends."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from imdb_cls.errors import UserError, translated
from imdb_cls.inference.shape import Shape
from imdb_cls.storage import read_file

# Part of the key of cached tokens: raise it when the code below gives other tokens.
_VERSION = 1
SPECIAL = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}


@dataclass(frozen=True)
class HeadTailTokenizer:
    """A BERT's tokenizer, and how a run cuts longer reviews.

    A review often gives its verdict at the end. Of a longer one, `head_fraction` of the tokens are
    its first ones and the others its last ones: Sun et al. 2019, "How to Fine-Tune BERT for Text
    Classification?", section 5.3.1, found 128 + 382 of 512 the best.
    """

    backend: Tokenizer
    max_length: int
    """Tokens that are kept of a review, [CLS] and [SEP] counted."""
    head_fraction: float

    @classmethod
    def load(cls, directory: Path, max_length: int, head_fraction: float) -> "HeadTailTokenizer":
        """From the tokenizer.json of a directory, whose own truncation and padding are turned off.
        Raises UserError if it is damaged, not a BERT's, or not the one of the network beside it."""
        file, shape = directory / "tokenizer.json", Shape.read(directory)
        if max_length > shape.max_position_embeddings:
            raise UserError(
                f"max_length={max_length}: the model in {directory} has"
                f" {shape.max_position_embeddings} positions only"
            )
        content = read_file(file)
        with translated(f"{file} is damaged", Exception):  # tokenizers raises nothing narrower
            backend = Tokenizer.from_buffer(content)
        missing = [token for token in SPECIAL.values() if backend.token_to_id(token) is None]
        if missing:
            raise UserError(
                f"{file} lacks {', '.join(missing)}: a tokenizer of BERT's kind is needed"
            )
        highest = max(backend.get_vocab().values())
        if highest >= shape.vocab_size:
            raise UserError(
                f"{file} has tokens up to the number {highest}, but the network of"
                f" {Shape.FILE} knows {shape.vocab_size} only: they are of different models"
            )
        backend.no_truncation()
        backend.no_padding()
        return cls(backend, max_length, head_fraction)

    def __call__(self, texts: list[str]) -> dict[str, list[Any]]:
        """input_ids: [texts][tokens], with [CLS] and [SEP]; tokens: how many there were before the
        truncation, these two counted."""
        encodings = self.backend.encode_batch_fast(texts, add_special_tokens=False)
        whole = [encoding.ids for encoding in encodings]
        head, tail = self.ends
        kept = [
            ids if len(ids) <= head + tail else ids[:head] + ids[len(ids) - tail :] for ids in whole
        ]
        cls, sep = self._id("[CLS]"), self._id("[SEP]")
        return {
            "input_ids": [[cls, *ids, sep] for ids in kept],
            "tokens": [len(ids) + 2 for ids in whole],
        }

    @property
    def ends(self) -> tuple[int, int]:
        """How many tokens of a longer review are kept from its beginning and from its end."""
        room = self.max_length - 2
        head = round(room * self.head_fraction)
        return head, room - head

    @property
    def pad_id(self) -> int:
        return self._id("[PAD]")

    @property
    def fingerprint(self) -> str:
        parts = (self.backend.to_str(), self.max_length, self.head_fraction, _VERSION)
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]

    def _id(self, token: str) -> int:
        number = self.backend.token_to_id(token)
        assert number is not None
        return int(number)
