"""Traces that damage leaves in a photo: 74 features for each of a few windows all over it.

Four kinds of features, each with the damage that it reveals:

- energy by frequency, from the direction with least fine detail to the one across it (blur, enlargement);
- the same energy of colour differences, over all directions (noise);
- isolated steps between pixels, by their place in an 8-pixel grid (JPEG);
- quantiles of the response of a mask that is zero on slopes (noise, after Immerkær, 1996).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourfold.imaging.blas import one_thread
from fourfold.imaging.metrics import quantiles
from fourfold.imaging.spectra import Floats, energies

SIDE, WINDOWS, COUNT = 64, 16, 74
"""Pixels a side of the windows, how many are taken of a photo, and how many numbers there are for each."""

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_BANDS = (0.03, 0.07, 0.12, 0.18, 0.25, 0.33, 0.42, 0.5, 0.72)  # edges in cycles a pixel
_DIRECTIONS = 8
_FLOOR = 0.3  # energy that counts as none
_CANDIDATES = 12  # a side of the grid that windows are taken from
_STEP = 6.0  # levels of a lone step at most


def windows(pixels: NDArray[Any], count: int = WINDOWS, hidden: NDArray[np.bool_] | None = None) -> NDArray[np.uint8]:
    """Windows of a photo, from plain ones to the most detailed, never resized.

    Of a regular grid of candidates, ranked by contrast, every so manyth of the upper two thirds is taken. A smaller
    picture is continued by its mirror image.

    Args:
        pixels: ``H×W×3`` or ``H×W×1``, levels or floats in 0..1. count: N.
        hidden: ``H×W``, what may be in no window.

    Returns:
        ``N×64×64×3`` levels, or ``0×64×64×3`` if there is no window without anything hidden.
    """
    if min(pixels.shape[:2]) < SIDE:
        missing = [(0, max(0, SIDE - length)) for length in pixels.shape[:2]]
        pixels = np.pad(pixels, [*missing, (0, 0)], mode="symmetric")
        hidden = None if hidden is None else np.pad(hidden, missing, mode="symmetric")
    tops, lefts = (
        np.linspace(0, length - SIDE, min(_CANDIDATES, max(1, length // (SIDE // 2)))).astype(int)
        for length in pixels.shape[:2]
    )
    squares = [np.s_[top : top + SIDE, left : left + SIDE] for top in tops for left in lefts]
    found = [pixels[square] for square in squares if hidden is None or not hidden[square].any()]
    if not found:
        return np.empty((0, SIDE, SIDE, 3), np.uint8)
    ranked = np.argsort([float(one[::2, ::2, pixels.shape[2] // 2].std()) for one in found], kind="stable")
    places = np.linspace(len(found) // 3, len(found) - 1, count).astype(int)
    chosen = np.stack([found[ranked[place]] for place in places])
    levels = chosen if chosen.dtype == np.uint8 else np.rint(255 * chosen.clip(0, 1)).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(levels, (count, SIDE, SIDE, 3)))


def traces(seen: NDArray[np.uint8]) -> Floats:
    """``N×64×64×3`` levels → ``N×74``."""
    with one_thread():
        return _traces(seen)


def _traces(seen: NDArray[np.uint8]) -> Floats:
    colours = seen.astype(np.float32)
    luma = colours @ _LUMA
    energy = np.log(_energies(luma) + _FLOOR)
    blue_red = sum(_energies(colours[..., channel] - luma) for channel in (2, 0))
    steps = np.concatenate([_steps(luma), _steps(luma.transpose(0, 2, 1))], axis=1)
    mask = _mask(luma)
    blocks = mask[:, 1:57, 1:57].reshape(len(seen), 7, 8, 7, 8).mean((2, 4)).reshape(len(seen), -1)
    parts = (
        _along_and_across(energy).reshape(len(seen), -1),
        np.log(np.mean(blue_red, axis=2) + _FLOOR),
        np.log(steps + 0.05),
        np.log(quantiles(blocks, (0.05, 0.25, 0.5, 0.75, 0.95)) + 0.3),
        4 * (mask < 1.5).mean((1, 2))[:, None],
        np.log(quantiles(mask.reshape(len(seen), -1) + 0.5, (0.1, 0.5, 0.9, 0.99))),
    )
    return np.concatenate(parts, axis=1).astype(np.float32)


def _energies(planes: Floats) -> Floats:
    """``N×bands×directions``, in squared levels."""
    return energies(planes, np.hanning(SIDE).astype(np.float32), _BANDS, _DIRECTIONS)


def _along_and_across(energy: Floats) -> Floats:
    """``N×bands×5``: from the direction with least fine energy to the one across it, both ways round averaged."""
    start = energy[:, 2:6].sum(1).argmin(1)
    order = (np.arange(_DIRECTIONS) + start[:, None]) % _DIRECTIONS
    turned = np.take_along_axis(energy, order[:, None].repeat(energy.shape[1], axis=1), axis=2)
    half = _DIRECTIONS // 2
    both = (turned[:, :, 1:half] + turned[:, :, :half:-1]) / 2
    return np.concatenate([turned[:, :, :1], both, turned[:, :, half : half + 1]], axis=2)


def _steps(luma: Floats) -> Floats:
    """``N×8``: what steps between columns have beyond their neighbours, by offset in a grid of eight, ascending."""
    steps = np.abs(np.diff(luma, axis=2))
    lone = np.clip(steps[:, :, 1:-1] - np.maximum(steps[:, :, :-2], steps[:, :, 2:]), 0, _STEP).mean(1)
    return np.sort(np.stack([lone[:, offset::8].mean(1) for offset in range(8)], axis=1), axis=1)


def _mask(luma: Floats) -> Floats:
    rows = luma[:, :-2] - 2 * luma[:, 1:-1] + luma[:, 2:]
    return np.asarray(np.abs(rows[:, :, :-2] - 2 * rows[:, :, 1:-1] + rows[:, :, 2:]))
