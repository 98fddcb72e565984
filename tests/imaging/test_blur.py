"""Seeing blur: sharp, soft and moved pictures are told apart, with the way and about how far they moved."""

import numpy as np
import pytest
import skimage.data

from fourfold.imaging.blur import estimate
from fourfold.imaging.camera import Shake, defocused, motion_blur

PHOTOS = ("astronaut", "coffee", "chelsea")


def light(name: str) -> np.ndarray:
    return getattr(skimage.data, name)().astype(np.float32) / 255


def moved(name: str, extent: float, degrees: float) -> np.ndarray:
    """Moved evenly along a straight line; rows go down, angles go up."""
    way = np.array([-np.sin(np.radians(degrees)), np.cos(np.radians(degrees))])
    path = np.outer(np.linspace(-0.5, 0.5, 96), way * extent)
    return motion_blur(light(name), Shake(path, np.zeros(96), (0.0, 0.0)))


@pytest.mark.parametrize("name", PHOTOS)
def test_a_sharp_photo_is_sharp_in_every_number_format(name):
    levels = getattr(skimage.data, name)()
    for pixels in (levels, levels.astype(np.uint16) * 257, levels.astype(np.float32) / 255):
        assert estimate(pixels).kind == "sharp"
        assert estimate(pixels).extent == 0
        assert estimate(pixels).direction is None
    assert str(estimate(levels)) == "the picture looks sharp"


@pytest.mark.parametrize("name", PHOTOS)
@pytest.mark.parametrize("degrees", [0, 30, 90, 135])
def test_a_moved_photo_is_seen_with_its_direction(name, degrees):
    seen = estimate(moved(name, 14, degrees))
    assert seen.kind == "motion"
    assert seen.direction is not None
    assert abs((seen.direction - degrees + 90) % 180 - 90) <= 12


@pytest.mark.parametrize("name", PHOTOS)
def test_a_longer_way_is_seen_as_longer(name):
    extents = [estimate(moved(name, extent, 20)).extent for extent in (6, 12, 24)]
    assert extents == sorted(extents)
    assert extents[2] > 1.5 * extents[0]


@pytest.mark.parametrize("name", PHOTOS)
def test_a_missed_focus_is_no_motion(name):
    assert estimate(defocused(light(name), 4)).kind == "soft"


@pytest.mark.parametrize("size", [(1, 1), (5, 300), (64, 64)])
def test_a_picture_without_detail_is_left_alone(size):
    assert estimate(np.full((*size, 3), 77, np.uint8)).kind == "sharp"
