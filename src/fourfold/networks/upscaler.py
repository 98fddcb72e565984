"""Upscaler: a plain stack of convolutions and a pixel shuffle.

Sources: sub-pixel convolution from ESPCN (Shi et al., CVPR 2016); layers that begin as the identity from "Identity
Mappings" (He et al., ECCV 2016), added to the initial kernel and not to the graph, as
SESR (Bhardwaj et al., MLSys 2022) collapses its residuals. The arithmetic is ours.
"""

from collections.abc import Callable, Mapping
from itertools import pairwise
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEAKY_SLOPE = 0.25

ACTIVATIONS: Mapping[str, Callable[[int], nn.Module]] = MappingProxyType(
    {"leaky": lambda _channels: nn.LeakyReLU(LEAKY_SLOPE), "prelu": nn.PReLU}
)
"""By name, made for a number of channels. ``leaky`` costs what ReLU costs, and no unit of it falls silent for good."""


class Upscaler(nn.Module):
    """Four-fold upscaler for RGB in 0..1: ``B×3×H×W`` → ``B×3×4H×4W``, unclamped.

    Every output pixel depends on the input within ``depth + 1 + head // 2`` pixels and, for each dilated layer,
    ``dilation - 1`` more. The network adds detail to the input repeated 4×4, so with a zero last layer it is
    nearest-neighbour upscaling.

    Args:
        channels: feature channels; depth: number of channels-to-channels layers.
        activation: ``leaky``, with the slope ``LEAKY_SLOPE``, or ``prelu``, with one for each channel.
        dilation: of every second channels-to-channels layer; with 2 the network sees half as far again at the same
            cost, as noise needs.
        head: side of the first layer's kernels, odd; wide ones average noise away from the start.
    """

    scale = 4

    def __init__(self, channels: int, depth: int, activation: str = "leaky", dilation: int = 1, head: int = 3) -> None:
        super().__init__()
        self.channels, self.depth = channels, depth
        sides = [head, *[3] * (depth + 1)]
        dilations = [1, *(dilation if place % 2 else 1 for place in range(depth)), 1]
        widths = [3, *[channels] * (depth + 1), 3 * self.scale**2]
        self.convs = nn.ModuleList(
            nn.Conv2d(a, b, side, padding=side // 2 * far, dilation=far)
            for (a, b), side, far in zip(pairwise(widths), sides, dilations, strict=True)
        )
        self.acts = nn.ModuleList(ACTIVATIONS[activation](channels) for _ in range(depth + 1))
        self._initialise()

    @torch.no_grad()
    def _initialise(self) -> None:
        """He's deviation for a slope of 0.25: whole in the first layer, half beside the identity, small in the last."""
        for place, conv in enumerate(self.convs):
            assert isinstance(conv, nn.Conv2d)
            assert conv.bias is not None
            gain = 1.0 if place == 0 else 0.05 if place == self.depth + 1 else 0.5
            nn.init.normal_(conv.weight, 0, gain * (2 / (1 + 0.25**2) / conv.weight[0].numel()) ** 0.5)
            nn.init.zeros_(conv.bias)
        for conv in self.body:
            conv.weight[:, :, 1, 1] += torch.eye(self.channels)

    @property
    def body(self) -> list[nn.Conv2d]:
        """The channels-to-channels layers."""
        return [conv for conv in self.convs[1:-1] if isinstance(conv, nn.Conv2d)]

    def forward(self, x: Tensor) -> Tensor:
        """``B×3×H×W`` → ``B×3×4H×4W``."""
        head, *body, tail = self.convs
        first = features = self.acts[0](head(x))
        for conv, act in zip(body, self.acts[1:], strict=True):
            features = act(conv(features))
        repeated = x.repeat_interleave(self.scale**2, dim=1)
        return F.pixel_shuffle(tail(features + first) + repeated, self.scale)
