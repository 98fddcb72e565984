"""What has happened to a photo before: noise and JPEG blocks, read from its pixels, and the style that suits it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fourfold.catalog.card import Style
from fourfold.core.image import Image
from fourfold.imaging.metrics import luma

_NOISE, _BLOCKS = 4.0, 0.4
"""Levels of 255 above which a photo needs repair, wherever it comes from."""

_NOISE_LOSSY, _BLOCKS_LOSSY = 2.0, 0.25
"""The same for a file that is compressed with loss anyway. Blocks of 0.25 are those of about JPEG quality 90."""

_STEP = 4.0
"""Levels of a step at most: a grid of blocks is many small steps, not a few large ones."""


@dataclass(frozen=True)
class Condition:
    """What was found in a photo.

    Attributes:
        noise: standard deviation of luma where it is flattest, in levels of 255.
        blocks: mean lone step of luma across the strongest grid of eight pixels, beyond that elsewhere, in levels.
        lossy: whether its file is compressed with loss.
    """

    noise: float
    blocks: float
    lossy: bool

    @property
    def style(self) -> tuple[Style, str]:
        """``photo`` where there is something to repair, else ``faithful``, and a sentence that says why."""
        noise, blocks = (_NOISE_LOSSY, _BLOCKS_LOSSY) if self.lossy else (_NOISE, _BLOCKS)
        found = f"noise {self.noise:.1f} and JPEG blocks {self.blocks:.2f} of 255 levels"
        file = "a lossy file" if self.lossy else "no lossy file"
        if self.noise > noise or self.blocks > blocks:
            return "photo", f"{file} with {found}: there is damage to repair"
        return "faithful", f"{file} with {found}: clean"


def condition(image: Image) -> Condition:
    """Look at a picture's pixels; a few milliseconds a megapixel."""
    plane = luma(image.pixels)
    return Condition(noise(plane), max(blocks(plane), blocks(plane.T)), image.lossy)


def noise(plane: NDArray[np.float32], side: int = 16) -> float:
    """Standard deviation of the noise of ``H×W`` luma, by Immerkær's mask (1996) where a tenth is flatter.

    The mask is blind to slopes, and the flattest tenth of the ``side×side`` blocks to most texture.
    """
    if min(plane.shape) < side + 2:
        return 0.0
    rows = plane[:-2] - 2 * plane[1:-1] + plane[2:]
    both = np.abs(rows[:, :-2] - 2 * rows[:, 1:-1] + rows[:, 2:])
    high, wide = (length // side * side for length in both.shape)
    means = both[:high, :wide].reshape(high // side, side, wide // side, side).mean((1, 3))
    return float(np.percentile(means, 10) * np.sqrt(np.pi / 2) / 6)


def blocks(plane: NDArray[np.float32]) -> float:
    """How much stronger lone steps of ``H×W`` luma are between columns eight apart, at the strongest offset.

    A lone step is what a step between two columns has beyond the larger of its neighbours; edges and texture have those
    at every offset alike.
    """
    if plane.shape[1] < 24:
        return 0.0
    steps = np.abs(np.diff(plane, axis=1))
    lone = np.clip(steps[:, 1:-1] - np.maximum(steps[:, :-2], steps[:, 2:]), 0, _STEP).mean(0)
    by_offset = [float(lone[offset::8].mean()) for offset in range(8)]
    return max(by_offset) - float(np.median(by_offset))
