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
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from fourfold.core.errors import InvalidInput
from fourfold.imaging.blas import one_thread
from fourfold.imaging.metrics import unit

_READ, _STRIPE = 64, 1 << 13  # rows, and values of them, that are taken at a time: they stay in the processor's cache
_LINES = 256  # rows of a shrinking picture whose columns are made at a time, since each call takes its time …
_WORKING = 1 << 20  # … and values of a growing one
_FEW, _MORE = 4, 16  # outputs made by one product: few where samples are shrunk, so that few of its weights are zero
_LONGEST = 16  # outputs after which weights have to repeat for one product to serve them all
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
        self._held: NDArray[Any] | None = None  # rows in memory that is used again …
        self._kept = 0  # … of which so many are still needed …
        self._first = 0  # … beginning with this one
        self._left: tuple[_Products, ...] | None = None  # what has yet to be made of rows

    def push(self, band: NDArray[Any]) -> NDArray[Any]:
        """Take the next rows (``rows×W`` or ``rows×W×C``) and return the output rows that are now certain."""
        if band.shape[1] != self._size[1]:
            raise InvalidInput(f"expected rows of {self._size[1]} pixels, got {band.shape[1]}")
        integers = self._rounding and np.issubdtype(band.dtype, np.integer)
        top = np.iinfo(band.dtype).max if integers else None
        growth = max(1, self._target[0] / self._size[0]) * max(1, self._target[1] / self._size[1])
        step = max(1, int(_WORKING / growth) // math.prod(band.shape[1:])) if growth > 1 else _LINES
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
        parts = [self._few_rows(band[row : row + _READ]) for row in range(0, max(1, len(band)), _READ)]
        return _rounded(parts[0] if len(parts) == 1 else np.concatenate(parts), top)

    def _few_rows(self, band: NDArray[Any]) -> NDArray[Any]:
        held, lines = self._hold(band), _flat(band)
        if self._left is None:
            block = _FEW if self._target[0] < self._size[0] else _MORE
            self._left = _blocks(self._axes[0], block, held.dtype, 1)
        ready, self._left = _received(self._left, self._first + len(held))
        out = np.empty((sum(one.made for one in ready), *band.shape[1:]), held.dtype)
        for left in range(0, lines.shape[1], _STRIPE):
            stripe, row = slice(left, left + _STRIPE), 0
            held[self._kept :, stripe] = lines[:, stripe]
            for one in ready:
                into = _flat(out)[row : row + one.made].reshape(one.count, len(one.matrix), lines.shape[1])
                np.matmul(one.matrix, one.windows(held[:, stripe], self._first), out=into[..., stripe])
                row += one.made
        self._keep(held)
        return out

    def _hold(self, band: NDArray[Any]) -> NDArray[Any]:
        """The rows that are still needed as lines of real numbers, and room for the new ones."""
        count = self._kept + len(band)
        if self._held is None or len(self._held) < count:
            more = np.empty((count, math.prod(band.shape[1:])), _real(band))
            if self._held is not None:
                more[: self._kept] = self._held[: self._kept]
            self._held = more
        return self._held[:count]

    def _keep(self, held: NDArray[Any]) -> None:
        """Move the rows that will be needed again to the front."""
        if self._left and self._held is not None:
            unneeded = max(0, min(one.start for one in self._left) - self._first)
            self._first += unneeded
            self._kept = len(held) - unneeded
            self._held[: self._kept] = held[unneeded:]

    def _columns(self, rows: NDArray[Any], top: int | None) -> NDArray[Any]:
        width, real, channels = self._target[1], _real(rows), math.prod(rows.shape[2:])
        if rows.shape[1] == width and self._axes[1].through is None:
            return rows
        lines = np.ascontiguousarray(_flat(rows), real)
        out, column = np.empty((len(lines), width * channels), real), 0
        block = _FEW if channels > 1 or 4 * width < rows.shape[1] else _MORE
        for one in _blocks(self._axes[1], block, real, channels):
            into = out[:, column : column + one.made].reshape(len(lines), one.count, len(one.matrix))
            np.matmul(one.windows(lines.T, 0).swapaxes(1, 2), one.matrix.T, out=into.swapaxes(0, 1))
            column += one.made
        return _rounded(out, top).reshape(len(rows), width, *rows.shape[2:])


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


@dataclass(frozen=True, eq=False)
class _Products:
    """Products of one matrix with windows of samples at equal distances.

    Attributes:
        matrix: outputs × samples; start: the first window's first sample; step: samples from one window to the next.
        count: number of windows.
    """

    matrix: NDArray[Any]
    start: int
    step: int = 1
    count: int = 1

    @property
    def made(self) -> int:
        """Number of outputs."""
        return self.count * len(self.matrix)

    def windows(self, samples: NDArray[Any], first: int) -> NDArray[Any]:
        """``count × samples × values`` of ``samples × values`` that begin with sample ``first``; their memory."""
        begin = self.start - first
        one = samples[begin : begin + self.matrix.shape[1]]
        if self.count == 1:
            return one[None]
        return as_strided(one, (self.count, *one.shape), (self.step * one.strides[0], *one.strides))


def _received(parts: tuple[_Products, ...], samples: int) -> tuple[tuple[_Products, ...], tuple[_Products, ...]]:
    """The products that can be made of the first samples, and those that are left."""
    for number, one in enumerate(parts):
        count = (samples - one.start - one.matrix.shape[1]) // one.step + 1
        if count <= 0:
            return parts[:number], parts[number:]
        if count < one.count:
            rest = replace(one, start=one.start + count * one.step, count=one.count - count)
            return (*parts[:number], replace(one, count=count)), (rest, *parts[number + 1 :])
    return parts, ()


@lru_cache(maxsize=64)
def _blocks(axis: _Axis, block: int, real: np.dtype[np.floating[Any]], channels: int) -> tuple[_Products, ...]:
    """One axis as products with small matrices of ``real``, of about ``block`` outputs.

    Away from the borders weights repeat after as many outputs as the sizes share no further factor of: with twice the
    outputs from as many samples, after two. Blocks are multiples of that, unless it is long, so that one matrix does.
    With several channels, samples and outputs are single values, channels of one pixel beside each other.
    """
    least = axis.target // math.gcd(axis.length, axis.target, axis.through or 0)
    repeats = least <= _LONGEST
    block = -(-block // least) * least if repeats else block
    found: list[_Products] = []
    alike = False
    for first in range(0, axis.target, block):
        last = min(first + block, axis.target)
        before, alike = alike, repeats and last - first == block and axis.inside(first, last)
        if before and alike:
            found[-1] = replace(
                found[-1], step=block * axis.length // axis.target * channels, count=found[-1].count + 1
            )
        else:
            matrix, start = axis.rows(first, last)
            found.append(_Products(np.kron(matrix, np.eye(channels)).astype(real), start * channels))
    return tuple(found)


def _dense(length: int, target: int, first: int, last: int) -> tuple[NDArray[np.float64], int]:
    """Outputs ``first`` to ``last - 1`` of a resize of one axis, as a matrix, and the first sample that it reads."""
    taps = _taps(length, target)
    weights, indices = taps[0][first:last], taps[1][first:last]
    counts = np.abs(weights) > 1e-14  # what is less arose by rounding where the kernel ends
    used = indices[counts]
    start, stop = int(used.min()), int(used.max()) + 1
    matrix = np.zeros((last - first, stop - start))
    np.add.at(matrix, (counts.nonzero()[0], used - start), weights[counts])
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
