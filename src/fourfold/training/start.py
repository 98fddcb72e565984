"""Scale the starting weights of an MSSNet to the data, so that it can be trained in hours instead of days.

The network has no normalisation layers. Kernels that see the picture are made zero-mean, except every fourth, because
brightness says nothing about blur. Then every convolution, from the first to the last, is scaled so that its output on
a few pictures has a given standard deviation: 1, or less where it is added to something (layer-sequential unit-variance
initialisation, Mishkin and Matas, ICLR 2016).
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from fourfold.networks.mssnet import MSSNet

_ADDED, _PICTURE = 0.3, 0.01
"""Deviation of what is added to maps, and of what is added to the picture."""

_TO_MAPS = ("body.2", "csff", "up21", "up32")
"""In the names of convolutions whose answers are added to maps."""


def prepare(network: MSSNet, pictures: Tensor) -> None:
    """Prepare a network that was not trained yet, in place; ``pictures`` are typical ones, ``B×3×H×W`` in 0..1."""
    hooks = []
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            if name.startswith("shallow_feat") and name.endswith(".0"):
                _free_of_mean(module.weight)
            wanted = _PICTURE if name.startswith("tail") else _ADDED if any(p in name for p in _TO_MAPS) else 1.0
            hooks.append(module.register_forward_hook(_scaling(wanted)))
    with torch.no_grad():
        network.train()(pictures)
    for hook in hooks:
        hook.remove()


@torch.no_grad()
def _free_of_mean(weight: Tensor) -> None:
    mean = weight.mean((1, 2, 3), keepdim=True)
    mean[::4] = 0
    weight -= mean


def _scaling(wanted: float) -> Callable[[nn.Module, object, Tensor], Tensor]:
    def scale(conv: nn.Module, _pictures: object, answer: Tensor) -> Tensor:
        factor = wanted / answer.std().clamp_min(1e-6)
        conv.weight.mul_(factor)  # type: ignore[operator]
        return answer * factor

    return scale
