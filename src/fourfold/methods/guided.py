"""Edge-aware upsampling of small maps (masks, tile maps) to the size of a photo.

Joint bilateral upsampling as Kopf et al. (SIGGRAPH 2007) give it, without a network; ``networks.jbu`` has the learned
form that feature maps go through.
"""

import numpy as np

from fourfold.core.contract import Floats
from fourfold.core.errors import InvalidInput
from fourfold.imaging.resize import bicubic

REACH = 2
"""Cells of the small map to each side that a pixel may take its value from."""


def joint_bilateral(values: Floats, guidance: Floats, spatial: float = 0.75, tonal: float = 0.1) -> Floats:
    """Each pixel's value is a mean of those of the cells around it, more of those that look like the pixel.

    Args:
        values: ``h×w``, finite; guidance: the photo ``H×W×C`` in 0..1, no smaller.
        spatial: standard deviation of the distance in cells; tonal: of the difference of colours.

    Returns:
        ``H×W``, within the range of ``values``.

    Raises:
        InvalidInput: the shapes do not belong together.
    """
    if values.ndim != 2 or guidance.ndim != 3 or any(a > b for a, b in zip(values.shape, guidance.shape, strict=False)):
        raise InvalidInput(f"expected a map h×w and a larger photo H×W×C, got {values.shape} and {guidance.shape}")
    small = bicubic(guidance, (values.shape[0], values.shape[1]))
    rows, columns = (_neighbours(cells, pixels) for cells, pixels in zip(values.shape, guidance.shape[:2], strict=True))
    total, weights = np.zeros(guidance.shape[:2], np.float32), np.zeros(guidance.shape[:2], np.float32)
    for row, down in rows:
        for column, across in columns:
            cell = np.ix_(row, column)
            apart = np.square(guidance - small[cell]).sum(2) / np.float32(2 * tonal**2)
            away = (np.square(down)[:, None] + np.square(across)) / np.float32(2 * spatial**2)
            weight = (np.exp(-apart) + np.float32(1e-6)) * np.exp(-away)  # no pixel is like none of its neighbours
            total += weight * values[cell]
            weights += weight
    return total / weights


def _neighbours(cells: int, pixels: int) -> list[tuple[np.ndarray[tuple[int], np.dtype[np.intp]], Floats]]:
    """For each step the cell of every pixel, held inside the map, and how far it is in cells."""
    place = (np.arange(pixels) + 0.5) * cells / pixels - 0.5
    nearest = np.rint(place).astype(np.intp)
    found = []
    for step in range(-REACH, REACH + 1):
        cell = np.clip(nearest + step, 0, cells - 1)
        found.append((cell, (place - nearest - step).astype(np.float32)))
    return found
