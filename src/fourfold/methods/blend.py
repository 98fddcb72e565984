"""Blend the answers of two networks, between a faithful and a pleasing result."""

import numpy as np
from numpy.typing import NDArray

from fourfold.core.contract import Floats, Runner


class Blended:
    """A runner whose answer lies between those of two others, by ``core.contract.Runner``.

    Args:
        plain, strong: compiled for the same tiles; weight: weight of ``strong``, 0 to 1.
    """

    def __init__(self, plain: Runner, strong: Runner, weight: float) -> None:
        self.runtime, self.precision, self.tile = strong.runtime, strong.precision, strong.tile
        self._plain, self._strong, self._weight = plain, strong, np.float32(weight)

    @property
    def reruns(self) -> int:
        """Of both runners."""
        return self._plain.reruns + self._strong.reruns

    def __call__(self, tiles: Floats) -> Floats:
        """``B×3×H×W`` in 0..1 → ``B×3×sH×sW``, unclamped."""
        plain = self._plain(tiles)
        plain += self._weight * (self._strong(tiles) - plain)
        return plain

    def levels(self, tiles: Floats) -> NDArray[np.uint8]:
        """``B×3×H×W`` in 0..1 → ``B×sH×sW×3`` in 0..255."""
        plain = self._plain.levels(tiles).astype(np.float32)
        plain += self._weight * (self._strong.levels(tiles) - plain)
        return np.rint(plain).astype(np.uint8)
