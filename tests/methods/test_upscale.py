import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fourfold.core.errors import UsageError
from fourfold.core.image import Image
from fourfold.core.options import UpscaleOptions
from fourfold.engines.fake import FakeRunner
from fourfold.imaging import tiling
from fourfold.imaging.fidelity import fidelity
from fourfold.methods.upscale import Upscaling, memory_needed, visible

sides = st.integers(1, 90)


def ignore(_done, _total):
    pass


def picture(size, colors=3, depth=8, alpha=False):
    rng = np.random.default_rng(5)
    peak = 2**depth - 1
    levels = rng.integers(0, peak + 1, (*size, colors)).astype(np.float32) / peak
    return Image(levels, rng.random(size, dtype=np.float32) if alpha else None, depth)


def upscaled(image, target=None, side=None, consistent=False):
    plan = tiling.plan(image.size, 3, side)
    whole = 4 * image.size[0], 4 * image.size[1]
    work = Upscaling(image, FakeRunner(4, plan.shape), plan, 4, target or whole, consistent=consistent)
    return work, np.concatenate([work.finish(band) for band in work.bands(ignore)])


@given(st.tuples(sides, sides), st.sampled_from([1, 3]), st.sampled_from([8, 16]), st.booleans())
@settings(max_examples=40, deadline=None)
def test_every_kind_of_picture_comes_out_four_times_as_large(size, colors, depth, alpha):
    image = picture(size, colors, depth, alpha)
    work, out = upscaled(image)
    assert out.shape == (4 * size[0], 4 * size[1], colors + alpha)
    assert out.dtype == (np.uint8 if depth == 8 else np.uint16)
    if not alpha:  # the fake runner repeats pixels, so the levels must be the input's own
        levels = np.rint(image.pixels * (2**depth - 1)).astype(out.dtype)
        np.testing.assert_array_equal(out, levels.repeat(4, axis=0).repeat(4, axis=1))
    assert work.seconds_model > 0


@given(st.tuples(sides, sides), st.floats(1, 8))
@settings(max_examples=40, deadline=None)
def test_any_scale_gives_its_size(size, scale):
    target = UpscaleOptions(scale=scale).target(size)
    _, out = upscaled(picture(size), target)
    assert out.shape == (round(size[0] * scale), round(size[1] * scale), 3)


@pytest.mark.parametrize("target", [None, (75, 101), (400, 560)])
@pytest.mark.parametrize("consistent", [False, True])
def test_fidelity_is_what_measure_says_of_the_finished_picture(target, consistent):
    image = picture((50, 70))
    work, out = upscaled(image, target, side=32, consistent=consistent)
    low = np.rint(image.pixels * 255).astype(np.uint8)
    found, whole = work.fidelity, fidelity(out, low)
    assert work.fidelity is found  # worked out once
    for name in ("consistency", "worst", "added", "bicubic", "phone"):
        assert getattr(found, name) == pytest.approx(getattr(whole, name), rel=1e-4)


@given(st.tuples(sides, sides), st.floats(1, 8), st.sampled_from([1, 3]), st.sampled_from([8, 16]), st.booleans())
@settings(max_examples=30, deadline=None)
def test_a_consistent_result_has_the_same_form(size, scale, colors, depth, alpha):
    image = picture(size, colors, depth, alpha)
    target = UpscaleOptions(scale=scale).target(size)
    work, out = upscaled(image, target, consistent=True)
    _, plain = upscaled(image, target)
    assert (out.shape, out.dtype) == (plain.shape, plain.dtype)
    if alpha:
        np.testing.assert_array_equal(out[..., -1], plain[..., -1])
    assert work.fidelity.consistency > 0


def greyish(alpha=None):
    levels = np.random.default_rng(6).integers(100, 160, (40, 60, 3))
    return Image((levels / 255).astype(np.float32), alpha)


def test_a_consistent_result_shrinks_to_the_image():
    (plain, _), (exact, _) = upscaled(greyish()), upscaled(greyish(), consistent=True)
    assert plain.fidelity.consistency < 45
    assert exact.fidelity.worst < 0.5
    assert exact.fidelity.consistency > 70
    assert exact.notes == plain.notes == ()


def test_what_cannot_be_made_consistent_is_said():
    dots = np.zeros((40, 40, 3), np.float32)
    dots[::5, ::5] = 1
    work, _ = upscaled(Image(dots), consistent=True)
    assert work.fidelity.worst > 0.5
    assert "levels end at black and white" in work.notes[0]
    alpha = np.zeros((40, 60), np.float32)
    alpha[10:20, 10:30] = 1
    work, _ = upscaled(greyish(alpha), consistent=True)
    assert "transparency" in work.notes[0]


def test_consistency_ignores_what_transparency_hides():
    image = picture((40, 40))
    flat = Image(np.full((40, 40, 3), 0.5, np.float32), None)
    alpha = np.zeros((40, 40), np.float32)
    alpha[:, :20] = 1
    wild = flat.pixels.copy()
    wild[:, 22:] = image.pixels[:, 22:]
    work, _ = upscaled(Image(wild, alpha))
    assert work.fidelity.consistency > 30


def test_transparent_edges_take_no_colour_from_what_is_hidden():
    red, alpha = np.zeros((24, 24, 3), np.float32), np.zeros((24, 24), np.float32)
    red[..., 1] = 1  # hidden green
    red[8:16, 8:16] = (1, 0, 0)
    alpha[8:16, 8:16] = 1
    _, out = upscaled(Image(red, alpha))
    seen = out[out[..., 3] > 0]
    assert seen[:, 1].max() <= 2


def test_progress_counts_the_tiles():
    image, seen = picture((60, 60)), []
    plan = tiling.plan(image.size, 3, 32)
    work = Upscaling(image, FakeRunner(4, plan.shape), plan, 4, (240, 240))
    list(work.bands(lambda done, total: seen.append((done, total))))
    assert seen == [(i + 1, plan.count) for i in range(plan.count)]


@pytest.mark.parametrize(
    ("scale", "width", "height", "expected"),
    [(4, None, None, (40, 80)), (1.5, None, None, (15, 30)), (4, 60, None, (30, 60)), (4, None, 25, (25, 50)),
     (4, 21, 80, (80, 21))],
)  # fmt: skip
def test_target_sizes(scale, width, height, expected):
    assert UpscaleOptions(scale=scale, width=width, height=height).target((10, 20)) == expected


@pytest.mark.parametrize(("width", "height"), [(19, None), (161, None), (None, 9), (None, 81)])
def test_refuses_sizes_beyond_one_to_eight_times(width, height):
    with pytest.raises(UsageError, match="1 to 8 times"):
        UpscaleOptions(width=width, height=height).target((10, 20))


def test_twelve_megapixels_are_planned_within_two_gibibytes():
    for keeps_whole in (False, True):
        needed = memory_needed((3000, 4000), (12000, 16000), 3, 8, keeps_whole)
        assert needed < 2 << 30
        assert needed < memory_needed((3000, 4000), (12000, 16000), 3, 8, keeps_whole, consistent=True) < 3 << 30


def test_visible_hides_the_transparent():
    pixels, alpha = np.ones((2, 2, 3), np.float32), np.array([[1, 0], [0.5, 1]], np.float32)
    assert visible(pixels, alpha)[..., 0].tolist() == [[1, 0], [0.5, 1]]
