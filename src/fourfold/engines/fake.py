"""The smallest real runner: every pixel repeated. It needs no engine and no weights; tests of other parts use it."""

from fourfold.catalog.card import Card
from fourfold.core.contract import Floats
from fourfold.engines.tensors import TileRunner


class FakeRunner(TileRunner):
    """Nearest-neighbour upscaling."""

    runtime = "fake"

    def __init__(self, scale: int, tile: tuple[int, int]) -> None:
        self.tile = tile
        self._scale = scale

    def answer(self, tiles: Floats) -> Floats:
        """See ``TileRunner``."""
        return tiles.repeat(self._scale, axis=2).repeat(self._scale, axis=3)


def load(card: Card, *, tile: tuple[int, int], threads: int, precision: str) -> FakeRunner:  # noqa: ARG001
    """A runner of the card's scale; threads and precision change nothing."""
    return FakeRunner(card.scale, tile)
