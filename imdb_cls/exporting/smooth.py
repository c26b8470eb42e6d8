"""Makes a network easy to round to int8: SmoothQuant (Xiao et al. 2023).

A transformer's activations have a few channels that are far larger than the rest, and int8 with one
scale for all of them has no room left for the others. Each channel j of the input of a linear layer
is divided by s_j and the layer's weights multiplied by it, which changes nothing in exact numbers:
s_j = max|x_j|^a / max|w_j|^(1 - a), equation 4 of the paper.
"""

import copy
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from transformers import DistilBertForSequenceClassification

_LEAST = 1e-5


class _Smoothed(nn.Module):
    inverse: Tensor

    def __init__(self, linear: nn.Linear, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("inverse", 1 / scale)
        self.linear = linear
        with torch.no_grad():
            linear.weight.mul_(scale)

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.linear(inputs * self.inverse)
        return outputs


def smoothed(
    network: DistilBertForSequenceClassification, samples: Iterable[list[int]], strength: float
) -> DistilBertForSequenceClassification:
    """A copy whose encoder's linear layers get evened-out inputs.

    Args:
        samples: token ids of a few reviews, which show how large activations are.
        strength: the a above: how much of the difficulty the weights take over, from 0 to 1.
    """
    network = copy.deepcopy(network)
    network.train(False)
    linears = {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear) and ".transformer." in name
    }
    highest = _highest(network, linears, samples)
    for name, linear in linears.items():
        activations = highest[name].clamp_min(_LEAST)
        weights = linear.weight.detach().abs().amax(0).clamp_min(_LEAST)
        scale = activations**strength / weights ** (1 - strength)
        parent, _, own = name.rpartition(".")
        setattr(network.get_submodule(parent), own, _Smoothed(linear, scale / scale.mean()))
    return network


def _highest(
    network: nn.Module, linears: dict[str, nn.Linear], samples: Iterable[list[int]]
) -> dict[str, Tensor]:
    """[inputs] for each layer: the largest magnitude that each of its inputs takes."""
    highest: dict[str, Tensor] = {}

    def hook(name: str) -> Callable[[nn.Module, tuple[Tensor]], None]:
        def look(module: nn.Module, given: tuple[Tensor]) -> None:
            found = given[0].detach().abs().flatten(0, -2).amax(0)
            highest[name] = torch.maximum(highest[name], found) if name in highest else found

        return look

    handles = [module.register_forward_pre_hook(hook(name)) for name, module in linears.items()]
    with torch.no_grad():
        for ids in samples:
            network(torch.tensor([ids]))
    for handle in handles:
        handle.remove()
    return highest
