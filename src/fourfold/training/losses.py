"""Training losses for upscaling."""

import torch
from torch import Tensor


def charbonnier(difference: Tensor, epsilon: float = 1e-3) -> Tensor:
    """Mean of the smooth absolute value sqrt(d² + ε²) (Charbonnier et al., 1994)."""
    return torch.sqrt(difference * difference + epsilon * epsilon).mean()


def reconstruction(output: Tensor, target: Tensor, luma_weight: float, squared: bool) -> Tensor:
    """Error of RGB plus ``luma_weight`` times the error of BT.601 luma, both ``B×3×H×W`` in 0..1."""
    difference = output - target
    weights = difference.new_tensor([65.481, 128.553, 24.966]) / 219
    luma = torch.einsum("bchw,c->bhw", difference, weights)
    if squared:
        return difference.square().mean() + luma_weight * luma.square().mean()
    return charbonnier(difference) + luma_weight * charbonnier(luma)
