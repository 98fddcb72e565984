"""Artefacts of an enlargement where the truth is smooth: noise that was left, worms, and a grid of the pixel shuffle.

Worms are streaks that a network makes of noise. The definitions are ours; each compares an output with its truth.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fourfold.imaging.metrics import luma

Picture = NDArray[np.uint8]
Plane = NDArray[np.float64]

_SMOOTH = 0.2  # of a picture, at least, counts as smooth: the parts that vary least
_VARIANCE = 4.0  # in squared levels; what varies less is smooth in any case
_WINDOW = 6.0  # pixels: deviation of the window in which variance and direction are looked at


class Artefacts(NamedTuple):
    """In the output and in the truth, in levels of 255 or, of the grid, as a ratio of powers.

    Attributes:
        noise: deviation of what is finer than two pixels, on smooth parts.
        worms: mean strength of structure that has a direction, on smooth parts.
        grid: power at periods of four pixels over that at frequencies beside it, of rows and columns.
    """

    noise: float
    worms: float
    grid: float


def artefacts(output: Picture, truth: Picture) -> tuple[Artefacts, Artefacts]:
    """Those of ``output`` and of ``truth``, both ``H×W×3`` and at least 64 pixels a side."""
    planes = [luma(one).astype(np.float64) for one in (output, truth)]
    mean = smoothed(planes[1], _WINDOW)
    variance = smoothed(planes[1] ** 2, _WINDOW) - mean**2
    smooth = variance <= max(_VARIANCE, float(np.quantile(variance, _SMOOTH)))
    ours, its = (Artefacts(_noise(plane, smooth), _worms(plane, smooth), _grid(plane)) for plane in planes)
    return ours, its


def smoothed(plane: Plane, deviation: float) -> Plane:
    """A plane ``H×W`` blurred by a Gaussian of ``deviation`` pixels, its borders mirrored."""
    margin = int(4 * deviation)
    padded = np.pad(plane, margin, mode="symmetric")
    fy, fx = np.fft.fftfreq(padded.shape[0])[:, None], np.fft.rfftfreq(padded.shape[1])[None]
    gain = np.exp(-2 * (np.pi * deviation) ** 2 * (fy**2 + fx**2))
    return np.fft.irfft2(np.fft.rfft2(padded) * gain, padded.shape)[margin:-margin, margin:-margin]


def _noise(plane: Plane, smooth: NDArray[np.bool_]) -> float:
    return float((plane - smoothed(plane, 2.0))[smooth].std())


def _worms(plane: Plane, smooth: NDArray[np.bool_]) -> float:
    """From the structure tensor: the root of the difference of its eigenvalues."""
    down, across = (np.asarray(one) for one in np.gradient(smoothed(plane, 1.5)))
    yy, xx, xy = (smoothed(product, 4.0) for product in (down * down, across * across, down * across))
    return float(np.sqrt(np.hypot(yy - xx, 2 * xy))[smooth].mean())


def _grid(plane: Plane) -> float:
    return (_peak(plane) + _peak(plane.T)) / 2


def _peak(plane: Plane) -> float:
    """Of the mean power spectrum of rows: what it has at a quarter of the sampling rate, over what lies beside it."""
    wide = plane.shape[1] // 32 * 32
    rows = plane[:, :wide] - plane[:, :wide].mean()
    power = np.square(np.abs(np.fft.rfft(rows, axis=1))).mean(0)
    at = wide // 4
    beside = np.concatenate([power[at - 6 : at - 2], power[at + 3 : at + 7]]).mean()
    return float(power[at - 1 : at + 2].max() / max(beside, 1e-9))
