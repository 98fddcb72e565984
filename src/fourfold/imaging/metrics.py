"""Picture measures: closeness to a reference (PSNR, SSIM), and what can be said without one.

Every measure takes ``H×W``, ``H×W×1`` or ``H×W×3`` pictures of ``uint8``, ``uint16`` or floating point in 0..1; the two
pictures of a pair may differ in type. Luma is the studio-range Y of ITU-R BT.601 (16 to 235), never rounded, with the
border removed before measuring: the convention of the super-resolution papers since SRCNN (Dong et al. 2014).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from fourfold.core.errors import InvalidInput
from fourfold.imaging.resize import Resizer, one_thread, shares

_LUMA = (65.481, 128.553, 24.966)
_WINDOW, _SIGMA = 11, 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
_BAND = 32  # rows at a time, so that the working copies of a wide picture stay in the processor's cache
_CACHED = 1 << 14  # pixels at a time of what is touched only once
_ROWS = 256
_ROUNDING = 1 / 12  # variance of rounding to whole levels
_CENTRED = -110  # black such that the middle of the range is 0: sums of squares then keep more digits

PHONE = 1080
"""Pixels across the screen of a phone held upright: the usual number; dearer ones have 1170 to 1440."""

Plane = NDArray[np.float32]
Weights = tuple[NDArray[np.float64], NDArray[np.float64]]


def luma(image: NDArray[Any]) -> Plane:
    """BT.601 luma, ``H×W`` ``float32``, 16 for black to 235 for white; grey pictures count as R = G = B.

    Raises:
        InvalidInput: not a picture of one of the accepted shapes and types.
    """
    return _luma(image, 16)


def _luma(image: NDArray[Any], black: int) -> Plane:
    """BT.601 luma, with black somewhere else than at 16."""
    _require_picture(image)
    plane = np.empty(image.shape[:2], np.float32)
    pixels: NDArray[Any] = image if image.ndim == 3 else image[..., None]
    weights = np.array(_LUMA if pixels.shape[-1] == 3 else (sum(_LUMA),)) / _peak(image)
    rows = max(1, _CACHED // image.shape[1])
    for top in range(0, len(plane), rows):
        plane[top : top + rows] = pixels[top : top + rows].astype(np.float32, copy=False) @ weights.astype(np.float32)
    return np.add(plane, black, out=plane)


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
    """``Fidelity.consistency`` of a whole picture; arguments and errors as for ``fidelity``."""
    return fidelity(output, low).consistency


def added_detail(output: NDArray[Any], low: NDArray[Any]) -> float:
    """``Fidelity.added`` of a whole picture; arguments and errors as for ``fidelity``."""
    return fidelity(output, low).added


def fidelity(output: NDArray[Any], low: NDArray[Any]) -> "Fidelity":
    """What an enlarged picture kept of the picture it was made from, and what it added.

    Args:
        output: the enlarged picture, ``H×W×C``.
        low: the picture it was made from, ``h×w×C`` with h ≤ H and w ≤ W.

    Raises:
        InvalidInput: channels differ, the output is smaller than the input, or a value is NaN or infinite.
    """
    _require_picture(output)
    meter = FidelityMeter(low, (output.shape[0], output.shape[1]))
    meter.push(output)
    return meter.result()


@dataclass(frozen=True)
class Fidelity:
    """What an enlarged picture kept and added, and how much of the difference a phone would show.

    D is the MATLAB-convention bicubic shrink to the input's size, without rounding, and D⁺ its pseudo-inverse.

    Attributes:
        consistency: PSNR over all channels in dB between the output shrunk by D and the input; ``inf`` if exact. It
            bounds only what the input could hold: a picture can be consistent and still hold invented fine detail.
        worst: the largest difference between the two, in levels of 0 to 255.
        added: RMS over the output's luma x of ``x - D⁺Dx``, in levels: what shrinking removes without a trace, so that
            the input can neither confirm nor refute it; whether it is true is not said. A bicubic enlargement has none
            of it. Of the energy of a wave 0.5 % count at half the input's Nyquist frequency, 8 % at 0.75 times it,
            92 % at 1.25 times and 99.5 % at 1.5 times; at the frequency itself all or nothing, by its phase.
        bicubic: PSNR in dB between the lumas of the output and of an unrounded bicubic enlargement of the input.
        phone: the same after D has shrunk both to the width of a phone's screen, if they are wider than that.
    """

    consistency: float
    worst: float
    added: float
    bicubic: float
    phone: float

    @property
    def added_db(self) -> float:
        """Energy of ``added`` in dB over a bicubic enlargement in 8 bits, which has only that of its rounding, 1/12."""
        return 10 * math.log10(1 + self.added**2 / _ROUNDING)

    def figures(self) -> "Figures":
        """The figures as reports give them, rounded; infinite decibels, of equal pictures, become None."""
        return Figures(
            consistency_psnr=_reported(self.consistency),
            consistency_worst=round(self.worst, 2),
            added_detail=round(self.added, 2),
            added_detail_db=round(self.added_db, 1),
            bicubic_psnr=_reported(self.bicubic),
            phone_psnr=_reported(self.phone),
        )


class Figures(TypedDict):
    """``Fidelity`` under the names that reports use."""

    consistency_psnr: float | None
    consistency_worst: float
    added_detail: float
    added_detail_db: float
    bicubic_psnr: float | None
    phone_psnr: float | None


def _reported(decibel: float) -> float | None:
    return round(decibel, 2) if math.isfinite(decibel) else None


class FidelityMeter:
    """``fidelity`` of an output that arrives in bands of rows from top to bottom, and is never held whole.

    Nothing is enlarged and nothing filtered at the output's size. With U the bicubic enlargement and n the weights of
    ``resize.shares``, ``⟨x, Uz⟩ = ⟨n Dx, z⟩`` and ``D⁺ = U (DU)⁻¹``, so that ``⟨x, x⟩`` and the shrunk output suffice.

    Args:
        low: the picture it is made from, ``h×w`` or ``h×w×C``.
        size: ``(height, width)`` of the whole output, at least that of ``low``.
    """

    def __init__(self, low: NDArray[Any], size: tuple[int, int]) -> None:
        _require_picture(low)
        _require_enlarged(low, size)
        small = (low.shape[0], low.shape[1])
        self._low, self._pixels = low, math.prod(size)
        self._shrink = Resizer(size, small, rounding=False)
        self._squares, self._worst, self._compared = 0.0, 0.0, 0
        self._plain = _luma(low, _CENTRED)
        self._shrunk = np.empty_like(self._plain)
        self._energy = self._common = 0.0
        weights = shares(small[0], size[0]), shares(small[1], size[1])
        self._kept = _Product(self._shrunk, Resizer(small, small, through=size, inverse=True), weights)
        self._of_plain = _Product(self._plain, Resizer(small, small, through=size), weights)
        self._weights = weights
        self._phone: _Phone | None = _Phone(self._plain, size) if size[1] > PHONE else None

    def push(self, band: NDArray[Any]) -> None:
        """Take the next rows of the output, with as many channels as the input.

        Raises:
            InvalidInput: other channels, another width, or values of no accepted type.
        """
        _require_picture(band)
        _require_channels(band, self._low)
        with one_thread():
            for top in range(0, len(band), _ROWS):
                self._take(band[top : top + _ROWS])

    def _take(self, rows: NDArray[Any]) -> None:
        plane = _luma(rows, _CENTRED)
        self._energy += float(np.einsum("ij,ij->i", plane, plane).sum(dtype=np.float64))
        if self._phone is not None:
            self._phone.push(plane)
        shrunk = self._shrink.push(rows) * np.float32(1 / _peak(rows))
        new = slice(self._compared, self._compared + len(shrunk))
        self._compared = new.stop
        if len(shrunk) == 0:
            return
        difference = shrunk - _unit(self._low[new])
        self._worst = max(self._worst, float(max(difference.max(), -difference.min())))
        self._squares += float(np.square(difference, out=difference).sum(dtype=np.float64))
        self._shrunk[new] = _luma(shrunk, _CENTRED)
        self._common += _weighted(self._shrunk[new] * self._plain[new], self._weights, new)
        self._kept.push(self._shrunk[new])
        self._of_plain.push(self._plain[new])

    def result(self) -> Fidelity:
        """The measures, once every row was taken.

        Raises:
            InvalidInput: rows are missing, or a value was NaN or infinite.
        """
        if self._compared != len(self._low):
            raise InvalidInput(f"expected the whole output, got what covers {self._compared} of {len(self._low)} rows")
        consistency_ = _decibel(self._squares / self._low.size, 1.0)
        added = max(0.0, self._energy - self._kept.total) / self._pixels
        apart = max(0.0, self._energy - 2 * self._common + self._of_plain.total) / self._pixels
        bicubic_ = _decibel(apart, 255.0)
        return Fidelity(
            consistency=consistency_,
            worst=255 * self._worst,
            added=math.sqrt(added),
            bicubic=bicubic_,
            phone=bicubic_ if self._phone is None else self._phone.decibel(),
        )


class _Product:
    """``⟨n a, Ob⟩`` of two planes at the input's size, for an operator O and the separable weights n, band by band."""

    def __init__(self, a: Plane, operator: Resizer, weights: Weights) -> None:
        self.total = 0.0
        self._a, self._operator, self._weights = a, operator, weights
        self._done = 0

    def push(self, b: Plane) -> None:
        made = self._operator.push(b)
        rows = slice(self._done, self._done + len(made))
        self._done = rows.stop
        self.total += _weighted(self._a[rows] * made, self._weights, rows)


def _weighted(values: Plane, weights: Weights, rows: slice) -> float:
    return float(weights[0][rows] @ (values @ weights[1]))


class _Phone:
    """The difference between an output and a bicubic enlargement, both shrunk to the width of a phone."""

    def __init__(self, plain: Plane, size: tuple[int, int]) -> None:
        screen = phone_size(size)
        small = (plain.shape[0], plain.shape[1])
        self._plain = Resizer(small, screen, through=size).push(plain)
        self._shrink = Resizer(size, screen)
        self._squares, self._done = 0.0, 0

    def push(self, plane: Plane) -> None:
        shrunk = self._shrink.push(plane)
        shrunk -= self._plain[self._done : self._done + len(shrunk)]
        self._done += len(shrunk)
        self._squares += float(np.square(shrunk, out=shrunk).sum(dtype=np.float64))

    def decibel(self) -> float:
        return _decibel(self._squares / self._plain.size, 255.0)


def phone_size(size: tuple[int, int]) -> tuple[int, int]:
    """``(height, width)`` that a picture has on a phone: as wide as the screen, unless it is narrower."""
    width = min(size[1], PHONE)
    return max(1, round(size[0] * width / size[1])), width


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
