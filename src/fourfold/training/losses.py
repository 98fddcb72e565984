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


def texture(output: Tensor, target: Tensor, side: int = 32) -> Tensor:
    """Mean difference of the amplitude spectra of luma in windows of ``side``, ``B×3×H×W`` both.

    Where a detail lies cannot always be known from a small photo, but how much of it there is often can: this asks for
    the right strength at each frequency and direction, whatever the phase, and so against smooth, plastic surfaces.
    """
    weights = output.new_tensor([65.481, 128.553, 24.966]) / 219
    window = torch.hann_window(side, periodic=True, device=output.device)
    window = window[:, None] * window

    def amplitudes(pictures: Tensor) -> Tensor:
        luma = torch.einsum("bchw,c->bhw", pictures, weights)
        windows = luma.unfold(1, side, side // 2).unfold(2, side, side // 2) * window
        return torch.sqrt(torch.fft.rfft2(windows, norm="ortho").abs().square() + 1e-6)

    return (amplitudes(output) - amplitudes(target)).abs().mean()
