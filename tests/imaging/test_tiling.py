import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fourfold.core.errors import InvalidInput
from fourfold.imaging import tiling

sides = st.integers(1, 300)
HALO = 3


TAPS = ((-3, -3, 0.5), (-3, 3, -0.3), (0, 0, 1.0), (1, -2, 0.7), (3, -3, -0.2), (3, 3, 0.4))


def blur_and_repeat(window: np.ndarray, _tile: object = None) -> np.ndarray:
    """A stand-in network: a filter with receptive field 3, zeros outside the window, then twice the size."""
    height, width = window.shape[:2]
    padded = np.pad(window, ((HALO, HALO), (HALO, HALO), (0, 0)))
    out = sum(w * padded[HALO + y : HALO + y + height, HALO + x : HALO + x + width] for y, x, w in TAPS)
    return out.repeat(2, axis=0).repeat(2, axis=1)


@given(st.tuples(sides, sides), st.sampled_from([None, 8, 16, 33, 64]))
@settings(max_examples=120, deadline=None)
def test_tiles_give_what_the_whole_picture_gives(size, side):
    image = np.random.default_rng(4).random((*size, 2), dtype=np.float32)
    plan = tiling.plan(size, HALO, side)
    result = np.concatenate(list(tiling.tiled(image, plan, 2, blur_and_repeat)))
    mirrored = np.pad(image, ((HALO, HALO), (HALO, HALO), (0, 0)), mode="symmetric")
    whole = blur_and_repeat(mirrored)[2 * HALO : -2 * HALO, 2 * HALO : -2 * HALO]
    assert result.shape == (2 * size[0], 2 * size[1], 2)
    np.testing.assert_allclose(result, whole, atol=1e-5)


@given(st.tuples(st.integers(1, 3000), st.integers(1, 3000)), st.integers(0, 20), st.sampled_from([None, 64, 256]))
@settings(max_examples=200, deadline=None)
def test_every_pixel_is_kept_once_and_has_its_halo(size, halo, side):
    plan = tiling.plan(size, halo, side)
    kept = np.zeros(size, int)
    for tile in (tile for row in plan.rows for tile in row):
        top, bottom, left, right = tile.kept
        kept[top:bottom, left:right] += 1
        assert tile.window[0] + halo <= top
        assert bottom + halo <= tile.window[0] + plan.shape[0]
        assert tile.window[1] + halo <= left
        assert right + halo <= tile.window[1] + plan.shape[1]
    assert (kept == 1).all()
    if side is None:
        assert max(plan.shape) <= tiling.LARGEST


def test_a_small_picture_is_one_small_tile():
    plan = tiling.plan((40, 50), 10)
    assert plan.count == 1
    assert plan.shape == (64, 72)


def test_pixels_outside_are_mirrored_even_far_out():
    image = np.arange(3).reshape(1, 3, 1)
    tile = tiling.Tile((0, -7), (0, 1, 0, 3), (0, 0))
    assert tiling.read(image, tile, (1, 15))[0, :, 0].tolist() == [0, 0, 1, 2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1]


def test_refuses_a_tile_that_is_all_halo():
    with pytest.raises(InvalidInput, match="twice the halo"):
        tiling.plan((10, 10), 10, 20)
