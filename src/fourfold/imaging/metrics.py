"""Picture measures: closeness to a reference (PSNR, SSIM), and what can be said without one.

Every measure takes ``H×W``, ``H×W×1`` or ``H×W×3`` pictures of ``uint8``, ``uint16`` or floating point in 0..1; the two
pictures of a pair may differ in type. Luma is the studio-range Y of ITU-R BT.601 (16 to 235), never rounded, with the
border removed before measuring: the convention of the super-resolution papers since SRCNN (Dong et al. 2014).
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourfold.core.errors import InvalidInput
from fourfold.imaging.resize import Resizer, bicubic

_LUMA = (65.481, 128.553, 24.966)
_WINDOW, _SIGMA = 11, 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
_BAND = 32  # rows at a time, so that the working copies of a wide picture stay in the processor's cache
_ROUNDING = 1 / 12  # variance of rounding to whole levels

Plane = NDArray[np.float32]


def luma(image: NDArray[Any]) -> Plane:
    """BT.601 luma, ``H×W`` ``float32``, 16 for black to 235 for white; grey pictures count as R = G = B.

    Raises:
        InvalidInput: not a picture of one of the accepted shapes and types.
    """
    _require_picture(image)
    plane = np.empty(image.shape[:2], np.float32)
    pixels = image if image.ndim == 3 else image[..., None]
    weights = np.array(_LUMA if pixels.shape[2] == 3 else (sum(_LUMA),), np.float32)
    for top in range(0, len(plane), _BAND):
        plane[top : top + _BAND] = _unit(pixels[top : top + _BAND]) @ weights
    return np.add(plane, 16, out=plane)


def psnr_y(a: NDArray[Any], b: NDArray[Any], border: int = 4) -> float:
    """Peak signal-to-noise ratio on luma in dB, peak 255; ``inf`` for identical pictures.

    Args:
        a: one picture.
        b: the other, of the same height and width.
        border: pixels left out on every side; the papers use the scale factor.

    Raises:
        InvalidInput: heights or widths differ, or the border leaves nothing, or a value is NaN or infinite.
    """
    return _decibel(_mean_square(*_inner(a, b, border), luma), 255.0)


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
    x, y = luma(inner_a), luma(inner_b)
    height, width = x.shape
    if min(height, width) < _WINDOW:
        raise InvalidInput(
            f"SSIM needs at least {_WINDOW}×{_WINDOW} pixels inside a border of {border}, got {width}×{height}"
        )
    rows = height - _WINDOW + 1
    total = 0.0
    for top in range(0, rows, _BAND):
        window = slice(top, min(top + _BAND, rows) + _WINDOW - 1)
        total += float(_ssim_map(x[window], y[window]).sum(dtype=np.float64))
    return _finite(total / (rows * (width - _WINDOW + 1)))


def psnr(a: NDArray[Any], b: NDArray[Any], border: int = 0) -> float:
    """Peak signal-to-noise ratio over all channels in dB; ``inf`` for identical pictures.

    Raises:
        InvalidInput: shapes differ, or the border leaves nothing, or a value is NaN or infinite.
    """
    inner_a, inner_b = _inner(a, b, border)
    _require_channels(a, b)
    return _decibel(_mean_square(inner_a, inner_b, _unit), 1.0)


def consistency(output: NDArray[Any], low: NDArray[Any]) -> float:
    """How much of the input the output kept: PSNR over all channels in dB of the output shrunk back, ``inf`` if exact.

    Shrinking is the MATLAB-convention bicubic without rounding, so the guarantee is relative to that kernel. It bounds
    only what the input could hold: a picture can be consistent and still hold invented fine detail.

    Args:
        output: the enlarged picture, ``H×W×C``.
        low: the picture it was made from, ``h×w×C`` with h ≤ H and w ≤ W.

    Raises:
        InvalidInput: channels differ, the output is smaller than the input, or a value is NaN or infinite.
    """
    _require_picture(output)
    meter = Consistency(low, (output.shape[0], output.shape[1]))
    for top in range(0, len(output), _BAND):
        meter.push(output[top : top + _BAND])
    return meter.decibel()


class Consistency:
    """``consistency`` of an output that arrives in bands of rows from top to bottom, and is never held whole.

    Args:
        low: the picture it is made from, ``h×w`` or ``h×w×C``.
        size: ``(height, width)`` of the whole output, at least that of ``low``.
    """

    def __init__(self, low: NDArray[Any], size: tuple[int, int]) -> None:
        _require_picture(low)
        _require_enlarged(low, size)
        self._low = low
        self._resizer = Resizer(size, (low.shape[0], low.shape[1]), rounding=False)
        self._compared = 0
        self._squares = 0.0

    def push(self, band: NDArray[Any]) -> None:
        """Take the next rows of the output, with as many channels as the input.

        Raises:
            InvalidInput: other channels, another width, or values of no accepted type.
        """
        _require_picture(band)
        _require_channels(band, self._low)
        shrunk = self._resizer.push(band) * np.float32(1 / _peak(band))
        difference = shrunk - _unit(self._low[self._compared : self._compared + len(shrunk)])
        self._squares += float(np.square(difference).sum(dtype=np.float64))
        self._compared += len(shrunk)

    def decibel(self) -> float:
        """The consistency in dB; ``inf`` if exact.

        Raises:
            InvalidInput: rows of the output are still missing, or a value was NaN or infinite.
        """
        if self._compared != len(self._low):
            raise InvalidInput(f"expected the whole output, got what covers {self._compared} of {len(self._low)} rows")
        return _decibel(self._squares / self._low.size, 1.0)


def sharpness(image: NDArray[Any]) -> float:
    """Mean length of the luma gradient, in 8-bit levels per pixel; 0 for a flat picture.

    The gradient is the pair of differences to the right and to the lower neighbour. Compare pictures of one size only:
    the same scene enlarged has smaller differences between neighbours.

    Raises:
        InvalidInput: less than 2×2 pixels, or a value is NaN or infinite.
    """
    plane = luma(image)
    if min(plane.shape) < 2:
        raise InvalidInput(f"sharpness needs at least 2×2 pixels, got {plane.shape[1]}×{plane.shape[0]}")
    length = np.square(plane[:-1, 1:] - plane[:-1, :-1])
    length += np.square(plane[1:, :-1] - plane[:-1, :-1])
    return _finite(float(np.mean(np.sqrt(length, out=length), dtype=np.float64)))


def added_detail(output: NDArray[Any], low: NDArray[Any]) -> float:
    """How much fine detail the output holds that interpolation would not have made: 1 = as bicubic, 10 = ten times.

    The ratio of the luma energies above the input's Nyquist band, output against a bicubic enlargement of the input.
    An ``h×w`` input can hold exactly the ``h×w`` lowest frequencies of the cosine transform (DCT-II, which mirrors at
    the borders) of its enlargement; the energy of all others is what was added. The variance of 8-bit rounding is added
    to both sides, so that a flat picture gives 1. It says how much was added, not whether it is true.

    Args:
        output: the enlarged picture, ``H×W`` or ``H×W×C``.
        low: the picture it was made from, ``h×w…`` with h ≤ H and w ≤ W.

    Raises:
        InvalidInput: the output is smaller than the input, or a value is NaN or infinite.
    """
    fine, coarse = luma(output), luma(low)
    _require_enlarged(coarse, fine.shape)
    plain = bicubic(coarse, (fine.shape[0], fine.shape[1]))
    return _finite((_energy_above(fine, coarse.shape) + _ROUNDING) / (_energy_above(plain, coarse.shape) + _ROUNDING))


def _require_picture(image: NDArray[Any]) -> None:
    if image.ndim not in (2, 3) or 0 in image.shape or (image.ndim == 3 and image.shape[2] not in (1, 3)):
        raise InvalidInput(f"expected an H×W, H×W×1 or H×W×3 picture with pixels, got shape {image.shape}")
    if image.dtype not in (np.uint8, np.uint16) and not np.issubdtype(image.dtype, np.floating):
        raise InvalidInput(f"expected uint8, uint16 or floating point in 0..1, got {image.dtype}")


def _require_channels(a: NDArray[Any], b: NDArray[Any]) -> None:
    if a.shape[2:] != b.shape[2:]:
        raise InvalidInput(f"expected as many channels in both pictures, got shapes {a.shape} and {b.shape}")


def _require_enlarged(low: NDArray[Any], size: tuple[int, ...]) -> None:
    if size[0] < low.shape[0] or size[1] < low.shape[1]:
        raise InvalidInput(
            f"expected an output at least as large as its input, got {size[1]}×{size[0]} "
            f"for {low.shape[1]}×{low.shape[0]} pixels"
        )


def _inner(a: NDArray[Any], b: NDArray[Any], border: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Both pictures without their border."""
    _require_picture(a)
    _require_picture(b)
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


