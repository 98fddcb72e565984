"""A hand-held camera, for training and tests: motion blur, glare, noise and JPEG, all seeded.

While the shutter is open the camera shifts and rolls along a path, and the sensor adds up light, not
encoded values. A path is a drift and a tremor, both smooth. Roll makes the blur differ over the picture; it is applied
as one kernel a node of a grid, the results blended bilinearly between nodes (efficient filter flow, Hirsch et al.,
CVPR 2010). What is brighter than the sensor's limit blurs before it is cut off; shot and read noise and JPEG follow.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fourfold.imaging import color
from fourfold.imaging.degrade import jpeg
from fourfold.imaging.tiling import mirrored

Floats = NDArray[np.float32]

_MOMENTS = 96  # samples of the exposure
_MODES = 8  # half periods of the tremor during the exposure, at most
_CELL = 80  # pixels at most between the nodes at which the blur is computed exactly
_FAST = 16  # Fourier transforms of multiples of this are fast
_BRIGHT = np.float32(0.95)  # light from which on a spot may stand for something brighter than the sensor's limit
_LUMINANCE = np.array([[0.2126], [0.7152], [0.0722]], np.float32)


# ---- camera shake


@dataclass(frozen=True, eq=False)
class Shake:
    """The path of a camera during one exposure, in equal steps of time; its mean is the rest position.

    Attributes:
        shifts: ``T×2``, down and right, in pixels of the picture; rolls: ``T``, in radians, about ``centre``.
        centre: ``(y, x)`` in pixels of the picture.
    """

    shifts: NDArray[np.float64]
    rolls: NDArray[np.float64]
    centre: tuple[float, float]

    def at(self, y: float, x: float) -> NDArray[np.float64]:
        """The path of the scene point seen at ``(y, x)``, ``T×2`` in pixels; small angles."""
        lever = np.array([x - self.centre[1], self.centre[0] - y])
        return np.asarray(self.shifts + self.rolls[:, None] * lever)


def shake(
    rng: np.random.Generator, extent: float, size: tuple[int, int], roll: float = 0.5, tremor: float = 1.0
) -> Shake:
    """A random path whose shifts span ``extent`` pixels.

    Args:
        extent: the longest way between two points of the path of shifts; 0 for a still camera.
        size: ``(height, width)`` of the picture, about whose middle the camera rolls.
        roll: at most this fraction of ``extent`` is what the roll alone spans at the picture's corners.
        tremor: how strong it is beside the drift, at most; at least it is a thirtieth of that, or none.
    """
    time = np.linspace(-0.5, 0.5, _MOMENTS)
    modes = np.arange(1, _MODES + 1)
    waves = np.cos(np.pi * np.outer(time + 0.5, modes)) / modes ** rng.uniform(1, 3)
    trembling = 0.0 if rng.random() < 0.3 else tremor * 10 ** rng.uniform(-1.5, 0)
    drift = rng.normal(size=3)
    path = np.outer(time, drift / np.linalg.norm(drift[:2])) + trembling * (waves @ rng.normal(size=(_MODES, 3)))
    path -= path.mean(axis=0)
    shifts = path[:, :2] * (extent / _span(path[:, :2]))
    corner = np.hypot(*size) / 2
    rolls = path[:, 2] * (rng.uniform(0, roll) * extent / (np.ptp(path[:, 2]) * corner))
    return Shake(shifts, rolls, ((size[0] - 1) / 2, (size[1] - 1) / 2))


def _span(points: NDArray[np.float64]) -> float:
    """The longest way between two of the points ``T×2``, within half a percent."""
    angles = np.arange(32) * (np.pi / 32)
    return float(np.ptp(points @ np.array([np.sin(angles), np.cos(angles)]), axis=0).max())


def kernel(path: NDArray[np.float64]) -> Floats:
    """The kernel of a path ``T×2`` of shifts: square, of odd side, not negative, with the sum 1 and the path's mean.

    Each moment is shared among the four nearest pixels (bilinear).
    """
    radius = int(np.ceil(np.abs(path).max()))
    side = 2 * radius + 1
    whole = np.floor(path).astype(np.intp)
    part = path - whole
    result = np.zeros((side + 1, side + 1))
    for dy in (0, 1):
        for dx in (0, 1):
            weight = np.abs(1 - dy - part[:, 0]) * np.abs(1 - dx - part[:, 1])
            np.add.at(result, (whole[:, 0] + radius + dy, whole[:, 1] + radius + dx), weight / len(path))
    return result[:side, :side].astype(np.float32)


class Window(NamedTuple):
    """A part of a picture: rows ``top`` to ``bottom`` and columns ``left`` to ``right``, ends excluded."""

    top: int
    bottom: int
    left: int
    right: int


def motion_blur(light: Floats, path: Shake, window: Window | None = None) -> Floats:
    """What the sensor adds up while the camera moves.

    Args:
        light: ``H×W×C``, in proportion to light; beyond its borders it is mirrored.
        path: of the camera.
        window: the part to compute, by default all.

    Returns:
        ``h×w×C`` of the window.
    """
    window = window or Window(0, light.shape[0], 0, light.shape[1])
    out = np.empty((window.bottom - window.top, window.right - window.left, light.shape[2]), np.float32)
    for cell in _cells(window):
        corners = [(y, x) for y in (cell.top, cell.bottom) for x in (cell.left, cell.right)]
        kernels = [kernel(path.at(*corner)) for corner in (corners if path.rolls.any() else corners[:1])]
        blurred = _blended(_convolved(light, cell, kernels))
        rows = slice(cell.top - window.top, cell.bottom - window.top)
        out[rows, cell.left - window.left : cell.right - window.left] = blurred.transpose(1, 2, 0)
    return out


def _cells(window: Window) -> Iterator[Window]:
    """The window cut into equal parts of about ``_CELL`` pixels."""
    (rows, columns) = (
        [first + (last - first) * i // count for i in range(count + 1)]
        for first, last in (window[:2], window[2:])
        for count in (-(-(last - first) // _CELL),)
    )
    for top, bottom in pairwise(rows):
        for left, right in pairwise(columns):
            yield Window(top, bottom, left, right)


def _convolved(light: Floats, cell: Window, kernels: Sequence[Floats]) -> list[Floats]:
    """``C×h×w``: the cell of a picture as each of the kernels blurs it, by Fourier transforms."""
    radius = max(len(k) // 2 for k in kernels)
    height, width = cell.bottom - cell.top, cell.right - cell.left
    rows = mirrored(cell.top - radius, height + 2 * radius, light.shape[0])
    columns = mirrored(cell.left - radius, width + 2 * radius, light.shape[1])
    region = np.ascontiguousarray(light[rows][:, columns].transpose(2, 0, 1))
    shape = [-(-side // _FAST) * _FAST for side in region.shape[1:]]
    spectrum = np.fft.rfft2(region, shape)
    results: list[Floats] = []
    for small in kernels:
        product = np.fft.irfft2(spectrum * np.fft.rfft2(small, shape), shape)
        first = radius + len(small) // 2
        results.append(np.asarray(product[:, first : first + height, first : first + width], np.float32))
    return results


def _blended(corners: Sequence[Floats]) -> Floats:
    """Four results ``C×h×w`` for the corners of a cell, blended bilinearly; a single one is taken as it is."""
    if len(corners) == 1:
        return corners[0]
    height, width = corners[0].shape[1:]
    down, right = (np.arange(side, dtype=np.float32) / np.float32(side) for side in (height, width))
    top, bottom = (left + (other - left) * right for left, other in (corners[:2], corners[2:]))
    return np.add(top, (bottom - top) * down[:, None])


def defocused(light: Floats, radius: float) -> Floats:
    """What a lens out of focus makes of ``H×W×C``: every point a disc of a radius in pixels; borders are mirrored."""
    reach = int(np.ceil(radius))
    distance = np.hypot(*np.mgrid[-reach : reach + 1, -reach : reach + 1])
    disc = np.clip(radius + 0.5 - distance, 0, 1).astype(np.float32)
    whole = Window(0, light.shape[0], 0, light.shape[1])
    (seen,) = _convolved(light, whole, [disc / disc.sum()])
    return seen.transpose(1, 2, 0)


# ---- the camera


@dataclass(frozen=True)
class Camera:
    """What a hand-held camera may do to a picture.

    Attributes:
        extent: the shortest and the longest path of its shake, in pixels; each octave between is as likely.
        still: fraction of pictures without shake.
        defocus: the smallest and the largest radius of its circle of confusion, in pixels.
        roll, tremor: see ``shake``.
        glare: how many times brighter than the sensor's limit the brightest spots are, at most.
        plain: fraction of pictures whose values are in proportion to light; grey: fraction without colour.
        shot: variance of the noise at full light; read: deviation of the noise in the dark, both at most.
        quality: the lowest JPEG quality; raw: fraction of pictures that are not compressed.
    """

    extent: tuple[float, float] = (2.0, 16.0)
    still: float = 0.0
    defocus: tuple[float, float] = (0.0, 0.0)
    roll: float = 0.5
    tremor: float = 1.0
    glare: float = 4.0
    plain: float = 0.1
    grey: float = 0.1
    shot: float = 5e-5
    read: float = 1e-3
    quality: int = 85
    raw: float = 0.5


def photographed(
    scene: NDArray[np.uint8], rng: np.random.Generator, camera: Camera, window: Window | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A scene as a hand-held camera takes it, with shake, and as a perfect one would.

    Args:
        scene: ``H×W×3``, a sharp picture; window: the part to compute, by default all.

    Returns:
        The blurry and the sharp picture, ``h×w×3``.
    """
    window = window or Window(0, scene.shape[0], 0, scene.shape[1])
    extent = 0.0 if rng.random() < camera.still else float(np.exp(rng.uniform(*np.log(camera.extent))))
    path = shake(rng, extent, scene.shape[:2], camera.roll, camera.tremor)
    around = int(np.ceil(max(np.abs(path.at(y, x)).max() for y in window[:2] for x in window[2:])))
    rows, columns = (
        mirrored(first - around, last - first + 2 * around, length)
        for first, last, length in zip(window[::2], window[1::2], scene.shape[:2], strict=True)
    )
    plain = rng.random() < camera.plain
    light = _light(scene[rows][:, columns], plain)
    if rng.random() < camera.grey:
        light = np.repeat(light @ _LUMINANCE, 3, axis=2)
    light *= np.where(light.min(axis=2, keepdims=True) > _BRIGHT, np.float32(rng.uniform(1, camera.glare)), 1)
    centre = path.centre[0] - window.top + around, path.centre[1] - window.left + around
    inner = Window(around, light.shape[0] - around, around, light.shape[1] - around)
    seen = motion_blur(light, replace(path, centre=centre), inner)
    if camera.defocus[1]:
        seen = defocused(seen, rng.uniform(*camera.defocus))
    amount = np.float32(rng.uniform())
    noise = np.sqrt(amount * (np.float32(camera.shot) * seen.clip(0) + np.float32(camera.read**2)))
    blurry = _levels(seen + noise * rng.standard_normal(seen.shape, dtype=np.float32), plain)
    if rng.random() >= camera.raw:
        blurry = jpeg(blurry, int(rng.integers(camera.quality, 100)))
    return blurry, _levels(light[inner.top : inner.bottom, inner.left : inner.right], plain)


def _light(levels: NDArray[np.uint8], plain: bool) -> Floats:
    values = np.arange(256, dtype=np.float32) / np.float32(255)
    return (values if plain else color.to_light(values))[levels]


def _levels(light: Floats, plain: bool) -> NDArray[np.uint8]:
    values = np.clip(light, 0, 1)
    return np.asarray(np.rint((values if plain else color.from_light(values)) * np.float32(255)), np.uint8)
