"""What the runners of all engines share: input shapes and output values are checked, values become levels."""

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from fourfold.core.contract import Floats
from fourfold.core.errors import InvalidInput, RuntimeFailure

MAX_DRIFT = 0.5
"""How far the mean of a tile may move, in 0..1. A photo's moves by hundredths, a checkerboard of pixels by 0.3."""

_EVERY = 4
"""Of the input pixels of a tile, every fourth in each direction is compared with the answer."""

_CONTRAST = 8 / 255
"""A tile whose compared values differ by more than this cannot rightly give a constant answer."""


class TileRunner(ABC):
    """A network on an engine behind the ``core.contract.Runner`` protocol; an engine adds ``answer``.

    Attributes:
        tile: height and width of its tiles; runtime, precision: of the engine; reruns: tiles computed again, none here.
    """

    runtime: str
    precision: str = "fp32"
    reruns = 0
    tile: tuple[int, int]

    @abstractmethod
    def answer(self, tiles: Floats) -> Floats:
        """As ``__call__``, of tiles that have the right shape."""

    def __call__(self, tiles: Floats) -> Floats:
        """``B×3×H×W`` in 0..1 → ``B×3×sH×sW``, unclamped, in memory of its own.

        Raises:
            InvalidInput: another shape. RuntimeFailure: the engine failed, or its answer is no picture of the tiles.
        """
        tiles = batch(tiles, self.tile)
        answer = self.answer(tiles)
        check_values(tiles, answer, self.runtime)
        return answer

    def levels(self, tiles: Floats) -> NDArray[np.uint8]:
        """``B×3×H×W`` in 0..1 → ``B×sH×sW×3`` in 0..255; errors as of ``__call__``."""
        return levels(self(tiles))


def require_fp32(precision: str, runtime: str) -> None:
    """Refuse to compute in anything else; raises ``InvalidInput``."""
    if precision not in ("auto", "fp32"):
        raise InvalidInput(f"expected precision auto or fp32 for {runtime}, got {precision!r}")


def batch(tiles: Floats, tile: tuple[int, int]) -> Floats:
    """The tiles as a contiguous ``B×3×H×W`` ``float32`` array.

    Raises:
        InvalidInput: another shape than the runner was compiled for.
    """
    if tiles.ndim != 4 or tiles.shape[0] < 1 or tiles.shape[1:] != (3, *tile):
        raise InvalidInput(f"expected tiles of shape B×3×{tile[0]}×{tile[1]}, got {tiles.shape}; load a runner for it")
    return np.ascontiguousarray(tiles, dtype=np.float32)


def levels(answer: Floats) -> NDArray[np.uint8]:
    """``B×3×H×W`` in 0..1 → rounded and clamped ``B×H×W×3``. Overwrites ``answer``."""
    answer *= 255
    np.rint(answer, out=answer)
    np.clip(answer, 0, 255, out=answer)
    return np.ascontiguousarray(answer.astype(np.uint8).transpose(0, 2, 3, 1))


def check_values(tiles: Floats, answer: Floats, runtime: str) -> None:
    """Judge an answer in 0..1.

    Args:
        tiles: ``B×3×H×W``, what was asked.
        answer: ``B×3×sH×sW``, before clamping.
        runtime: for the message.

    Raises:
        RuntimeFailure: NaN or infinity anywhere, a tile far too bright or dark, or wrongly of one colour.
    """
    scale = answer.shape[2] // tiles.shape[2]
    sample = answer[:, :, scale // 2 :: scale * _EVERY, scale // 2 :: scale * _EVERY]
    _judge(tiles, sample, answer.mean(axis=(1, 2, 3)), runtime)


def check_levels(tiles: Floats, answer: NDArray[np.uint8], means: Floats, runtime: str) -> None:
    """Judge an answer in 0..255.

    Args:
        tiles: ``B×3×H×W``, what was asked.
        answer: ``B×sH×sW×3``.
        means: ``B``, of each tile's values in 0..1 before they were clamped; NaN and infinity show in them.
        runtime: for the message.

    Raises:
        RuntimeFailure: as ``check_values``.
    """
    scale = answer.shape[1] // tiles.shape[2]
    sample = answer[:, scale // 2 :: scale * _EVERY, scale // 2 :: scale * _EVERY].transpose(0, 3, 1, 2)
    _judge(tiles, sample.astype(np.float32) / np.float32(255), means, runtime)


def _judge(tiles: Floats, sample: Floats, means: Floats, runtime: str) -> None:
    if not np.isfinite(means).all():
        raise RuntimeFailure(f"{runtime} answered with NaN or infinity; try another --runtime")
    drift = float(np.abs(means - tiles.mean(axis=(1, 2, 3))).max())
    if not drift <= MAX_DRIFT:
        raise RuntimeFailure(
            f"{runtime} answered with a tile whose mean differs by {drift:.2f} of full scale from the input's "
            f"(at most {MAX_DRIFT} is plausible); try another --runtime"
        )
    asked = tiles[:, :, ::_EVERY, ::_EVERY].reshape(len(tiles), -1)
    came = sample.reshape(len(tiles), -1)
    # Far from both: of a regular pattern, the compared pixels alone can be of one colour, or be smoothed to one.
    plausible = np.clip([means, asked.mean(axis=1)], 0, 1)
    away = np.abs(came.mean(axis=1) - plausible).min(axis=0) > MAX_DRIFT
    if np.any((np.ptp(came, axis=1) == 0) & (away | (np.ptp(asked, axis=1) > _CONTRAST))):
        raise RuntimeFailure(
            f"{runtime} answered with one constant colour for a tile that is not; try another --runtime"
        )
