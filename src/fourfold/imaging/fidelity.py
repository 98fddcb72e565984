"""Measure what an enlarged picture kept of its input, what it added, and how much of that shows on a phone.

Pictures and luma as in ``metrics``. Everything is measured while the picture passes in bands of rows.
"""

import math
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from fourfold.core.errors import InvalidInput
from fourfold.imaging.blas import one_thread
from fourfold.imaging.metrics import Plane, decibel, luma, peak, require_channels, require_picture, unit
from fourfold.imaging.resize import Resizer, shares

PHONE = 1080
"""Pixels across the screen of a phone held upright: the usual number; dearer ones have 1170 to 1440."""

_ROWS = 128  # at a time, so that the working copies of a wide picture stay in the processor's cache
_ROUNDING = 1 / 12  # variance of rounding to whole levels
_FULL = 255 / 219  # luma goes from 16 to 235 only
_CENTRED = -110  # black such that the middle of the range is 0: sums of squares then keep more digits


def fidelity(output: NDArray[Any], low: NDArray[Any]) -> "Fidelity":
    """What an enlarged picture kept of the picture it was made from, and what it added.

    Args:
        output: the enlarged picture, ``H×W×C``.
        low: the picture it was made from, ``h×w×C`` with h ≤ H and w ≤ W.

    Raises:
        InvalidInput: channels differ, the output is smaller than the input, or a value is NaN or infinite.
    """
    require_picture(output)
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
        added: RMS over the output's brightness x of ``x - D⁺Dx``, in levels of 0 to 255: what shrinking removes without
            a trace, so that the input can neither confirm nor refute it; whether it is true is not said. A bicubic
            enlargement has none of it. Of the energy of a wave 0.5 % count at half the input's Nyquist frequency, 8 %
            at 0.75 times it, 92 % at 1.25 times and 99.5 % at 1.5 times; at the frequency itself all or nothing, by
            its phase.
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


def _reported(value: float) -> float | None:
    return round(value, 2) if math.isfinite(value) else None


class FidelityMeter:
    """``fidelity`` of an output that arrives in bands of rows from top to bottom, and is never held whole.

    Nothing is enlarged and nothing filtered at the output's size. With U the bicubic enlargement and n the weights of
    ``resize.shares``, ``⟨x, Uz⟩ = ⟨n Dx, z⟩`` and ``D⁺ = U (DU)⁻¹``, so that ``⟨x, x⟩`` and the shrunk output suffice.

    Args:
        low: the picture it is made from, ``h×w`` or ``h×w×C``.
        size: ``(height, width)`` of the whole output, at least that of ``low``.
    """

    def __init__(self, low: NDArray[Any], size: tuple[int, int]) -> None:
        require_picture(low)
        _require_enlarged(low, size)
        small = (low.shape[0], low.shape[1])
        self._low, self._size, self._small = low, size, small
        self._shrink = Resizer(size, small, rounding=False)
        self._energy = self._squares = self._worst = 0.0
        self._compared = 0
        self._plain = luma(low, _CENTRED)
        self._shrunk = np.empty_like(self._plain)
        self._plane = np.empty((_ROWS, size[1]), np.float32)  # used again for every few rows
        self._phone: _Phone | None = _Phone(self._plain, size) if size[1] > PHONE else None

    def push(self, band: NDArray[Any]) -> None:
        """Take the next rows of the output, with as many channels as the input.

        Raises:
            InvalidInput: other channels, another width, or values of no accepted type.
        """
        require_picture(band)
        require_channels(band, self._low)
        with one_thread():
            for top in range(0, len(band), _ROWS):
                self._take(band[top : top + _ROWS])

    def _take(self, rows: NDArray[Any]) -> None:
        plane = luma(rows, _CENTRED, self._plane[: len(rows)])
        self._energy += _sum_of_squares(plane)
        if self._phone is not None:
            self._phone.push(plane)
        shrunk = self._shrink.push(rows)
        if len(shrunk):
            shrunk *= np.float32(1 / peak(rows))
            self._compare(shrunk)

    def _compare(self, shrunk: NDArray[np.float32]) -> None:
        """Take rows of the output shrunk to the input's size, in 0..1."""
        new = slice(self._compared, self._compared + len(shrunk))
        self._compared = new.stop
        luma(shrunk, _CENTRED, self._shrunk[new])
        shrunk -= unit(self._low[new])
        self._worst = max(self._worst, float(shrunk.max()), float(-shrunk.min()))
        self._squares += _sum_of_squares(shrunk)

    def result(self) -> Fidelity:
        """The measures, once every row was taken.

        Raises:
            InvalidInput: rows are missing, or a value was NaN or infinite.
        """
        if self._compared != len(self._low):
            raise InvalidInput(f"expected the whole output, got what covers {self._compared} of {len(self._low)} rows")
        kept = self._product(self._shrunk, Resizer(self._small, self._small, through=self._size, inverse=True))
        of_plain = self._product(self._plain, Resizer(self._small, self._small, through=self._size))
        pixels = math.prod(self._size)
        added = max(0.0, self._energy - kept) / pixels
        apart = max(0.0, self._energy - 2 * self._product(self._shrunk, None) + of_plain) / pixels
        bicubic = decibel(apart, 255.0)
        return Fidelity(
            consistency=decibel(self._squares / self._low.size, 1.0),
            worst=255 * self._worst,
            added=math.sqrt(added) * _FULL,
            bicubic=bicubic,
            phone=bicubic if self._phone is None else self._phone.result(),
        )

    def _product(self, a: Plane, operator: Resizer | None) -> float:
        """``⟨n a, Oa⟩`` for an operator O, or ``⟨n a, plain⟩`` without one, n being the weights of ``shares``."""
        down, across = (shares(*both) for both in zip(self._small, self._size, strict=True))
        total, done = 0.0, 0
        for top in range(0, len(a), _ROWS):
            made = self._plain[top : top + _ROWS] if operator is None else operator.push(a[top : top + _ROWS])
            rows = slice(done, done + len(made))
            done = rows.stop
            total += float(down[rows] @ ((a[rows] * made) @ across))
        return total


def _sum_of_squares(values: NDArray[np.float32]) -> float:
    """Added up row by row, so that single precision keeps its digits over many values."""
    rows = values.reshape(len(values), math.prod(values.shape[1:]))
    return float(np.vecdot(rows, rows).sum(dtype=np.float64))


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
        self._squares += _sum_of_squares(shrunk)

    def result(self) -> float:
        return decibel(self._squares / self._plain.size, 255.0)


def phone_size(size: tuple[int, int]) -> tuple[int, int]:
    """``(height, width)`` that a picture has on a phone: as wide as the screen, unless it is narrower."""
    width = min(size[1], PHONE)
    return max(1, round(size[0] * width / size[1])), width


def _require_enlarged(low: NDArray[Any], size: tuple[int, ...]) -> None:
    if size[0] < low.shape[0] or size[1] < low.shape[1]:
        raise InvalidInput(
            f"expected an output at least as large as its input, got {size[1]}×{size[0]} "
            f"for {low.shape[1]}×{low.shape[0]} pixels"
        )
