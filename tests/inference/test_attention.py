"""Plain attention in parts is plain attention."""

import math

import pytest
import torch
from torch import Tensor

from imdb_cls.inference import attention
from imdb_cls.inference.attention import plain_attention


def drawn(dtype: torch.dtype, asking: int = 9, reviews: int = 5) -> list[Tensor]:
    torch.manual_seed(0)
    shapes = [(asking, 8), (9, 8), (9, 8)]
    tensors = [torch.randn(reviews, tokens, 3, width) for tokens, width in shapes]
    return [tensor.to(dtype).transpose(1, 2).requires_grad_() for tensor in tensors]


def masked() -> Tensor:
    lengths = torch.tensor([9, 1, 4, 9, 7])
    return (torch.arange(9) < lengths[:, None])[:, None, None, :]


def simple(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
    scores = (queries / math.sqrt(queries.shape[-1])) @ keys.transpose(-1, -2)
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    return scores.softmax(-1) @ values


@pytest.mark.parametrize("reviews_at_once", [1, 2, 5])
@pytest.mark.parametrize("asking", [9, 1])
@pytest.mark.parametrize("mask", [None, masked()], ids=["whole", "padded"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_it_is_what_autograd_makes_of_the_products(
    dtype: torch.dtype,
    mask: Tensor | None,
    asking: int,
    reviews_at_once: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(attention, "_CACHED", reviews_at_once * 3 * asking * 9)
    given = drawn(dtype, asking)
    ours, theirs = plain_attention(*given, mask, 0.0), simple(*given, mask)
    torch.testing.assert_close(ours, theirs)
    gradient = torch.randn(ours.shape).to(dtype)
    for a, b in zip(
        torch.autograd.grad(ours, given, gradient),
        torch.autograd.grad(theirs, given, gradient),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("mask", [None, masked()], ids=["whole", "padded"])
def test_its_gradients_are_those_of_small_differences(mask: Tensor | None) -> None:
    given = drawn(torch.float64)
    assert torch.autograd.gradcheck(lambda *tensors: plain_attention(*tensors, mask, 0.0), given)


def test_it_is_the_fused_kernels_attention() -> None:
    given, mask = drawn(torch.float32), masked()
    fused = torch.nn.functional.scaled_dot_product_attention(*given, mask)
    torch.testing.assert_close(plain_attention(*given, mask, 0.0), fused)


def test_dropout_of_the_weights_drops_and_scales() -> None:
    given = drawn(torch.float32)
    torch.manual_seed(1)
    one = plain_attention(*given, None, 0.5)
    assert not torch.allclose(one, plain_attention(*given, None, 0.0))
    many = torch.stack([plain_attention(*given, None, 0.5).detach() for _ in range(3000)])
    torch.testing.assert_close(many.mean(0), simple(*given, None), atol=0.2, rtol=0.0)


def test_without_gradients_nothing_is_kept() -> None:
    given = drawn(torch.float32)
    with torch.inference_mode():
        found = plain_attention(*given, None, 0.0)
    torch.testing.assert_close(found, simple(*given, None))
