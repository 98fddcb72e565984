"""Picture measures: closeness to a reference (PSNR, SSIM), and sharpness.

Every measure takes ``H×W``, ``H×W×1`` or ``H×W×3`` pictures of ``uint8``, ``uint16`` or floating point in 0..1; the two
pictures of a pair may differ in type. Luma is the studio-range Y of ITU-R BT.601 (16 to 235), never rounded, with the
border removed before measuring: the convention of the super-resolution papers since SRCNN (Dong et al. 2014).
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourfold.core.errors import InvalidInput
from fourfold.imaging.blas import one_thread

_LUMA = (65.481, 128.553, 24.966)
_WINDOW, _SIGMA = 11, 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
_BAND = 32  # rows at a time, so that the working copies of a wide picture stay in the processor's cache
_CACHED = 1 << 14  # pixels at a time of what is touched only once

Plane = NDArray[np.float32]


def luma(image: NDArray[Any], black: float = 16, out: Plane | None = None) -> Plane:
    """BT.601 luma, ``H×W`` ``float32``, from ``black`` to 219 above it; grey pictures count as R = G = B.

    Args:
        image: the picture.
        black: luma of black.
        out: ``H×W`` ``float32``, to be filled; by default memory of its own.

    Raises:
        InvalidInput: not a picture of one of the accepted shapes and types.
    """
    require_picture(image)
    plane = np.empty(image.shape[:2], np.float32) if out is None else out
    pixels: NDArray[Any] = image if image.ndim == 3 else image[..., None]
    rows = max(1, _CACHED // image.shape[1])
    real = np.empty((rows if pixels.dtype != np.float32 else 0, *pixels.shape[1:]), np.float32)
    with one_thread():
        channels = np.array(_LUMA if pixels.shape[-1] == 3 else (sum(_LUMA),))
        weights = (channels / peak(image)).astype(np.float32)
        for top in range(0, len(plane), rows):
            made, part = plane[top : top + rows], pixels[top : top + rows]
            if len(real):
                real[: len(part)] = part
                part = real[: len(part)]
            np.matmul(part.reshape(made.size, len(weights)), weights, out=made.reshape(made.size))
            made += np.float32(black)
    return plane


def psnr_y(a: NDArray[Any], b: NDArray[Any], border: int = 4) -> float:
    """Peak signal-to-noise ratio on luma in dB, peak 255; ``inf`` for identical pictures.

    Args:
        a: one picture.
        b: the other, of the same height and width.
        border: pixels left out on every side; the papers use the scale factor.

    Raises:
        InvalidInput: heights or widths differ, or the border leaves nothing, or a value is NaN or infinite.
    """
    return decibel(_mean_square(*_inner(a, b, border), luma), 255.0)


def ssim_y(a: NDArray[Any], b: NDArray[Any], border: int = 4) -> float:
    """Mean structural similarity on luma, 1 for identical pictures (Wang et al. 2004).

    Gaussian window 11×11 with σ 1.5, K1 0.01, K2 0.03, L 255, only where the window lies wholly inside.

    Args:
        a: one picture.
        b: the other, of the same height and width.
        border: pixels left out on every side before the window is laid on.

    Raises:
        InvalidInput: heights or widths differ, or less than 11×11 pixels remain, or a value is NaN or infinite.
    """
    inner_a, inner_b = _inner(a, b, border)
    height, width = inner_a.shape[:2]
    if min(height, width) < _WINDOW:
        raise InvalidInput(
            f"SSIM needs at least {_WINDOW}×{_WINDOW} pixels inside a border of {border}, got {width}×{height}"
        )
    rows = height - _WINDOW + 1
    total = 0.0
    for top in range(0, rows, _BAND):
        window = slice(top, min(top + _BAND, rows) + _WINDOW - 1)
        total += float(_ssim_map(luma(inner_a[window]), luma(inner_b[window])).sum(dtype=np.float64))
    return _finite(total / (rows * (width - _WINDOW + 1)))


def psnr(a: NDArray[Any], b: NDArray[Any], border: int = 0) -> float:
    """Peak signal-to-noise ratio over all channels in dB; ``inf`` for identical pictures.

    Raises:
        InvalidInput: shapes differ, or the border leaves nothing, or a value is NaN or infinite.
    """
    inner_a, inner_b = _inner(a, b, border)
    require_channels(a, b)
    return decibel(_mean_square(inner_a, inner_b, unit), 1.0)


def sharpness(image: NDArray[Any]) -> float:
    """Mean length of the luma gradient, in 8-bit levels per pixel; 0 for a flat picture.

    The gradient is the pair of differences to the right and to the lower neighbour. Compare pictures of one size only:
    the same scene enlarged has smaller differences between neighbours.

    Raises:
        InvalidInput: less than 2×2 pixels, or a value is NaN or infinite.
    """
    meter = SharpnessMeter()
    for top in range(0, len(image), _BAND):
        meter.push(image[top : top + _BAND])
    return meter.result()


class SharpnessMeter:
    """``sharpness`` of a picture that arrives in bands of rows from top to bottom."""

    def __init__(self) -> None:
        self._total, self._count = 0.0, 0
        self._last: Plane | None = None

    def push(self, band: NDArray[Any]) -> None:
        """Take the next rows; raises ``InvalidInput`` for values of no accepted shape or type."""
        rows = luma(band)
        plane = rows if self._last is None else np.concatenate([self._last, rows])
        self._last = plane[-1:]
        length = np.square(plane[:-1, 1:] - plane[:-1, :-1])
        length += np.square(plane[1:, :-1] - plane[:-1, :-1])
        self._total += float(np.sqrt(length, out=length).sum(dtype=np.float64))
        self._count += length.size

    def result(self) -> float:
        """The sharpness of the rows so far; raises ``InvalidInput`` for too few, or for one that was not finite."""
        if self._count == 0:
            raise InvalidInput("sharpness needs at least 2×2 pixels")
        return _finite(self._total / self._count)


def quantiles(values: NDArray[Any], at: Sequence[float]) -> NDArray[np.float64]:
    """``N×K`` values → ``N×len(at)``, by linear interpolation, as ``np.quantile``, which takes milliseconds to load."""
    ordered, place = np.sort(values, axis=1), np.asarray(at) * (values.shape[1] - 1)
    below = np.floor(place).astype(np.intp)
    low, high = ordered[:, below], ordered[:, np.minimum(below + 1, values.shape[1] - 1)]
    found: NDArray[np.float64] = low + (high - low) * (place - below)
    return found


def require_picture(image: NDArray[Any]) -> None:
    """Raises ``InvalidInput`` for what is not a picture of one of the accepted shapes and types."""
    if image.ndim not in (2, 3) or 0 in image.shape or (image.ndim == 3 and image.shape[2] not in (1, 3)):
        raise InvalidInput(f"expected an H×W, H×W×1 or H×W×3 picture with pixels, got shape {image.shape}")
    if image.dtype not in (np.uint8, np.uint16) and not np.issubdtype(image.dtype, np.floating):
        raise InvalidInput(f"expected uint8, uint16 or floating point in 0..1, got {image.dtype}")


def require_channels(a: NDArray[Any], b: NDArray[Any]) -> None:
    """Raises ``InvalidInput`` unless both pictures have as many channels."""
    if a.shape[2:] != b.shape[2:]:
        raise InvalidInput(f"expected as many channels in both pictures, got shapes {a.shape} and {b.shape}")


def _inner(a: NDArray[Any], b: NDArray[Any], border: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Both pictures without their border."""
    require_picture(a)
    require_picture(b)
    if a.shape[:2] != b.shape[:2]:
        raise InvalidInput(f"expected two pictures of one size, got shapes {a.shape} and {b.shape}")
    height, width = a.shape[:2]
    if border < 0 or 2 * border >= min(height, width):
        raise InvalidInput(
            f"a border of {border} leaves nothing to measure of {width}×{height} pixels: "
            f"expected 0 to {(min(height, width) - 1) // 2}"
        )
    inside = slice(border, height - border), slice(border, width - border)
    return a[inside], b[inside]


