"""Bicubic resizing in the MATLAB ``imresize`` convention, the one super-resolution papers measure with.

Source: the cubic convolution kernel of R. Keys (1981), a = -0.5; when shrinking, the kernel is stretched by the
scale (antialiasing); samples beyond the border are mirrored about the outermost pixel's edge; the axis that shrinks
most goes first, rows on a tie; integer pictures are rounded after each axis.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourfold.core.errors import InvalidInput
from fourfold.imaging.blas import one_thread
from fourfold.imaging.metrics import unit

_READ = 64  # rows of a whole picture that are resized at a time
_ROWS, _MORE = 4, 16  # made by one small product, in BLAS: fewest zeros where rows are shrunk, else fewer products
_LONGEST = 16  # outputs after which weights have to repeat for one product to serve them all
_WORKING = 1 << 20  # values made of a band at a time where it grows, so that they stay in the processor's cache
_REACH = 16  # samples beyond which the inverse of an enlargement shrunk again has faded to 1e-8 …
_REACH_NEAR_ONE = 64  # … and for scales below 1.05, where it fades more slowly


def bicubic(image: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Resize a picture with the antialiased bicubic kernel.

    Args:
        image: ``H×W`` or ``H×W×C``; ``uint8``, ``uint16`` or floating point.
        size: the wanted ``(height, width)``, each at least 1.

    Returns:
        The resized picture in the same dtype: integers are rounded and clipped, floats are left as they fall
        (they may overshoot their range slightly, as bicubic does).

    Raises:
        InvalidInput: a side is smaller than 1, or the picture has no pixels or not two or three dimensions.
    """
    if image.ndim not in (2, 3) or 0 in image.shape:
        raise InvalidInput(f"expected an H×W or H×W×C picture with pixels, got shape {image.shape}")
    resizer = Resizer((image.shape[0], image.shape[1]), size)
    return resizer.push(image)


def in_bands(image: NDArray[Any], size: tuple[int, int]) -> Iterator[NDArray[np.float32]]:
    """The rows of ``bicubic`` of ``H×W×C`` pixels of any kind, some after the other, as floats clipped to 0..1."""
    resizer = Resizer((image.shape[0], image.shape[1]), size)
    for top in range(0, len(image), _READ):
        yield np.clip(resizer.push(unit(image[top : top + _READ])), 0, 1)


