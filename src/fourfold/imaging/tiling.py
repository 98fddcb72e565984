"""Tiling: cut a picture into overlapping tiles of one shape, and put the results together without a seam.

Pure geometry and one loop; it knows no network. Every tile is read with a halo around the part that is kept, and
pixels outside the picture are mirrored, so with a halo of at least the network's receptive field each kept pixel is
the pixel that the whole picture would have given.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourfold.core.errors import InvalidInput

LARGEST = 288
_GRANULE = 8


@dataclass(frozen=True)
class Tile:
    """One tile, in pixels of the input picture.

    Attributes:
        window: ``(top, left)`` of what is read; it may lie outside the picture, where pixels are mirrored.
        kept: ``(top, bottom, left, right)`` of the part of the picture this tile answers for.
        place: its row and column among the tiles.
    """

    window: tuple[int, int]
    kept: tuple[int, int, int, int]
    place: tuple[int, int]

    def inner(self, scale: int) -> tuple[slice, slice]:
        """Where the kept part lies in the result of the window, ``scale`` times as large."""
        (y, x), (top, bottom, left, right) = self.window, self.kept
        return slice(scale * (top - y), scale * (bottom - y)), slice(scale * (left - x), scale * (right - x))


@dataclass(frozen=True)
class Plan:
    """Tiles of one shape that together keep every pixel of the picture exactly once.

    Attributes:
        size: of the picture; shape: of every tile's window, both ``(height, width)``.
        halo: pixels around each kept part that the window holds at least.
        rows: the tiles, left to right, in rows from top to bottom.
    """

    size: tuple[int, int]
    shape: tuple[int, int]
    halo: int
    rows: tuple[tuple[Tile, ...], ...]

    @property
    def count(self) -> int:
        """Number of tiles."""
        return sum(len(row) for row in self.rows)


def plan(size: tuple[int, int], halo: int, side: int | None = None) -> Plan:
    """Plan the tiles of a picture.

    Args:
        size: ``(height, width)`` of the picture, each at least 1.
        halo: pixels to read around each kept part.
        side: window side to use; by default the fewest tiles of at most 288 pixels, of equal shape, so that little
            is computed twice.

    Raises:
        InvalidInput: the picture is empty, or the side leaves nothing between the halos.
    """
    if min(size) < 1:
        raise InvalidInput(f"expected a picture of at least 1×1, got {size[0]}×{size[1]}")
    if side is not None and side <= 2 * halo:
        raise InvalidInput(f"expected a tile larger than twice the halo of {halo} pixels, got {side}")
    (height, tops), (width, lefts) = (_cuts(length, halo, side, LARGEST) for length in size)
    return Plan(size, (height, width), halo, _rows(halo, tops, lefts))


def finer(coarse: Plan, halo: int, largest: int) -> Plan:
    """Plan smaller tiles of the same picture, of which every row of ``coarse`` holds whole rows.

    Args:
        coarse: the plan to refine.
        halo: pixels to read around each kept part; largest: window side to stay within.
    """
    spans = [row[0].kept[:2] for row in coarse.rows]
    height, _ = _cuts(max(bottom - top for top, bottom in spans), halo, None, largest)
    step = height - 2 * halo
    tops = [(y, min(y + step, bottom)) for top, bottom in spans for y in range(top, bottom, step)]
    width, lefts = _cuts(coarse.size[1], halo, None, largest)
    return Plan(coarse.size, (height, width), halo, _rows(halo, tops, lefts))


def _rows(halo: int, tops: list[tuple[int, int]], lefts: list[tuple[int, int]]) -> tuple[tuple[Tile, ...], ...]:
    return tuple(
        tuple(Tile((y - halo, x - halo), (y, y2, x, x2), (row, column)) for column, (x, x2) in enumerate(lefts))
        for row, (y, y2) in enumerate(tops)
    )


def _cuts(length: int, halo: int, side: int | None, largest: int) -> tuple[int, list[tuple[int, int]]]:
    """Window side of one axis, and the kept spans; the last window may reach past the picture's end."""
    count = -(-length // ((side or largest) - 2 * halo))
    step = -(-length // count)
    window = side or -(-(step + 2 * halo) // _GRANULE) * _GRANULE
    return window, [(start, min(start + step, length)) for start in range(0, length, step)]


def read(image: NDArray[Any], tile: Tile, shape: tuple[int, int]) -> NDArray[Any]:
    """The window of a tile, ``shape`` plus channels; what lies outside the picture is mirrored."""
    rows, columns = (
        _mirrored(first, count, length)
        for first, count, length in zip(tile.window, shape, image.shape[:2], strict=True)
    )
    return image[rows][:, columns]


def _mirrored(first: int, count: int, length: int) -> slice | NDArray[np.intp]:
    if first >= 0 and first + count <= length:
        return slice(first, first + count)
    position = np.arange(first, first + count) % (2 * length)
    return np.minimum(position, 2 * length - 1 - position)


def tiled(
    image: NDArray[Any], plan: Plan, scale: int, run: Callable[[NDArray[Any], Tile], NDArray[Any]]
) -> Iterator[NDArray[Any]]:
    """Run a function over every tile and yield the result in bands of rows, top to bottom.

    Args:
        image: ``H×W×C`` of ``plan.size``; scale: output pixels a side for each input pixel.
        run: takes a window ``h×w×C`` and its tile, returns ``(scale·h)×(scale·w)×C'`` of any dtype.

    Yields:
        ``rows×(scale·W)×C'``; together ``scale·H`` rows.
    """
    for row in plan.rows:
        top, bottom = row[0].kept[:2]
        band: NDArray[Any] | None = None
        for tile in row:
            result = run(read(image, tile, plan.shape), tile)
            rows, columns = tile.inner(scale)
            left, right = scale * tile.kept[2], scale * tile.kept[3]
            if band is None:
                band = np.empty((scale * (bottom - top), scale * plan.size[1], result.shape[2]), result.dtype)
            band[:, left:right] = result[rows, columns]
        assert band is not None
        yield band
