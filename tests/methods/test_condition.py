import numpy as np
import pytest
from skimage import data

from fourfold.core.image import Image
from fourfold.imaging import degrade
from fourfold.methods.condition import blocks, condition, noise


@pytest.fixture(scope="module")
def photo():
    return data.astronaut()[:384, :384]


def seen(levels, lossy=False):
    return condition(Image(levels.astype(np.float32) / np.float32(255), lossy=lossy))


@pytest.mark.parametrize("sigma", [4.0, 8.0, 16.0])
def test_noise_is_measured(photo, sigma):
    flat = np.full((256, 256), 120, np.float32)
    flat += np.random.default_rng(1).standard_normal(flat.shape).astype(np.float32) * sigma
    assert noise(flat) == pytest.approx(sigma, rel=0.2)
    before, after = (seen(one).noise for one in (photo, degrade.noise(photo, sigma, np.random.default_rng(2))))
    assert after > before + sigma / 3


def test_blocks_are_seen_at_any_offset_and_only_where_they_are(photo):
    found = [seen(degrade.jpeg(photo, quality)).blocks for quality in (95, 75, 40, 15)]
    assert found == sorted(found)
    assert found[0] < 0.25 < found[1]
    assert seen(degrade.jpeg(photo, 20)[3:, 5:]).blocks > 0.8
    assert blocks(np.zeros((10, 10), np.float32)) == 0


def test_clean_pictures_stay_faithful_and_damaged_ones_are_repaired(photo):
    rng = np.random.default_rng(3)
    assert seen(photo).style[0] == "faithful"
    assert seen(degrade.jpeg(photo, 50), lossy=True).style[0] == "photo"
    assert seen(degrade.jpeg(photo, 30)).style[0] == "photo"
    assert seen(degrade.noise(photo, 12, rng)).style[0] == "photo"
    _, reason = seen(degrade.jpeg(photo, 50), lossy=True).style
    assert "a lossy file with noise" in reason


def test_a_tiny_picture_is_no_error():
    found = seen(np.zeros((1, 1, 3), np.uint8))
    assert (found.noise, found.blocks, found.style[0]) == (0, 0, "faithful")
