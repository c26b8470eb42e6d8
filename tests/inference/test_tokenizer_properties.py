"""Any text, at any length, beside any others: its tokens and its score are its own."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from imdb_cls.inference.engine import Engine, OnnxEngine
from imdb_cls.inference.network import TorchEngine, load_trained
from imdb_cls.inference.padding import eval_batches
from imdb_cls.inference.tokenizer import HeadTailTokenizer
from tests.support.anything import TEXTS, few

# Long enough to be cut at the shortest length.
LONG = st.lists(TEXTS | st.sampled_from(["good", "bad", "[SEP]", "[PAD]", "##s"]), max_size=30)
ANY = st.lists(LONG.map(" ".join), min_size=1, max_size=6)


@pytest.fixture(scope="module")
def backend(tiny_model: Path) -> Tokenizer:
    return HeadTailTokenizer.load(tiny_model, 512, 1.0).backend


@given(ANY, st.integers(8, 512) | st.integers(8, 20), st.floats(0, 1))
def test_no_text_is_longer_than_the_most_and_both_its_ends_are_kept(
    backend: Tokenizer, texts: list[str], max_length: int, head_fraction: float
) -> None:
    tokenizer = HeadTailTokenizer(backend, max_length, head_fraction)
    found = tokenizer(texts)
    cls, sep = (backend.token_to_id(token) for token in ("[CLS]", "[SEP]"))
    head, tail = tokenizer.ends
    assert head + tail == max_length - 2
    assert abs(head - head_fraction * (max_length - 2)) <= 0.5
    for text, ids, tokens in zip(texts, *found.values(), strict=True):
        whole = backend.encode(text, add_special_tokens=False).ids
        assert (ids[0], ids[-1]) == (cls, sep)
        assert tokens == len(whole) + 2
        assert len(ids) == min(tokens, max_length)
        inner = ids[1:-1]
        if tokens > max_length:
            assert inner == whole[:head] + whole[len(whole) - tail :]
        else:
            assert inner == whole
        assert {name: values[0] for name, values in tokenizer([text]).items()} == {
            "input_ids": ids,
            "tokens": tokens,
        }


@pytest.fixture(scope="module", params=["torch", "onnx"])
def engine(request: pytest.FixtureRequest, fast_run: Path, backend: Tokenizer) -> Engine:
    model = fast_run / "model"
    if request.param == "onnx":
        return OnnxEngine(model / "model.fp32.onnx", threads=1)
    pad_id = int(backend.token_to_id("[PAD]"))
    return TorchEngine(load_trained(model), pad_id, torch.device("cpu"), "32-true", 3)


@few
@given(ANY, st.randoms(use_true_random=False))
def test_a_score_does_not_depend_on_the_reviews_beside_it(
    engine: Engine, backend: Tokenizer, texts: list[str], dice: object
) -> None:
    ids = HeadTailTokenizer(backend, 32, 0.25)(texts)["input_ids"]

    def logits(chosen: list[int]) -> object:
        lengths = np.array([len(ids[row]) for row in chosen], dtype=np.int32)
        return engine.logits(lengths, lambda rows: [ids[chosen[row]] for row in rows])

    together = logits(list(range(len(ids))))
    order = dice.sample(range(len(ids)), len(ids))  # type: ignore[attr-defined]
    # Sums of 32-bit numbers in another order.
    np.testing.assert_allclose(logits(order), together[order], atol=1e-6)  # type: ignore[index]
    alone = np.concatenate([logits([row]) for row in range(len(ids))])  # type: ignore[misc]
    np.testing.assert_allclose(alone, together, atol=1e-6)  # type: ignore[arg-type]


@given(st.lists(st.integers(2, 512), max_size=80), st.integers(1, 90))
def test_every_review_is_in_one_batch(lengths: list[int], batch_size: int) -> None:
    batches = eval_batches(np.array(lengths, dtype=np.int32), batch_size)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    assert all(0 < len(batch) <= batch_size for batch in batches)
    order = [lengths[row] for batch in batches for row in batch]
    assert order == sorted(lengths, reverse=True)
