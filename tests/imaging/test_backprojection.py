import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

from fourfold.imaging.backprojection import BackProjection
from fourfold.imaging.fidelity import fidelity
from fourfold.imaging.resize import bicubic

sides = st.integers(1, 40)


def corrected(picture, low, rows=1 << 20):
    peak = int(np.iinfo(picture.dtype).max)
    work = BackProjection((low / peak).astype(np.float32), picture.shape[:2], peak)
    return np.concatenate([work.push(picture[top : top + rows]) for top in range(0, len(picture), rows)])


def pair(scale=4.0, rows=slice(90, 250), columns=slice(150, 330)):
    """A photo made greyer, so that no level ends: its shrunk copy, and itself degraded by a shift and noise."""
    photo = (data.astronaut()[rows, columns] * 0.4 + 75).astype(np.uint8)
    size = round(photo.shape[0] / scale), round(photo.shape[1] / scale)
    low = bicubic(photo, size)
    noise = np.random.default_rng(0).normal(3, 5, photo.shape)
    return low, np.clip(np.roll(photo, 1, axis=1) + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("scale", "bound"), [(8, 0.3), (4, 0.3), (3.3, 0.4), (3, 0.4), (2, 0.5), (1.6, 0.6), (1, 0)])
def test_every_pixel_shrinks_back_to_within_half_a_level(scale, bound):
    low, wrong = pair(scale)
    before, after = fidelity(wrong, low), fidelity(corrected(wrong, low), low)
    assert before.consistency < 40
    assert after.worst <= bound
    assert after.consistency > 64


def test_shrunk_in_whole_levels_it_is_the_input_itself():
    low, wrong = pair()
    back = bicubic(corrected(wrong, low) / 255, low.shape[:2])
    np.testing.assert_array_equal(np.rint(255 * back), low)


def test_what_shrinking_does_not_see_stays():
    low, wrong = pair()
    right = corrected(wrong, low)
    assert fidelity(right, low).added == pytest.approx(fidelity(wrong, low).added, abs=0.05)


def test_what_is_consistent_already_stays():
    low, _ = pair()
    plain = bicubic(low, (4 * low.shape[0], 4 * low.shape[1]))
    once = corrected(plain, low)
    assert np.abs(corrected(once, low).astype(int) - once).max() <= 1
    flat = np.full((40, 60, 3), 117, np.uint8)
    np.testing.assert_array_equal(corrected(flat, flat[:10, :15]), flat)


def test_sixteen_bits_are_more_exact_still():
    low, wrong = pair()
    low, wrong = low.astype(np.uint16) * 257, wrong.astype(np.uint16) * 257
    assert fidelity(corrected(wrong, low), low).worst < 0.01


@given(st.tuples(sides, sides), st.floats(1, 8), st.integers(1, 99), st.sampled_from([1, 3]))
@settings(max_examples=40, deadline=None)
def test_bands_give_the_same_as_the_whole(size, scale, rows, colors):
    random = np.random.default_rng(7)
    low = random.integers(60, 200, (*size, colors)).astype(np.uint8)
    target = round(size[0] * scale), round(size[1] * scale)
    picture = random.integers(60, 200, (*target, colors)).astype(np.uint8)
    whole, banded = corrected(picture, low), corrected(picture, low, rows)
    assert whole.shape == picture.shape
    assert np.abs(whole.astype(int) - banded).max() <= 1  # sums in another order, rounded


def test_at_the_ends_of_the_levels_it_comes_as_near_as_it_can():
    letters = np.zeros((40, 60, 1), np.uint8)
    letters[10:30, 5:15] = letters[10:30, 18:30] = 255
    plain = bicubic(letters, (160, 240))
    before, after = fidelity(plain, letters), fidelity(corrected(plain, letters), letters)
    assert after.consistency > before.consistency + 2.5
    assert 0.5 < after.worst < before.worst


@pytest.mark.parametrize("turn", [0.0, 0.35, 0.785])
def test_a_softened_edge_gets_no_ringing(turn):
    y, x = (np.mgrid[0:192, 0:192] + 0.5) / 4 - 24.3
    across = np.cos(turn) * x + np.sin(turn) * y
    edge = np.rint(60 + 130 * np.clip(4 * across + 0.5, 0, 1))[..., None]
    soft = np.rint(60 + 130 * np.clip(1.3 * across + 0.5, 0, 1)).astype(np.uint8)[..., None]
    right = corrected(soft, np.rint(bicubic(edge, (48, 48))).astype(np.uint8)).astype(int)
    assert right.min() >= 60 - 13  # a tenth of the step, as bicubic itself overshoots
    assert right.max() <= 190 + 13
    assert np.abs(right - soft)[np.abs(across) > 6].max() <= 1


def test_transparency_passes_unchanged():
    low, wrong = pair()
    alpha = np.random.default_rng(3).integers(0, 256, (*wrong.shape[:2], 1)).astype(np.uint8)
    work = BackProjection((low / 255).astype(np.float32), wrong.shape[:2], 255)
    both = np.dstack([wrong, alpha])
    out = np.concatenate([work.push(both[top : top + 37]) for top in range(0, len(both), 37)])
    np.testing.assert_array_equal(out[..., 3:], alpha)
    np.testing.assert_array_equal(out[..., :3], corrected(wrong, low, 37))


def test_a_taller_picture_takes_no_more_memory():
    random, peaks = np.random.default_rng(2), []
    for height in (1024, 4096):
        low = random.random((height // 4, 64, 3), np.float32)
        picture = random.integers(0, 256, (height, 256, 3), np.uint8)
        work = BackProjection(low, picture.shape[:2], 255)
        work.push(picture[:256])  # what is made once
        tracemalloc.start()
        for top in range(256, height, 256):
            work.push(picture[top : top + 256])
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]
