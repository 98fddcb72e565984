"""Routing tiles: a little network answers everywhere, a big one only where it is worth its time.

This is fourfold's extension of Little-Big (Liu, Thopalli, Thiagarajan, arXiv 2406.17117) from classes to pixels. A
regression network has no confidence; in its place a gate predicts from the tile how near the little network will come
to the big one, as a PSNR in dB. Threshold and accounting are those of ``methods.gate``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourfold.core.contract import Runner
from fourfold.imaging import tiling

LARGEST = 64
"""Side of the largest window of a tile that is routed: smaller ones choose more finely, larger compute less twice."""

HALO = 6
"""Input pixels around such a tile: what the big network sees beyond them changes it by a fraction of a level."""

RAMP = 6
"""Input pixels inside a big tile over which it takes over from a little neighbour."""

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def features(image: NDArray[np.float32], plan: tiling.Plan) -> NDArray[np.float64]:
    """What the gate looks at in every tile: how strong edges and fine texture are, and how uneven.

    Args:
        image: ``H×W×C`` in 0..1, C = 1 or 3; plan: its tiles.

    Returns:
        ``rows×columns×5``: the constant 1 and decimal logarithms of the mean squared slope and curvature of luma, of
        the curvature of luma halved in size, and of the root mean fourth power of the curvature.
    """
    luma = np.pad(image @ _LUMA if image.shape[2] == 3 else image[..., 0], 1, mode="edge")
    even = np.pad(luma[1:-1, 1:-1], ((0, image.shape[0] % 2), (0, image.shape[1] % 2)), mode="edge")
    half = np.pad((even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4, 1, mode="edge")
    tops, lefts = [row[0].kept[0] for row in plan.rows], [tile.kept[2] for tile in plan.rows[0]]

    def means(values: NDArray[np.floating], shrunk: int = 1) -> NDArray[np.float64]:
        rows, columns = ([place // shrunk for place in places] for places in (tops, lefts))
        summed = np.add.reduceat(np.add.reduceat(values, rows, axis=0), columns, axis=1)
        height, width = (
            np.maximum(np.diff([*places, length]), 1)
            for places, length in zip((rows, columns), values.shape, strict=True)
        )
        return summed / np.multiply.outer(height, width)

    slope = (luma[2:, 2:] - luma[1:-1, 1:-1]) ** 2
    fine, coarse = _curvature(luma) ** 2, _curvature(half) ** 2
    powers = (means(slope), means(fine), means(coarse, 2), np.sqrt(means(fine**2)))
    return np.stack([np.ones_like(powers[0]), *(np.log10(power + 1e-7) for power in powers)], axis=2)


@dataclass(frozen=True, eq=False)
class Routes:
    """Which tiles of a plan go on to the big network.

    Attributes:
        plan: of the tiles that are routed, finer than the one of the little network.
        big: the big network's runner, compiled for ``plan.shape``.
        expected: dB predicted between little and big, ``rows×columns`` of the plan; chosen: of the same shape.
        threshold: dB below which a tile was chosen.
    """

    plan: tiling.Plan
    big: Runner
    expected: NDArray[np.float64]
    chosen: NDArray[np.bool_]
    threshold: float

    def weight(self, tile: tiling.Tile, scale: int) -> NDArray[np.float32] | None:
        """Weight of the big network in a chosen tile's kept part, ``sh×sw×1``; None where it is 1 throughout.

        It rises from 0 at the border to every little neighbour, corners included, to 1 at ``RAMP`` input pixels from
        it: on the border itself both tiles are the little network's, so no step can arise there.
        """
        (row, column), (top, bottom, left, right) = tile.place, tile.kept
        away = [_ramps((bottom - top) * scale, RAMP * scale), _ramps((right - left) * scale, RAMP * scale)]
        weight: NDArray[np.float32] | None = None
        for down in (-1, 0, 1):
            for across in (-1, 0, 1):
                y, x = row + down, column + across
                inside = 0 <= y < self.chosen.shape[0] and 0 <= x < self.chosen.shape[1]
                if not inside or self.chosen[y, x]:
                    continue
                one = np.maximum(away[0][down][:, None], away[1][across][None])
                weight = one if weight is None else np.minimum(weight, one)
        return None if weight is None else weight[..., None]


def expected_psnr(image: NDArray[np.float32], plan: tiling.Plan, coefficients: Sequence[float]) -> NDArray[np.float64]:
    """The PSNR in dB of the little network's tiles against the big one's as the gate predicts it, ``rows×columns``."""
    predicted: NDArray[np.float64] = features(image, plan) @ np.asarray(coefficients)
    return predicted


def affordable(expected: NDArray[np.float64], threshold: float, most: int) -> float:
    """The threshold that forwards at most ``most`` tiles, and none at or above ``threshold``."""
    wanted = np.sort(expected[expected < threshold])
    return threshold if len(wanted) <= most else float(wanted[most])


def blend(little: NDArray[Any], big: NDArray[Any], weight: NDArray[np.float32]) -> NDArray[Any]:
    """Integer levels of both, mixed by the big one's weight."""
    mixed: NDArray[Any] = np.rint(little + weight * (big.astype(np.float32) - little)).astype(little.dtype)
    return mixed


def _curvature(luma: NDArray[np.floating]) -> NDArray[np.floating]:
    curved: NDArray[np.floating] = 4 * luma[1:-1, 1:-1]
    curved -= luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:]
    return curved


def _ramps(length: int, reach: int) -> dict[int, NDArray[np.float32]]:
    """Weight along one axis for a little neighbour before (-1), beside (0) or after (1): half a cosine."""
    distance = (np.arange(length, dtype=np.float32) + 0.5) / reach
    rise = (0.5 - 0.5 * np.cos(np.pi * np.minimum(distance, 1))).astype(np.float32)
    return {-1: rise, 0: np.zeros(length, np.float32), 1: rise[::-1]}