def _unit(image: NDArray[Any]) -> NDArray[np.float32]:
    """Values as 0..1."""
    values: NDArray[np.float32] = np.multiply(image, 1 / _peak(image), dtype=np.float32)
    return values


def _peak(image: NDArray[Any]) -> int:
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


def _decibel(mean_square: float, peak: float) -> float:
    # Below this, single precision tells nothing apart from equality.
    equal = _finite(mean_square) < 1e-13 * peak**2
    return math.inf if equal else 10 * math.log10(peak**2 / mean_square)


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


def _energy_above(plane: Plane, band: tuple[int, ...]) -> float:
    """Mean energy a pixel of all cosine frequencies but the lowest ``band[0] × band[1]``."""
    rows = _cosines(plane)
    inner = _cosines(rows[: band[0]].T)
    above = float(np.square(rows[band[0] :]).sum(dtype=np.float64) + np.square(inner[band[1] :]).sum(dtype=np.float64))
    return above / plane.size


def _cosines(plane: Plane) -> Plane:
    """Orthonormal DCT-II along the first axis, through one real FFT of the same length (Makhoul 1980)."""
    length = plane.shape[0]
    order = np.concatenate([np.arange(0, length, 2), np.arange(1, length, 2)[::-1]])
    spectrum = np.fft.rfft(plane.T[:, order].astype(np.float32), axis=1)
    turn = np.exp(-0.5j * np.pi * np.arange(length) / length).astype(np.complex64)
    half = spectrum.shape[1]
    out = np.empty((plane.shape[1], length), np.float32)
    out[:, :half] = (spectrum * turn[:half]).real
    mirrored = spectrum[:, 1 : length - half + 1][:, ::-1].conj()
    out[:, half:] = (mirrored * turn[half:]).real
    out *= np.float32(math.sqrt(2 / length))
    out[:, 0] *= np.float32(math.sqrt(0.5))
    return out.T
