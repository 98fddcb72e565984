"""Upscaler: a plain stack of 3×3 convolutions and a pixel shuffle, trained over-parameterised, run folded.

Sources: sub-pixel convolution from ESPCN (Shi et al., CVPR 2016); linear over-parameterisation that collapses into
one kernel, with the collapsed residual, from SESR (Bhardwaj et al., MLSys 2022); growing a trained network without
changing its function from Net2Net (Chen et al., ICLR 2016). The arithmetic is ours.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class CollapsibleConv(nn.Module):
    """A 3×3 convolution written as (1×1 ∘ 3×3) + 1×1 + identity, summed in weight space before it is applied.

    Training therefore costs about what the plain convolution costs, and ``collapse()`` is exact.

    Args:
        inputs, outputs: channels in and out; with equal counts the identity is added.
        expansion: width of the inner layer as a multiple of ``outputs``.
        gain: standard deviation of the initial kernel relative to He initialisation for the PReLU slope 0.25.
    """

    def __init__(self, inputs: int, outputs: int, expansion: int, gain: float = 1.0) -> None:
        super().__init__()
        inner = expansion * outputs
        spread = (2 / (1 + 0.25**2) / (9 * inputs)) ** 0.5
        self.expand = nn.Parameter(torch.randn(inner, inputs, 3, 3) * spread)
        self.project = nn.Parameter(torch.randn(outputs, inner) * gain * inner**-0.5)
        self.pointwise = nn.Parameter(torch.zeros(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.identity: Tensor
        self.register_buffer(
            "identity", torch.eye(outputs) if inputs == outputs else torch.zeros(outputs, inputs), persistent=False
        )

    def kernel(self) -> Tensor:
        """The equivalent kernel, ``outputs × inputs × 3 × 3``."""
        kernel = torch.einsum("oe,eihw->oihw", self.project, self.expand)
        return kernel + F.pad((self.pointwise + self.identity)[:, :, None, None], (1, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """``B×inputs×H×W`` → ``B×outputs×H×W``."""
        return F.conv2d(x, self.kernel(), self.bias, padding=1)

    @classmethod
    def of(cls, conv: nn.Conv2d, expansion: int) -> "CollapsibleConv":
        """A trained plain layer written over-parameterised: the random start nearest to it with the same kernel."""
        made = cls(conv.in_channels, conv.out_channels, expansion)
        with torch.no_grad():
            missing = conv.weight - made.kernel()
            made.expand.add_(torch.einsum("eo,oihw->eihw", torch.linalg.pinv(made.project), missing))
            made.bias.copy_(_bias(conv))
        return made

    def collapse(self) -> nn.Conv2d:
        """The same convolution as one plain layer."""
        kernel = self.kernel().detach()
        conv = nn.Conv2d(kernel.shape[1], kernel.shape[0], 3, padding=1)
        conv.weight.data.copy_(kernel)
        _bias(conv).data.copy_(self.bias.detach())
        return conv


class Upscaler(nn.Module):
    """Four-fold upscaler for RGB in 0..1: ``B×3×H×W`` → ``B×3×4H×4W``, unclamped.

    Every output pixel depends on the input within ``depth + 2`` pixels. The network adds detail to the input
    repeated 4×4, so with a zero last layer it is nearest-neighbour upscaling.

    Args:
        channels: feature channels; depth: number of channels-to-channels layers.
        expansion: over-parameterisation of each layer while training; 0 builds the plain, folded network.
    """

    scale = 4

    def __init__(self, channels: int, depth: int, expansion: int = 0) -> None:
        super().__init__()
        self.channels, self.depth = channels, depth
        out = 3 * self.scale**2
        plan = [(3, channels, 1.0), *[(channels, channels, 0.5)] * depth, (channels, out, 0.05)]
        self.convs = nn.ModuleList(
            CollapsibleConv(a, b, expansion, gain) if expansion else nn.Conv2d(a, b, 3, padding=1)
            for a, b, gain in plan
        )
        self.acts = nn.ModuleList(nn.PReLU(channels) for _ in range(depth + 1))

    def forward(self, x: Tensor) -> Tensor:
        """``B×3×H×W`` → ``B×3×4H×4W``."""
        head, *body, tail = self.convs
        first = features = self.acts[0](head(x))
        for conv, act in zip(body, self.acts[1:], strict=True):
            features = act(conv(features))
        detail = tail(features + first)
        return F.pixel_shuffle(detail + x.repeat_interleave(self.scale**2, dim=1), self.scale)

    def collapse(self) -> "Upscaler":
        """The folded network: the same function in plain 3×3 layers, in evaluation mode."""
        plain = Upscaler(self.channels, self.depth)
        plain.convs = nn.ModuleList(c.collapse() if isinstance(c, CollapsibleConv) else c for c in self.convs)
        plain.acts.load_state_dict(self.acts.state_dict())
        return plain.eval()

    def unfold(self, expansion: int) -> "Upscaler":
        """The inverse of ``collapse()``: a plain network, written over-parameterised to train on."""
        trainable = Upscaler(self.channels, self.depth, expansion)
        trainable.convs = nn.ModuleList(
            CollapsibleConv.of(c, expansion) for c in self.convs if isinstance(c, nn.Conv2d)
        )
        trainable.acts.load_state_dict(self.acts.state_dict())
        return trainable

    def grow(self, channels: int, depth: int) -> "Upscaler":
        """A plain network of at least this width and depth that computes the same function as this plain one.

        New channels start at random and are read by no old one yet; new layers pass the old channels on.
        """
        grown = Upscaler(channels, depth, expansion=4).collapse()
        old, passed_on = self.channels, F.pad(torch.eye(self.channels)[:, :, None, None], (1, 1, 1, 1))
        with torch.no_grad():
            for place, into in enumerate(_plain(grown)):
                last = place == depth + 1
                copied = last or place <= self.depth
                conv = _plain(self)[-1 if last else place] if copied else None
                inputs, outputs = (3 if place == 0 else old), (into.out_channels if last else old)
                into.weight[:outputs, inputs:] = 0
                into.weight[:outputs, :inputs] = passed_on if conv is None else conv.weight
                _bias(into)[:outputs] = 0 if conv is None else _bias(conv)
                if not last:
                    slopes = grown.acts[place].weight
                    assert isinstance(slopes, Tensor)
                    slopes[:old] = self.acts[place].weight if copied else 1  # type: ignore[assignment]
        return grown


def _plain(network: Upscaler) -> list[nn.Conv2d]:
    return [conv for conv in network.convs if isinstance(conv, nn.Conv2d)]


def _bias(conv: nn.Conv2d) -> Tensor:
    assert conv.bias is not None
    return conv.bias