class Resizer:
    """``bicubic`` for a picture that arrives, and leaves, in bands of rows from top to bottom.

    It holds no more rows than the kernel spans, so a picture larger than memory can pass.

    Args:
        size: ``(height, width)`` of the picture that will be pushed; target: of the picture that comes out.
        rounding: whether integers come out as integers; without it they come out as ``float32`` in the same range.
        through: resize to this size first and from there to the target; the picture between is never made.
        inverse: undo the way from ``size`` to ``through`` and back to ``size``, which is ``target``, instead.
    """

    def __init__(
        self,
        size: tuple[int, int],
        target: tuple[int, int],
        *,
        rounding: bool = True,
        through: tuple[int, int] | None = None,
        inverse: bool = False,
    ) -> None:
        if min(*size, *target) < 1:
            raise InvalidInput(f"expected sizes of at least 1×1, got {size} and {target}")
        self._size, self._target, self._rounding = size, target, rounding
        rows, columns = zip(size, through or (None, None), target, strict=True)
        self._axes = _Axis(*rows, inverse), _Axis(*columns, inverse)
        high, wide = target[0] / size[0], target[1] / size[1]
        # Without rounding the order changes nothing but the time: columns are enlarged while there are few rows.
        self._columns_first = wide < high or (not rounding and wide == high > 1)
        self._held: NDArray[Any] | None = None
        self._first = 0  # row number of the first held row
        self._block = 0  # number of the block of output rows that comes next

    def push(self, band: NDArray[Any]) -> NDArray[Any]:
        """Take the next rows (``rows×W`` or ``rows×W×C``) and return the output rows that are now certain."""
        if band.shape[1] != self._size[1]:
            raise InvalidInput(f"expected rows of {self._size[1]} pixels, got {band.shape[1]}")
        integers = self._rounding and np.issubdtype(band.dtype, np.integer)
        top = np.iinfo(band.dtype).max if integers else None
        growth = max(1, self._target[0] / self._size[0]) * max(1, self._target[1] / self._size[1])
        step = max(1, int(_WORKING / growth) // math.prod(band.shape[1:])) if growth > 1 else max(1, len(band))
        with one_thread():
            parts = [self._push(band[row : row + step], top) for row in range(0, max(1, len(band)), step)]
        out = [part.astype(band.dtype) for part in parts] if integers else parts
        return out[0] if len(out) == 1 else np.concatenate(out)

    def _push(self, band: NDArray[Any], top: int | None) -> NDArray[Any]:
        """The same for few rows, as real numbers; with ``top`` they are rounded to 0..top after each axis."""
        if self._columns_first:
            return self._rows(self._columns(band, top), top)
        return self._columns(self._rows(band, top), top)

    def _rows(self, band: NDArray[Any], top: int | None) -> NDArray[Any]:
        held = band if self._held is None else np.concatenate([self._held, band])
        received = self._first + len(held)
        weights, starts = _blocks(self._axes[0], _ROWS if self._target[0] < self._size[0] else _MORE, _real(held))
        first = last = self._block
        while last < len(starts) and starts[last] + weights[last].shape[1] <= received:
            last += 1
        out = np.empty((sum(map(len, weights[first:last])), *held.shape[1:]), _real(held))
        row = 0
        for matrix, start in zip(weights[first:last], starts[first:last], strict=True):
            samples = held[start - self._first : start - self._first + matrix.shape[1]].astype(out.dtype, copy=False)
            np.matmul(matrix, _flat(samples), out=_flat(out[row : row + len(matrix)]))
            row += len(matrix)
        self._block = last
        if last < len(starts):
            held = held[max(0, min(starts[last:]) - self._first) :]
            self._first = received - len(held)
        self._held = held
        return _rounded(out, top)

    def _columns(self, rows: NDArray[Any], top: int | None) -> NDArray[Any]:
        width, real = self._target[1], _real(rows)
        if rows.shape[1] == width and self._axes[1].through is None:
            return rows
        channels = rows[:, None] if rows.ndim == 2 else rows.transpose(0, 2, 1)
        lines = np.ascontiguousarray(channels, real).reshape(len(rows) * channels.shape[1], rows.shape[1])
        out = np.empty((len(lines), width), real)
        weights, starts = _blocks(self._axes[1], _MORE if 4 * width >= rows.shape[1] else _MORE // 2, real)
        column = 0
        for matrix, start in zip(weights, starts, strict=True):
            samples = lines[:, start : start + matrix.shape[1]]
            np.matmul(samples, matrix.T, out=out[:, column : column + len(matrix)])
            column += len(matrix)
        made = _rounded(out, top).reshape(*channels.shape[:2], width)
        return made[:, 0] if rows.ndim == 2 else np.ascontiguousarray(made.transpose(0, 2, 1))


def shares(length: int, target: int) -> NDArray[np.float64]:
    """How much of the ``target`` samples of an enlarged axis each of its ``length`` samples makes; they sum to target.

    Shrinking weighs with the same kernel and divides by these, so ``shares * shrunk`` is the transpose of enlarging.
    """
    weights, indices = _taps(length, target)
    return np.bincount(indices.ravel(), weights.ravel(), length).astype(np.float64)


def _real(values: NDArray[Any]) -> np.dtype[np.floating[Any]]:
    return np.dtype(np.float64 if values.dtype == np.float64 else np.float32)


def _flat(rows: NDArray[Any]) -> NDArray[Any]:
    """The rows as a matrix that shares their memory."""
    return rows.reshape(len(rows), math.prod(rows.shape[1:]))


def _rounded(values: NDArray[Any], top: int | None) -> NDArray[Any]:
    """The same array, rounded and clipped to 0..top if there is one."""
    if top is not None:
        values += values.dtype.type(0.5)
        np.floor(values, out=values)
        np.clip(values, 0, top, out=values)
    return values


@dataclass(frozen=True)
class _Axis:
    """What happens along one axis, from ``length`` samples to ``target``; see ``Resizer``."""

    length: int
    through: int | None
    target: int
    inverse: bool

    def rows(self, first: int, last: int) -> tuple[NDArray[np.float64], int]:
        """The matrix that makes the outputs ``first`` to ``last - 1``, and the first sample that it reads."""
        if self.through is None:
            return _dense(self.length, self.target, first, last)
        if self.inverse:
            return self._undone(first, last)
        outer, middle = _dense(self.through, self.target, first, last)
        inner, start = _dense(self.length, self.through, middle, middle + outer.shape[1])
        return outer @ inner, start

    def inside(self, first: int, last: int) -> bool:
        """Whether these outputs depend on no mirrored sample, not even through what is undone."""
        scale = self.target / self.length
        reach = 4 * max(1, 1 / scale) + 4
        if self.through is not None:
            reach += 4 * max(1, self.length / self.through) + (self._reach if self.inverse else 0)
        return first / scale - reach >= 0 and last / scale + reach <= self.length

    @property
    def _reach(self) -> int:
        return _REACH if (self.through or 0) >= 1.05 * self.length else _REACH_NEAR_ONE

    def _undone(self, first: int, last: int) -> tuple[NDArray[np.float64], int]:
        """Rows of the inverse, which fades with the distance, from the part of the way that they depend on."""
        way = replace(self, inverse=False)
        start, stop = max(0, first - self._reach), min(self.length, last + self._reach)
        reads, left = way.rows(start, stop)
        square = np.zeros((stop - start, stop - start))
        a, b = max(start, left), min(stop, left + reads.shape[1])
        square[:, a - start : b - start] = reads[:, a - left : b - left]
        wanted = np.eye(stop - start)[:, first - start : last - start]
        rows = np.linalg.solve(square.T, wanted).T
        return rows / rows.sum(axis=1, keepdims=True), start


@lru_cache(maxsize=64)
def _blocks(
    axis: _Axis, block: int, real: np.dtype[np.floating[Any]]
) -> tuple[tuple[NDArray[Any], ...], tuple[int, ...]]:
    """One axis as small matrices of ``real``, of about ``block`` outputs, and the first sample that each one reads.

    Away from the borders weights repeat after as many outputs as the sizes share no further factor of: with twice the
    outputs from as many samples, after two. Blocks are multiples of that, unless it is long, so that one matrix does.
    """
    least = axis.target // math.gcd(axis.length, axis.target, axis.through or 0)
    repeats = least <= _LONGEST
    block = -(-block // least) * least if repeats else block
    found: list[tuple[NDArray[Any], int]] = []
    alike = False
    for first in range(0, axis.target, block):
        last = min(first + block, axis.target)
        before, alike = alike, repeats and last - first == block and axis.inside(first, last)
        if before and alike:
            found.append((found[-1][0], found[-1][1] + block * axis.length // axis.target))
        else:
            matrix, start = axis.rows(first, last)
            found.append((matrix.astype(real), start))
    matrices, starts = zip(*found, strict=True)
    return matrices, starts


def _dense(length: int, target: int, first: int, last: int) -> tuple[NDArray[np.float64], int]:
    """Outputs ``first`` to ``last - 1`` of a resize of one axis, as a matrix, and the first sample that it reads."""
    taps = _taps(length, target)
    weights, indices = taps[0][first:last], taps[1][first:last]
    start, stop = int(indices.min()), int(indices.max()) + 1
    matrix = np.zeros((last - first, stop - start))
    np.add.at(matrix, (np.arange(last - first)[:, None], indices - start), weights)
    return matrix, start


@lru_cache(maxsize=16)
def _taps(length: int, target: int) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Weights and mirrored source indices, each ``target×taps``, of a one-dimensional resize."""
    scale = target / length
    stretch = min(scale, 1.0)
    support = 4.0 / stretch
    centre = (np.arange(target) + 0.5) / scale - 0.5
    first = np.floor(centre - support / 2).astype(np.intp)
    indices = first[:, None] + np.arange(int(np.ceil(support)) + 2)
    weights = stretch * _cubic(stretch * (centre[:, None] - indices))
    weights /= weights.sum(axis=1, keepdims=True)
    mirror = np.concatenate([np.arange(length), np.arange(length)[::-1]])
    return weights, mirror[indices % len(mirror)]


def _cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, near, np.where(x <= 2, far, 0.0))
