"""When an engine fails or gives invalid output, the tiles run once more, on another engine, in fp32."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fourfold.core.contract import Floats, Runner
from fourfold.core.errors import RuntimeFailure


class Guarded:
    """A runner that repeats what its engine got wrong on a fallback.

    Args:
        runner: tried first, every time.
        fallback: loads the other runner, when it is first needed; None if there is no other.

    Attributes:
        runtime, precision, tile: of ``runner``; reruns: batches that the fallback had to repeat.
    """

    def __init__(self, runner: Runner, fallback: Callable[[], Runner] | None) -> None:
        self.runtime, self.precision, self.tile = runner.runtime, runner.precision, runner.tile
        self.reruns = 0
        self._runner, self._fallback = runner, fallback
        self._second: Runner | None = None

    def __call__(self, tiles: Floats) -> Floats:
        """As ``core.contract.Runner``; raises ``RuntimeFailure`` only if both engines fail."""
        try:
            return self._runner(tiles)
        except RuntimeFailure as error:
            return self._other(error)(tiles)

    def levels(self, tiles: Floats) -> NDArray[np.uint8]:
        """As ``core.contract.Runner``; raises ``RuntimeFailure`` only if both engines fail."""
        try:
            return self._runner.levels(tiles)
        except RuntimeFailure as error:
            return self._other(error).levels(tiles)

    def _other(self, error: RuntimeFailure) -> Runner:
        if self._fallback is None:
            raise error
        self._second = self._second or self._fallback()
        self.reruns += 1
        return self._second
