"""Bicubic resizing in the MATLAB ``imresize`` convention, the one super-resolution papers measure with.

Source: the cubic convolution kernel of R. Keys (1981), a = -0.5; when shrinking, the kernel is stretched by the
scale (antialiasing); samples beyond the border are mirrored about the outermost pixel's edge; the axis that shrinks
most goes first, rows on a tie; integer pictures are rounded after each axis.
"""

import math
from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from fourfold.core.errors import InvalidInput

_BLOCK = 16  # output rows or columns per small dense product: few wasted zeros, and still fast in BLAS


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
    """

    def __init__(self, size: tuple[int, int], target: tuple[int, int], *, rounding: bool = True) -> None:
        if min(*size, *target) < 1:
            raise InvalidInput(f"expected sizes of at least 1×1, got {size} and {target}")
        self._size, self._target, self._rounding = size, target, rounding
        self._columns_first = target[1] / size[1] < target[0] / size[0]
        self._held: NDArray[Any] | None = None
        self._first = 0  # row number of the first held row
        self._done = 0  # output rows already returned

    def push(self, band: NDArray[Any]) -> NDArray[Any]:
        """Take the next rows (``rows×W`` or ``rows×W×C``) and return the output rows that are now certain."""
        # The products are small; the worker threads of numpy's BLAS would go on spinning afterwards, on the very
        # cores that the network runs on.
        with _blas().limit(limits=1, user_api="blas"):
            return self._push(band)

    def _push(self, band: NDArray[Any]) -> NDArray[Any]:
        if band.shape[1] != self._size[1]:
            raise InvalidInput(f"expected rows of {self._size[1]} pixels, got {band.shape[1]}")
        if self._columns_first:
            band = self._columns(band)
        held = band if self._held is None else np.concatenate([self._held, band])
        received = self._first + len(held)
        weights, start = _blocks(self._size[0], self._target[0], 1)
        rows = []
        while self._done < self._target[0]:
            block = self._done // _BLOCK
            stop = start[block] + weights[block].shape[1]
            if stop > received:
                break
            rows.append(self._product(weights[block], held[start[block] - self._first : stop - self._first]))
            self._done += len(weights[block])
        if self._done < self._target[0]:
            needed = min(start[self._done // _BLOCK :])
            held = held[max(0, needed - self._first) :]
            self._first = received - len(held)
        self._held = held
        out = np.concatenate(rows) if rows else held[:0]
        return out if self._columns_first else self._columns(out)

    def _columns(self, rows: NDArray[Any]) -> NDArray[Any]:
        width = self._target[1]
        if rows.shape[1] == width:
            return rows
        channels = rows.shape[2] if rows.ndim == 3 else 1
        flat = rows.reshape(len(rows), rows.shape[1] * channels).T
        parts = [
            self._product(weights, flat[start : start + weights.shape[1]])
            for weights, start in zip(*_blocks(rows.shape[1], width, channels), strict=True)
        ]
        return np.ascontiguousarray(np.concatenate(parts).T).reshape(len(rows), width, *rows.shape[2:])

    def _product(self, weights: NDArray[np.float64], rows: NDArray[Any]) -> NDArray[Any]:
        """``weights @ rows`` over the first axis, rounded and clipped when ``rows`` are integers."""
        real = np.float64 if rows.dtype == np.float64 else np.float32
        flat = rows.reshape(len(rows), math.prod(rows.shape[1:])).astype(real, copy=False)
        out: NDArray[Any] = np.matmul(weights.astype(real), flat).reshape(len(weights), *rows.shape[1:])
        if self._rounding and np.issubdtype(rows.dtype, np.integer):
            out += real(0.5)
            np.clip(np.floor(out, out=out), 0, np.iinfo(rows.dtype).max, out=out)
            return out.astype(rows.dtype)
        return out


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()


@lru_cache(maxsize=32)
def _blocks(length: int, target: int, channels: int) -> tuple[tuple[NDArray[np.float64], ...], tuple[int, ...]]:
    """The resize of one axis, its ``channels`` interleaved, as small matrices and the first sample each one reads."""
    weights, indices = _taps(length, target)
    matrices, starts = [], []
    for first in range(0, target, _BLOCK):
        w, i = weights[first : first + _BLOCK], indices[first : first + _BLOCK]
        start, stop = int(i.min()), int(i.max()) + 1
        matrix = np.zeros((channels * len(w), channels * (stop - start)))
        for channel in range(channels):
            np.add.at(matrix[channel::channels, channel::channels], (np.arange(len(w))[:, None], i - start), w)
        matrices.append(matrix)
        starts.append(channels * start)
    return tuple(matrices), tuple(starts)


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
