import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fourfold.core.image import Image
from fourfold.engines.fake import FakeRunner
from fourfold.imaging import tiling
from fourfold.methods import route
from fourfold.methods.blend import Blended
from fourfold.methods.upscale import Upscaling


class Brighter(FakeRunner):
    """The fake network, a little brighter: what is whose can be seen."""

    def __call__(self, tiles):
        return super().__call__(tiles) + np.float32(0.1)


def routed(size, chosen, pixels=None):
    image = Image(np.full((*size, 3), 0.4, np.float32) if pixels is None else pixels)
    plan = tiling.plan(size, 3)
    finer = tiling.finer(plan, route.HALO, route.LARGEST)
    expected = np.zeros((len(finer.rows), len(finer.rows[0])))
    routes = route.Routes(finer, Brighter(4, finer.shape), expected, chosen(expected), 30.0)
    work = Upscaling(image, FakeRunner(4, plan.shape), plan, 4, (4 * size[0], 4 * size[1]), routes)
    return work, np.concatenate([work.finish(band) for band in work.bands(lambda _done, _all: None)])


@given(st.tuples(st.integers(1, 900), st.integers(1, 200)))
@settings(max_examples=40, deadline=None)
def test_finer_tiles_keep_every_pixel_once_and_fill_the_rows_of_the_coarse_plan(size):
    coarse = tiling.plan(size, 10)
    plan = tiling.finer(coarse, 8, 64)
    seen = np.zeros(size, int)
    tops = {row[0].kept[0] for row in plan.rows}
    for row in plan.rows:
        for tile in row:
            top, bottom, left, right = tile.kept
            seen[top:bottom, left:right] += 1
            assert tile.window == (top - 8, left - 8)
            assert bottom - top <= plan.shape[0] - 16
    assert (seen == 1).all()
    assert max(plan.shape) <= 64
    assert {row[0].kept[0] for row in coarse.rows} <= tops
    rows, columns = len(plan.rows), len(plan.rows[0])
    for tile in (tile for row in plan.rows for tile in row):  # a map of the tiles may be drawn with equal ones
        drawn = size[0] * tile.place[0] / rows, size[1] * tile.place[1] / columns
        assert max(abs(tile.kept[0] - drawn[0]), abs(tile.kept[2] - drawn[1])) < 2
    assert rows == len(coarse.rows) * -(-max(row[0].kept[1] - row[0].kept[0] for row in coarse.rows) // 48)
    assert columns == -(-size[1] // 48)


def test_chosen_tiles_are_the_big_networks_and_others_stay_as_they_were():
    def corner(expected):
        chosen = np.zeros(expected.shape, bool)
        chosen[:2, :2] = True
        return chosen

    work, out = routed((200, 150), corner)
    assert out[0, 0, 0] == round(0.5 * 255)
    assert out[-1, -1, 0] == round(0.4 * 255)
    tiles = work.routes.plan.rows
    assert (out[4 * tiles[2][0].kept[0] :] == 102).all()
    assert np.isfinite(work.difference[:2, :2]).all()
    assert np.isnan(work.difference[2:]).all()
    assert work.difference[0, 0] == pytest.approx(0.01, rel=0.05)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_a_border_between_routes_is_no_step(seed):
    _, out = routed((130, 170), lambda expected: np.random.default_rng(seed).random(expected.shape) < 0.5)
    values = out[..., 0].astype(int)
    ramp = np.pi / 2 * 0.1 * 255 / (4 * route.RAMP)  # the steepest a half cosine gets, in levels a pixel
    for axis in (0, 1):
        assert np.abs(np.diff(values, axis=axis)).max() <= np.ceil(ramp)


def test_neighbours_that_are_both_big_are_not_blended():
    work, out = routed((130, 170), lambda expected: np.ones(expected.shape, bool))
    assert (out == round(0.5 * 255)).all()
    assert work.seconds_big <= work.seconds_model


def test_the_predicted_nearness_falls_with_detail():
    picture = np.full((64, 150, 3), 0.5, np.float32)
    picture[:, 75:] = np.random.default_rng(3).random((64, 75, 3), dtype=np.float32)
    plan = tiling.finer(tiling.plan((64, 150), 3), 7, 64)
    found = route.features(picture, plan)
    assert found.shape == (2, 3, 5)
    assert (found[:, 2, 1:] > found[:, 0, 1:] + 3).all()
    assert (found[..., 0] == 1).all()
    grey = (picture @ np.array([0.299, 0.587, 0.114], np.float32))[..., None]
    np.testing.assert_allclose(route.features(grey, plan), found, rtol=1e-5)
    np.testing.assert_allclose(route.expected_psnr(picture, plan, [50, -1, 0, 0, 0]), 50 - found[..., 1])


def test_the_features_of_a_tile_are_means_over_it():
    rng = np.random.default_rng(4)
    picture = rng.random((100, 90, 1), dtype=np.float32)
    plan = tiling.finer(tiling.plan((100, 90), 3), 6, 64)
    top, bottom, left, right = plan.rows[1][1].kept
    padded = np.pad(picture[..., 0], 1, mode="edge")
    slope = (padded[2:, 2:] - padded[1:-1, 1:-1]) ** 2
    np.testing.assert_allclose(
        route.features(picture, plan)[1, 1, 1], np.log10(slope[top:bottom, left:right].mean() + 1e-7), rtol=1e-5
    )


@given(st.tuples(st.integers(1, 9), st.integers(1, 9)))
@settings(max_examples=20, deadline=None)
def test_tiny_pictures_have_features(size):
    plan = tiling.finer(tiling.plan(size, 3), route.HALO, route.LARGEST)
    assert np.isfinite(route.features(np.full((*size, 3), 0.3, np.float32), plan)).all()


def test_a_budget_lowers_the_threshold_until_enough_tiles_stay():
    expected = np.array([[30.0, 35.0, 40.0], [45.0, 50.0, 55.0]])
    for most, left in ((0, 0), (1, 1), (2, 2), (3, 3), (9, 3)):
        threshold = route.affordable(expected, 42.0, most)
        assert (expected < threshold).sum() == left


@pytest.mark.parametrize(("weight", "value"), [(0.0, 0.4), (0.25, 0.425), (1.0, 0.5)])
def test_blended_runners_lie_between(weight, value):
    tile = np.full((1, 3, 8, 8), 0.4, np.float32)
    mixed = Blended(FakeRunner(4, (8, 8)), Brighter(4, (8, 8)), weight)
    np.testing.assert_allclose(mixed(tile), value, rtol=1e-5)
    assert set(np.unique(mixed.levels(tile))) <= {round(102 + weight * 26), round(102 + weight * 25)}
    mixed._plain.reruns, mixed._strong.reruns = 2, 3
    assert mixed.reruns == 5
