"""Weights and inputs by a formula, and a few numbers of an output: vectors of our own, the same everywhere.

They were written down while the outputs agreed with the original implementations' to within 1e-5, so what leaves them
has left the original, too, also where its tensors are not at hand.
"""

import torch
from torch import Tensor, nn


def waves(*shape: int, phase: float = 0.0) -> Tensor:
    """Numbers within 0..1 without a pattern that a network could cancel."""
    count = torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
    return (0.5 + 0.5 * torch.cos(1.7 * count + 0.3 * torch.sqrt(count + phase) + phase)).float().view(shape)


def filled(module: nn.Module, size: float) -> nn.Module:
    """The module in evaluation mode, every parameter by the formula, within ±``size`` over the root of its fan-in."""
    with torch.no_grad():
        for number, (_, value) in enumerate(sorted(module.state_dict(keep_vars=True).items())):
            if value.is_floating_point():
                reach = size / max(1, value[0].numel() if value.ndim > 1 else 1) ** 0.5
                value.copy_(reach * (2 * waves(*value.shape, phase=number) - 1) if value.ndim else value)
    return module.eval()


def numbers(output: Tensor) -> list[float]:
    """Mean, spread and four values of an output."""
    flat = output.detach().double().flatten()
    places = torch.linspace(0, len(flat) - 1, 4).long()
    return [flat.mean().item(), flat.std().item(), *flat[places].tolist()]
