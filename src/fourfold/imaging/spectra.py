"""The energy of small squares of a picture, by frequency and direction."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def energies(squares: Floats, taper: Floats, bands: tuple[float, ...], directions: int) -> Floats:
    """Mean energy a frequency, in squared units of the squares; white noise has its variance everywhere.

    Args:
        squares: ``N×S×S``. taper: ``S`` weights that fade a square out towards its sides.
        bands: their edges in cycles a pixel, ascending. directions: how many, over half a turn.

    Returns:
        ``N × bands × directions``.
    """
    window = np.outer(taper, taper)
    spectra = np.fft.rfft2((squares - squares.mean((1, 2), keepdims=True)) * window)
    energy = (spectra.real**2 + spectra.imag**2).reshape(len(squares), -1) / np.square(window).sum()
    found = energy @ _bins(len(taper), bands, directions)
    return np.asarray(found, np.float32).reshape(len(squares), len(bands) - 1, directions)


@cache
def _bins(side: int, bands: tuple[float, ...], directions: int) -> Floats:
    """``frequencies × (bands · directions)``: averages over each band and direction."""
    down, right = np.meshgrid(np.fft.fftfreq(side), np.fft.rfftfreq(side), indexing="ij")
    band = np.digitize(np.hypot(down, right), bands).ravel() - 1
    angle = np.arctan2(down, right).ravel() % np.pi
    direction = np.rint(angle * (directions / np.pi)).astype(int) % directions
    inside = np.flatnonzero((band >= 0) & (band < len(bands) - 1))
    bins = np.zeros((band.size, (len(bands) - 1) * directions), np.float32)
    bins[inside, band[inside] * directions + direction[inside]] = 1
    return np.asarray(bins / bins.sum(axis=0).clip(1))
