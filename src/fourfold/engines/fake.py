"""The smallest real runner: every pixel repeated. It needs no engine and no weights; tests of other parts use it."""

import numpy as np
from numpy.typing import NDArray

from fourfold.catalog.card import Card
from fourfold.core.contract import Floats
from fourfold.engines import tensors


class FakeRunner:
    """Nearest-neighbour upscaling behind the ``core.contract.Runner`` protocol."""

    runtime = "fake"
    reruns = 0
    precision = "fp32"

    def __init__(self, scale: int, tile: tuple[int, int]) -> None:
        self.tile = tile
        self._scale = scale

    def __call__(self, tiles: Floats) -> Floats:
        """``B×3×H×W`` → ``B×3×sH×sW``."""
        tiles = tensors.batch(tiles, self.tile)
        answer = tiles.repeat(self._scale, axis=2).repeat(self._scale, axis=3)
        tensors.check_values(tiles, answer, self.runtime)
        return answer

    def levels(self, tiles: Floats) -> NDArray[np.uint8]:
        """``B×3×H×W`` → ``B×sH×sW×3`` in 0..255."""
        return tensors.levels(self(tiles))


def load(card: Card, *, tile: tuple[int, int], threads: int, precision: str) -> FakeRunner:  # noqa: ARG001
    """A runner of the card's scale; threads and precision change nothing."""
    return FakeRunner(card.scale, tile)
