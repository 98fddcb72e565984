"""Deblur a picture with a size-preserving network, in overlapping windows that are blended and mixed with the input.

The network is MSSNet or another that predicts what to add to the blurry picture, so a part of it can be added
(``x + a·(R - x)``). It looks hundreds of pixels far, and one of its steps depends on the size of what it is given, so
large pictures, which go through it in overlapping windows, come out slightly different than in one piece.
"""

import time
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fourfold.catalog.card import Card
from fourfold.core.contract import Progress, Runner
from fourfold.core.image import Image
from fourfold.imaging import color, tiling

LARGEST = 768
"""Side of a window in pixels, unless the person wants another."""

OVERLAP = 96
"""Pixels that neighbouring windows share."""


def windows(size: tuple[int, int], card: Card, largest: int | None = None) -> tiling.Patchwork:
    """The windows through which a picture of ``(height, width)`` goes."""
    return tiling.patchwork(size, OVERLAP, card.size.padded(largest or LARGEST), card.size.multiple_of)


@dataclass
class Deblurring:
    """One picture on its way through one network.

    Attributes:
        image: what to deblur; runner: the network, compiled for ``windows.shape``; windows: see ``windows()``.
        strength: 0 leaves the picture as it is, 1 is what the network says.
        seconds_model: time spent inside the runner so far.
    """

    image: Image
    runner: Runner
    windows: tiling.Patchwork
    strength: float = 1.0
    seconds_model: float = 0.0

    def result(self, progress: Progress) -> Image:
        """The deblurred picture; alpha and everything beside the pixels as before."""
        pixels = color.bleed(self.image.pixels, self.image.alpha)
        done = 0

        def run(window: NDArray[np.float32]) -> NDArray[np.float32]:
            nonlocal done
            result = self._network(window)
            done += 1
            progress(done, self.windows.count)
            return result

        restored = tiling.blended(pixels, self.windows, run)
        if self.strength < 1:
            restored = pixels + np.float32(self.strength) * (restored - pixels)
        return replace(self.image, pixels=restored)

    def _network(self, window: NDArray[np.float32]) -> NDArray[np.float32]:
        """``h×w×C`` → the same shape; grey goes through as three equal channels."""
        channels = window.shape[2]
        planes = np.ascontiguousarray(np.broadcast_to(window.transpose(2, 0, 1)[None], (1, 3, *window.shape[:2])))
        started = time.perf_counter()
        answer = self.runner(planes)[0].transpose(1, 2, 0)
        self.seconds_model += time.perf_counter() - started
        return np.asarray(answer.mean(axis=2, keepdims=True) if channels == 1 else answer, np.float32)


def memory_needed(size: tuple[int, int], channels: int, card: Card, largest: int | None) -> int:
    """Bytes that deblurring a picture of ``(height, width)`` will need at its peak, somewhat overestimated."""
    shape = windows(size, card, largest).shape
    maps = int(60 * card.macs_per_pixel**0.5)  # bytes a pixel: the maps grow as the root of the operations
    return (400 << 20) + size[0] * size[1] * channels * 24 + shape[0] * shape[1] * maps
