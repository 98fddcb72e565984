"""Training losses."""

from collections.abc import Sequence

import torch
from torch import Tensor

from fourfold.networks.mssnet import resize


def frequency(output: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error of the spectra, ``B×C×H×W``: over the real and imaginary parts of the whole, two-sided,
    un-normalised transform of each plane (MSSNet).
    """
    return torch.view_as_real(torch.fft.fft2(output - target)).abs().mean()


def multi_scale(outputs: Sequence[Tensor], sharp: Tensor, frequency_weight: float = 0.1) -> Tensor:
    """The loss of MSSNet: mean absolute error plus ``frequency_weight`` times ``frequency``, summed over its outputs.

    Args:
        outputs: the estimates ``B×3×H×W``, the first half as large; sharp: ``B×3×H×W``. The first is compared with the
            target shrunk as the network shrinks its input.
    """
    half = resize(0.5, align_corners=True)(sharp)
    total = sharp.new_zeros(())
    for output in outputs:
        target = sharp if output.shape == sharp.shape else half
        total = total + (output - target).abs().mean() + frequency_weight * frequency(output, target)
    return total


def charbonnier(difference: Tensor, epsilon: float = 1e-3) -> Tensor:
    """Mean of the smooth absolute value sqrt(d² + ε²) (Charbonnier et al., 1994)."""
    return torch.sqrt(difference * difference + epsilon * epsilon).mean()


def reconstruction(output: Tensor, target: Tensor, luma_weight: float) -> Tensor:
    """Charbonnier error of RGB plus ``luma_weight`` times that of BT.601 luma, both ``B×3×H×W`` in 0..1."""
    difference = output - target
    weights = difference.new_tensor([65.481, 128.553, 24.966]) / 219
    luma = torch.einsum("bchw,c->bhw", difference, weights)
    return charbonnier(difference) + luma_weight * charbonnier(luma)
