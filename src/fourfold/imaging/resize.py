"""Bicubic resizing in the MATLAB ``imresize`` convention, the one super-resolution papers measure with.

Source: the cubic convolution kernel of R. Keys (1981), a = -0.5; when shrinking, the kernel is stretched by the
scale (antialiasing); samples beyond the border are mirrored about the outermost pixel's edge; the axis that shrinks
most goes first, rows on a tie; integer pictures are rounded after each axis.
"""

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourfold.core.errors import InvalidInput
from fourfold.imaging.blas import one_thread

_BLOCK = 16  # output rows or columns per small dense product: few wasted zeros, and still fast in BLAS
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
        self._done = 0  # output rows already returned

    def push(self, band: NDArray[Any]) -> NDArray[Any]:
        """Take the next rows (``rows×W`` or ``rows×W×C``) and return the output rows that are now certain."""
        with one_thread():
            return self._push(band)

    def _push(self, band: NDArray[Any]) -> NDArray[Any]:
        if band.shape[1] != self._size[1]:
            raise InvalidInput(f"expected rows of {self._size[1]} pixels, got {band.shape[1]}")
        if self._columns_first:
            band = self._columns(band)
        held = band if self._held is None else np.concatenate([self._held, band])
        received = self._first + len(held)
        weights, starts = _blocks(self._axes[0], 1, _real(band))
        first = last = self._done // self._axes[0].block
        while last < len(starts) and starts[last] + weights[last].shape[1] <= received:
            last += 1
        out = self._empty((sum(map(len, weights[first:last])), *held.shape[1:]), held)
        row = 0
        for matrix, start in zip(weights[first:last], starts[first:last], strict=True):
            rows = held[start - self._first : start - self._first + matrix.shape[1]]
            _multiply(matrix, _flat(rows).astype(matrix.dtype, copy=False), _flat(out[row : row + len(matrix)]))
            row += len(matrix)
        self._done += row
        if last < len(starts):
            held = held[max(0, min(starts[last:]) - self._first) :]
            self._first = received - len(held)
        self._held = held
        return out if self._columns_first else self._columns(out)

    def _columns(self, rows: NDArray[Any]) -> NDArray[Any]:
        width = self._target[1]
        if rows.shape[1] == width and self._axes[1].through is None:
            return rows
        out = self._empty((len(rows), width, *rows.shape[2:]), rows)
        channels = rows.shape[2] if rows.ndim == 3 else 1
        flat, column = _flat(out), 0
        for matrix, start in zip(*_blocks(self._axes[1], channels, _real(rows)), strict=True):
            samples = _flat(rows)[:, start : start + matrix.shape[1]].astype(matrix.dtype, copy=False)
            _multiply(samples, matrix.T, flat[:, column : column + len(matrix)])
            column += len(matrix)
        return out

    def _empty(self, shape: tuple[int, ...], like: NDArray[Any]) -> NDArray[Any]:
        return np.empty(shape, like.dtype if self._rounding and _integer(like) else _real(like))


def shares(length: int, target: int) -> NDArray[np.float64]:
    """How much of the ``target`` samples of an enlarged axis each of its ``length`` samples makes; they sum to target.

    Shrinking weighs with the same kernel and divides by these, so ``shares * shrunk`` is the transpose of enlarging.
    """
    weights, indices = _taps(length, target)
    return np.bincount(indices.ravel(), weights.ravel(), length).astype(np.float64)


def _real(values: NDArray[Any]) -> np.dtype[np.floating[Any]]:
    return np.dtype(np.float64 if values.dtype == np.float64 else np.float32)


def _integer(values: NDArray[Any]) -> bool:
    return np.issubdtype(values.dtype, np.integer)


def _flat(rows: NDArray[Any]) -> NDArray[Any]:
    """The rows as a matrix that shares their memory."""
    return rows.reshape(len(rows), math.prod(rows.shape[1:]))


def _multiply(a: NDArray[Any], b: NDArray[Any], out: NDArray[Any]) -> None:
    """``out = a @ b``, rounded and clipped if that holds integers."""
    if not _integer(out):
        np.matmul(a, b, out=out)
        return
    values = a @ b
    values += np.float32(0.5)
    np.clip(np.floor(values, out=values), 0, np.iinfo(out.dtype).max, out=values)
    out[...] = values


@dataclass(frozen=True)
class _Axis:
    """What happens along one axis, from ``length`` samples to ``target``; see ``Resizer``."""

    length: int
    through: int | None
    target: int
    inverse: bool

    @property
    def block(self) -> int:
        """Outputs per small dense product."""
        return _BLOCK // 2 if self.target < self.length else _BLOCK

    def rows(self, first: int, last: int) -> tuple[NDArray[np.float64], int]:
        """The matrix that makes the outputs ``first`` to ``last - 1``, and the first sample that it reads."""
        if self.through is None:
            return _dense(self.length, self.target, first, last)
        if self.inverse:
            return self._undone(first, last)
        outer, middle = _dense(self.through, self.target, first, last)
        inner, start = _dense(self.length, self.through, middle, middle + outer.shape[1])
        return outer @ inner, start

    def _undone(self, first: int, last: int) -> tuple[NDArray[np.float64], int]:
        """Rows of the inverse, which fades with the distance, from the part of the way that they depend on."""
        way = replace(self, inverse=False)
        reach = _REACH if (self.through or 0) >= 1.05 * self.length else _REACH_NEAR_ONE
        start, stop = max(0, first - reach), min(self.length, last + reach)
        reads, left = way.rows(start, stop)
        square = np.zeros((stop - start, stop - start))
        a, b = max(start, left), min(stop, left + reads.shape[1])
        square[:, a - start : b - start] = reads[:, a - left : b - left]
        wanted = np.eye(stop - start)[:, first - start : last - start]
        rows = np.linalg.solve(square.T, wanted).T
        return rows / rows.sum(axis=1, keepdims=True), start


@lru_cache(maxsize=64)
def _blocks(
    axis: _Axis, channels: int, real: np.dtype[np.floating[Any]]
) -> tuple[tuple[NDArray[Any], ...], tuple[int, ...]]:
    """One axis, its ``channels`` interleaved, as small matrices of ``real`` and the first sample each one reads."""
    matrices, starts = [], []
    for first in range(0, axis.target, axis.block):
        matrix, start = axis.rows(first, min(first + axis.block, axis.target))
        matrices.append(np.kron(matrix, np.eye(channels)).astype(real))
        starts.append(channels * start)
    return tuple(matrices), tuple(starts)


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
