"""Tiling: cut a picture into overlapping tiles of one shape, and put the results together without a seam.

Pure geometry and two loops; it knows no network. In a ``Plan`` every tile is read with a halo around the part that is
kept, and pixels outside the picture are mirrored, so with a halo of at least the network's receptive field each kept
pixel is the pixel that the whole picture would have given. Where a network looks too far for that, a ``Patchwork`` of
tiles is blended over their overlaps instead.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourfold.core.errors import InvalidInput

LARGEST = 288
"""Pixels a side of a square window, and the height of windows in several columns: bands of them are held in memory."""

_AREA = 432**2  # pixels of a window at most: larger ones compute less twice, but an engine holds more for them
_CALL = 1500  # pixels that an engine computes in the time that it takes to call it
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
        side: window side to use; by default the windows of one shape that take least time together.

    Raises:
        InvalidInput: the picture is empty, or the side leaves nothing between the halos.
    """
    if min(size) < 1:
        raise InvalidInput(f"expected a picture of at least 1×1, got {size[0]}×{size[1]}")
    if side is not None and side <= 2 * halo:
        raise InvalidInput(f"expected a tile larger than twice the halo of {halo} pixels, got {side}")
    counts = _cheapest(size, halo) if side is None else [_fewest(length, halo, side) for length in size]
    height, width = (side or _side(length, halo, count) for length, count in zip(size, counts, strict=True))
    tops, lefts = (_equal(length, count) for length, count in zip(size, counts, strict=True))
    return Plan(size, (height, width), halo, _rows(halo, tops, lefts))


def _cheapest(size: tuple[int, int], halo: int) -> tuple[int, int]:
    """Rows and columns of the windows that an engine computes soonest: by their area, and by how many they are."""
    least = _fewest(size[0], halo, LARGEST)
    found = []
    for rows in {1, *range(least, least + 4)}:
        height = _side(size[0], halo, rows)
        width = _AREA // height // _GRANULE * _GRANULE
        if width <= 2 * halo:
            continue
        columns = _fewest(size[1], halo, width)
        if rows >= least or columns == 1:
            cost = rows * columns * (height * _side(size[1], halo, columns) + _CALL)
            found.append((cost, rows, columns))
    return min(found)[1:]


def finer(coarse: Plan, halo: int, largest: int) -> Plan:
    """Plan smaller tiles of the same picture, of which every row of ``coarse`` holds as many whole rows.

    Args:
        coarse: the plan to refine.
        halo: pixels to read around each kept part; largest: window side to stay within.
    """
    spans = [row[0].kept[:2] for row in coarse.rows]
    tallest, across = max(bottom - top for top, bottom in spans), coarse.size[1]
    rows, columns = _fewest(tallest, halo, largest), _fewest(across, halo, largest)
    tops = [(top + y, top + y2) for top, bottom in spans for y, y2 in _equal(bottom - top, rows)]
    shape = _side(tallest, halo, rows), _side(across, halo, columns)
    return Plan(coarse.size, shape, halo, _rows(halo, tops, _equal(across, columns)))


def _rows(halo: int, tops: list[tuple[int, int]], lefts: list[tuple[int, int]]) -> tuple[tuple[Tile, ...], ...]:
    return tuple(
        tuple(Tile((y - halo, x - halo), (y, y2, x, x2), (row, column)) for column, (x, x2) in enumerate(lefts))
        for row, (y, y2) in enumerate(tops)
    )


