from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fourfold.core.errors import InvalidInput
from fourfold.imaging import tiling

sides = st.integers(1, 300)
HALO = 3


TAPS = ((-3, -3, 0.5), (-3, 3, -0.3), (0, 0, 1.0), (1, -2, 0.7), (3, -3, -0.2), (3, 3, 0.4))


def blur_and_repeat(window: np.ndarray) -> np.ndarray:
    """A stand-in network: a filter with receptive field 3, zeros outside the window, then twice the size."""
    height, width = window.shape[:2]
    padded = np.pad(window, ((HALO, HALO), (HALO, HALO), (0, 0)))
    out = sum(w * padded[HALO + y : HALO + y + height, HALO + x : HALO + x + width] for y, x, w in TAPS)
    return out.repeat(2, axis=0).repeat(2, axis=1)


@given(st.tuples(sides, sides), st.sampled_from([None, 8, 16, 33, 64]), st.integers(1, 3))
@settings(max_examples=120, deadline=None)
def test_tiles_give_what_the_whole_picture_gives(size, side, together):
    image = np.random.default_rng(4).random((*size, 2), dtype=np.float32)
    plan = tiling.plan(size, HALO, side)
    taken = []

    def run(windows):
        taken.append(len(windows))
        return [blur_and_repeat(window) for window in windows]

    result = np.concatenate(list(tiling.tiled(image, plan, 2, run, together)))
    assert taken == [together] * (plan.count // together) + [plan.count % together] * (plan.count % together > 0)
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
        assert plan.shape[0] * plan.shape[1] <= 432**2
        assert plan.shape[0] <= tiling.LARGEST or len(plan.rows[0]) == 1


@given(st.tuples(st.integers(1, 3000), st.integers(1, 3000)), st.integers(0, 20))
@settings(max_examples=200, deadline=None)
def test_no_more_is_computed_than_in_the_fewest_squares(size, halo):
    counts = [-(-length // (tiling.LARGEST - 2 * halo)) for length in size]
    sides = [-(-(-(-length // n) + 2 * halo) // 8) * 8 for length, n in zip(size, counts, strict=True)]
    plan = tiling.plan(size, halo)
    assert plan.count * np.prod(plan.shape) <= np.prod(counts) * np.prod(sides) + 1500 * np.prod(counts)


@pytest.mark.parametrize(("size", "count"), [((320, 480), 1), ((816, 1224), 8), ((2828, 4242), 72)])
def test_little_is_computed_twice(size, count):
    plan = tiling.plan(size, 10)
    assert plan.count == count
    assert plan.count * np.prod(plan.shape) <= 1.14 * np.prod(size)


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


@given(
    st.tuples(st.integers(1, 3000), st.integers(1, 3000)), st.sampled_from([192, 256, 768]), st.sampled_from([1, 16])
)
@settings(max_examples=200, deadline=None)
def test_windows_cover_the_picture_and_overlap(size, largest, multiple):
    windows = tiling.patchwork(size, 48, largest, multiple)
    for starts, side, length in zip((windows.tops, windows.lefts), windows.shape, size, strict=True):
        assert side % multiple == 0
        assert side <= largest
        assert starts[0] == 0
        assert starts[-1] + side >= length
        assert len(starts) == 1 or starts[-1] + side == length
        assert all(first + side - second >= 48 for first, second in pairwise(starts))
        assert all(first + side <= third for first, third in zip(starts, starts[2:], strict=False))
    assert windows.count == len(windows.tops) * len(windows.lefts)


@given(st.tuples(st.integers(1, 200), st.integers(1, 200)))
@settings(max_examples=50, deadline=None)
def test_blending_what_was_not_changed_changes_nothing(size):
    image = np.random.default_rng(1).random((*size, 2), dtype=np.float32)
    windows = tiling.patchwork(size, 16, 64, 16)
    np.testing.assert_allclose(tiling.blended(image, windows, lambda window: window), image, atol=1e-6)


def test_blending_goes_linearly_from_one_window_to_the_next():
    image, values = np.zeros((16, 96, 1), np.float32), iter((0, 1))
    windows = tiling.patchwork((16, 96), 32, 64, 16)
    assert windows.lefts == (0, 32)
    row = tiling.blended(image, windows, lambda window: np.full_like(window, next(values)))[3, :, 0]
    np.testing.assert_array_equal(row[:40], 0)  # the outer quarter of the overlap is the neighbour's alone
    np.testing.assert_allclose(row[40:56], (np.arange(16) + 0.5) / 16, atol=1e-6)
    np.testing.assert_array_equal(row[56:], 1)


def test_a_window_larger_than_the_picture_is_reflected():
    image = np.arange(3, dtype=np.float32).reshape(1, 3, 1)
    seen = []
    tiling.blended(image, tiling.patchwork((1, 3), 0, 16, 8), lambda window: seen.append(window) or window)
    assert seen[0][0, :, 0].tolist() == [0, 1, 2, 1, 0, 1, 2, 1]
    assert (seen[0] == seen[0][:1]).all()