def unit(image: NDArray[Any]) -> NDArray[np.float32]:
    """Values as 0..1."""
    values: NDArray[np.float32] = np.multiply(image, 1 / peak(image), dtype=np.float32)
    return values


def peak(image: NDArray[Any]) -> int:
    """The value of white."""
    return int(np.iinfo(image.dtype).max) if np.issubdtype(image.dtype, np.integer) else 1


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise InvalidInput("expected finite pixel values, got NaN or infinity")
    return value


def _mean_square(a: NDArray[Any], b: NDArray[Any], values: Callable[[NDArray[Any]], NDArray[np.float32]]) -> float:
    """Mean square of ``values(a) - values(b)``."""
    total, count = 0.0, 0
    for top in range(0, len(a), _BAND):
        difference = values(a[top : top + _BAND]) - values(b[top : top + _BAND])
        total += float(np.square(difference, out=difference).sum(dtype=np.float64))
        count += difference.size
    return total / count


def decibel(mean_square: float, white: float) -> float:
    """A mean squared difference as PSNR; ``inf`` where single precision cannot tell it from 0.

    Raises:
        InvalidInput: it is NaN or infinite.
    """
    equal = _finite(mean_square) < 1e-13 * white**2
    return math.inf if equal else 10 * math.log10(white**2 / mean_square)


def _ssim_map(x: Plane, y: Plane) -> Plane:
    """SSIM at every position of the window; variances come from mid-grey-centred values to keep float32 digits."""
    x, y = x - np.float32(128), y - np.float32(128)
    mean_x, mean_y, squares, product = _blur(np.stack([x, y, x * x + y * y, x * y]))
    covariance = 2 * (product - mean_x * mean_y)
    variances = squares - (mean_x * mean_x + mean_y * mean_y)
    mean_x, mean_y = mean_x + np.float32(128), mean_y + np.float32(128)
    numerator = (2 * mean_x * mean_y + _C1) * (covariance + _C2)
    similarity: Plane = numerator / ((mean_x * mean_x + mean_y * mean_y + _C1) * (variances + _C2))
    return similarity


def _blur(planes: Plane) -> Plane:
    """Gaussian window over ``K×H×W``, 'valid': ``K×(H-10)×(W-10)``."""
    offsets = np.arange(_WINDOW) - _WINDOW // 2
    weights = np.exp(-(offsets**2) / (2 * _SIGMA**2))
    weights /= weights.sum()
    for axis in (1, 2):
        length = planes.shape[axis] - _WINDOW + 1
        shifted = planes.swapaxes(0, axis)
        out = shifted[:length] * np.float32(weights[0])
        for offset in range(1, _WINDOW):
            out += shifted[offset : offset + length] * np.float32(weights[offset])
        planes = out.swapaxes(0, axis)
    return planes