def _fewest(length: int, halo: int, side: int) -> int:
    """How many windows of a side at most cover one axis."""
    return -(-length // (side - 2 * halo))


def _side(length: int, halo: int, count: int) -> int:
    """Side of the windows of one axis, if they are so many."""
    return -(-(-(-length // count) + 2 * halo) // _GRANULE) * _GRANULE


def _equal(length: int, count: int) -> list[tuple[int, int]]:
    return list(pairwise(length * i // count for i in range(count + 1)))


def read(image: NDArray[Any], tile: Tile, shape: tuple[int, int]) -> NDArray[Any]:
    """The window of a tile, ``shape`` plus channels; what lies outside the picture is mirrored."""
    rows, columns = (
        mirrored(first, count, length) for first, count, length in zip(tile.window, shape, image.shape[:2], strict=True)
    )
    return image[rows][:, columns]


def mirrored(first: int, count: int, length: int) -> slice | NDArray[np.intp]:
    """The ``count`` positions from ``first`` on along an axis of ``length``, mirrored at its ends."""
    if first >= 0 and first + count <= length:
        return slice(first, first + count)
    position = np.arange(first, first + count) % (2 * length)
    return np.minimum(position, 2 * length - 1 - position)


def tiled(
    image: NDArray[Any],
    plan: Plan,
    scale: int,
    run: Callable[[list[NDArray[Any]]], Sequence[NDArray[Any]]],
    together: int = 1,
) -> Iterator[NDArray[Any]]:
    """Run a function over every tile and yield the result in bands of rows, top to bottom.

    Args:
        image: ``H×W×C`` of ``plan.size``; scale: output pixels a side for each input pixel.
        run: takes windows ``h×w×C``, returns ``(scale·h)×(scale·w)×C'`` of any dtype for each.
        together: how many windows it takes at a time; the last ones may be fewer.

    Yields:
        ``rows×(scale·W)×C'``; together ``scale·H`` rows.
    """
    tiles = [tile for row in plan.rows for tile in row]
    groups = (tiles[first : first + together] for first in range(0, len(tiles), together))
    results = (one for group in groups for one in run([read(image, tile, plan.shape) for tile in group]))
    for row in plan.rows:
        top, bottom = row[0].kept[:2]
        band: NDArray[Any] | None = None
        for tile, result in zip(row, results, strict=False):
            rows, columns = tile.inner(scale)
            left, right = scale * tile.kept[2], scale * tile.kept[3]
            if band is None:
                band = np.empty((scale * (bottom - top), scale * plan.size[1], result.shape[2]), result.dtype)
            band[:, left:right] = result[rows, columns]
        assert band is not None
        yield band


@dataclass(frozen=True)
class Patchwork:
    """Windows of one shape that cover a picture and overlap.

    Attributes:
        size: of the picture; shape: of every window, both ``(height, width)``; a window may reach past the picture's
            lower and right border, where it is continued by reflection.
        tops, lefts: where the windows begin.
    """

    size: tuple[int, int]
    shape: tuple[int, int]
    tops: tuple[int, ...]
    lefts: tuple[int, ...]

    @property
    def count(self) -> int:
        """Number of windows."""
        return len(self.tops) * len(self.lefts)


def patchwork(size: tuple[int, int], overlap: int, largest: int, multiple: int) -> Patchwork:
    """As few windows as possible, of equal shape, spread evenly.

    Args:
        size: ``(height, width)`` of the picture, each at least 1.
        overlap: pixels that neighbours share at least.
        largest: side of a window at most, a multiple of ``multiple`` and at least four times the overlap, so that no
            pixel lies in three windows along one axis.
        multiple: what the sides of windows are multiples of.
    """
    sides, starts = [], []
    for length in size:
        count = max(1, -(-(length - overlap) // (largest - overlap)))
        side = -(-(length + (count - 1) * overlap) // (count * multiple)) * multiple
        sides.append(side)
        starts.append(tuple((length - side) * i // max(1, count - 1) if i else 0 for i in range(count)))
    return Patchwork(size, (sides[0], sides[1]), *starts)


def blended(
    image: NDArray[np.float32], windows: Patchwork, run: Callable[[NDArray[np.float32]], NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Run a function that keeps sizes over every window, and blend the results linearly where they overlap.

    Of each overlap the outer quarters are left to the neighbour alone: a network knows least at its window's border.

    Args:
        image: ``H×W×C`` of ``windows.size``; run: takes and returns ``h×w×C`` of ``windows.shape``.

    Returns:
        ``H×W×C``; of a single window the very values that ``run`` returned.
    """
    (height, width), out = windows.shape, np.zeros_like(image)
    across = _weights(windows.lefts, width, image.shape[1])
    for top, down in zip(windows.tops, _weights(windows.tops, height, image.shape[0]), strict=True):
        for left, right in zip(windows.lefts, across, strict=True):
            window = image[top : top + height, left : left + width]
            missing = [(0, side - got) for side, got in zip((height, width), window.shape[:2], strict=True)]
            result = run(np.pad(window, [*missing, (0, 0)], mode="reflect"))[: len(down), : len(right)]
            out[top : top + height, left : left + width] += result * (down[:, None, None] * right[:, None])
    return out


def _weights(starts: tuple[int, ...], side: int, length: int) -> list[NDArray[np.float32]]:
    """Along one axis, the weight of each window at its pixels inside the picture; at every pixel they sum to 1."""
    weights = [np.ones(min(side, length - start), np.float32) for start in starts]
    for i in range(1, len(starts)):
        shared = starts[i - 1] + side - starts[i]
        rise = np.clip((np.arange(shared) + 0.5 - shared // 4) / (shared - 2 * (shared // 4)), 0, 1)
        weights[i][:shared] *= rise
        weights[i - 1][-shared:] *= 1 - rise
    return weights
