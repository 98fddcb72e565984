"""What an enlarged picture kept and added: every figure against its definition, worked out on whole matrices."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

from fourfold.core.errors import InvalidInput
from fourfold.imaging import fidelity as measuring
from fourfold.imaging import metrics
from fourfold.imaging.fidelity import FidelityMeter, fidelity, phone_size
from fourfold.imaging.resize import bicubic

FACTORS = [(4, 4), (2, 3), (1.5, 1.5), (1, 4), (2.7, 1.13), (7.9, 8)]


@pytest.fixture(scope="module")
def photo():
    return data.astronaut()[100:228, 160:300]


def shrunk(image, factors):
    return bicubic(image, tuple(round(side / factor) for side, factor in zip(image.shape, factors, strict=False)))


def matrix(length, target):
    """A resize of one axis as a whole matrix."""
    return bicubic(np.eye(length), (target, length))


def kept(plane, size):
    """The part of a plane that shrinking to ``size`` can see, by the textbook's pseudo-inverse."""
    rows, columns = (matrix(side, small) for side, small in zip(plane.shape, size, strict=True))
    return np.linalg.pinv(rows) @ rows @ plane @ columns.T @ np.linalg.pinv(columns).T


def added_detail(output, low):
    return fidelity(output, low).added


def brightness(image):
    """In levels of 0 to 255."""
    return (metrics.luma(image).astype(float) - 16) * 255 / 219


def rms(values):
    return math.sqrt(np.mean(np.square(values)))


@pytest.mark.parametrize("factors", FACTORS)
def test_consistency_is_psnr_after_shrinking_back(photo, factors):
    low = shrunk(photo, factors)
    back = bicubic(photo / np.float32(255), low.shape[:2])
    found = fidelity(photo, low)
    assert found.consistency == pytest.approx(metrics.psnr(back, low), abs=1e-3)
    assert found.worst == pytest.approx(np.abs(255 * back - low).max(), abs=1e-3)


def test_consistency_is_high_for_what_was_kept_and_falls_with_every_change(photo):
    assert fidelity(photo, photo).consistency == math.inf
    flat = np.full((64, 48, 3), 77, np.uint8)
    assert fidelity(flat, flat[::4, ::4]).consistency > 120
    low = shrunk(photo, (4, 4))
    scores = [
        fidelity(np.clip(photo.astype(int) + shift, 0, 255).astype(np.uint8), low).consistency for shift in (0, 1, 3, 9)
    ]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 50 > 35 > scores[3]


@pytest.mark.parametrize("factors", FACTORS)
def test_added_detail_is_what_the_pseudo_inverse_of_shrinking_leaves(photo, factors):
    low = shrunk(photo, factors)
    plane = brightness(photo)
    assert fidelity(photo, low).added == pytest.approx(rms(plane - kept(plane, low.shape[:2])), rel=1e-4)


@pytest.mark.parametrize("factors", FACTORS)
def test_a_bicubic_enlargement_of_anything_adds_nothing(photo, factors):
    low = shrunk(photo, factors)
    for picture in (low, np.random.default_rng(0).random(low.shape).astype(np.float32)):
        real = picture / 255 if picture.dtype == np.uint8 else picture
        assert added_detail(bicubic(real, photo.shape[:2]), low) < 0.03


def test_in_whole_levels_bicubic_adds_no_more_than_their_rounding(photo):
    flat = np.clip(photo, 40, 215)  # where nothing is clipped
    low = shrunk(flat, (4, 4))
    found = fidelity(bicubic(low, photo.shape[:2]), low)
    assert found.added < 0.5
    assert found.added_db < 6
    assert fidelity(np.full((40, 40, 3), 99, np.uint8), np.full((10, 10, 3), 99, np.uint8)).added_db < 0.05


def test_a_picture_without_what_shrinking_removes_adds_nothing(photo):
    plane = kept(photo[..., 1] / 255, (32, 35))
    assert added_detail(plane, shrunk(photo, (4, 4))[..., 1]) < 0.03


def test_adding_what_can_be_seen_in_the_input_changes_nothing(photo):
    low = shrunk(photo, (4, 4))
    more = bicubic(np.random.default_rng(1).random((32, 35, 3)), photo.shape[:2])
    changed = photo / 255 * 0.5 + more * 0.25
    assert added_detail(changed, low) == pytest.approx(0.5 * added_detail(photo, low), rel=1e-4)


def test_sharpening_and_noise_add(photo):
    soft = bicubic(shrunk(photo, (2, 2)), photo.shape[:2]).astype(float)
    low = shrunk(photo, (4, 4))
    sharper = [
        np.clip(soft + amount * (soft - bicubic(bicubic(soft, (64, 70)), soft.shape[:2])), 0, 255).round()
        for amount in (0, 2, 6)
    ]
    amounts = [added_detail(picture.astype(np.uint8), low) for picture in sharper]
    assert amounts[0] * 1.2 < amounts[1] < amounts[2] / 1.2
    noise = np.random.default_rng(4).normal(0, 12, (*photo.shape[:2], 1))
    noisy = np.clip(np.clip(soft, 40, 215) + noise, 0, 255).round().astype(np.uint8)
    expected = math.hypot(amounts[0], 12 * math.sqrt(15 / 16))  # one sixteenth of it shrinking can see
    assert added_detail(noisy, low) == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize(("wave", "share"), [(16, 0.0), (32, 0.005), (48, 0.08), (80, 0.92), (96, 0.995), (128, 1.0)])
def test_the_share_of_a_wave_that_counts_is_as_documented(wave, share):
    """Cosines of 256 samples enlarged four times, so that 64 half-periods are the input's Nyquist frequency."""
    position = np.arange(256) + 0.5
    row = 0.1 * np.cos(np.pi * wave * position / 256)
    for picture in (np.tile(row, (256, 1)), np.tile(row, (256, 1)).T):
        energy = (added_detail(0.5 + picture, np.full((64, 64), 0.5)) / rms(255 * row)) ** 2
        assert energy == pytest.approx(share, abs=0.003)


@pytest.mark.parametrize("factors", FACTORS)
def test_the_distance_to_bicubic_is_psnr(photo, factors):
    low = shrunk(photo, factors)
    plain = bicubic(low / 255, photo.shape[:2])
    found = fidelity(photo, low)
    assert found.bicubic == pytest.approx(metrics.psnr_y(photo, plain, border=0), abs=1e-3)
    assert found.phone == found.bicubic  # narrower than a phone's screen


def test_on_a_phone_both_are_shrunk(monkeypatch, photo):
    monkeypatch.setattr(measuring, "PHONE", 60)
    low = shrunk(photo, (4, 4))
    plain = bicubic(low / 255, photo.shape[:2])
    screen = (55, 60)
    assert phone_size(photo.shape[:2]) == screen
    expected = metrics.psnr_y(bicubic(photo / 255, screen), bicubic(plain, screen), border=0)
    found = fidelity(photo, low)
    assert found.phone == pytest.approx(expected, abs=1e-3)
    assert found.phone > found.bicubic + 3


@given(cuts=st.lists(st.integers(0, 128), max_size=6))
@settings(deadline=None)
def test_bands_give_the_figures_of_the_whole(cuts):
    output = data.astronaut()[100:228, 160:180]
    low = bicubic(output, (48, 12))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(measuring, "PHONE", 11)  # narrower than the output, so that it is shrunk, too
        meter = FidelityMeter(low, output.shape[:2])
        for top, bottom in pairwise([0, *sorted(cuts), 128]):
            meter.push(output[top:bottom]) if bottom > top else None
        found, whole = meter.result(), fidelity(output, low)
    assert found.phone > found.bicubic
    for name in ("consistency", "worst", "added", "bicubic", "phone"):
        assert getattr(found, name) == pytest.approx(getattr(whole, name), rel=1e-4)


def test_a_large_picture_keeps_its_digits():
    """Sums over many bright pixels must not drown a little detail."""
    flat = np.full((1200, 1600, 3), 250, np.uint8)
    flat[::2, ::2] += 1
    low = np.full((300, 400, 3), 250, np.uint8)
    expected = rms(np.tile([[1, 0], [0, 0]], (600, 800)) - 0.25)
    assert fidelity(flat, low).added == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(
    ("size", "target", "figures"),
    [
        ((200, 300), (800, 1200), (43.5774, 46.6106, 4.3442, 36.6129, 38.1513)),
        ((211, 303), (844, 1212), (43.3594, 46.6106, 4.4450, 36.4137, 38.0103)),
        ((160, 281), (433, 1130), (38.1022, 54.2099, 4.1650, 35.6781, 36.6427)),
        ((97, 64), (291, 192), (48.9908, 12.0386, 1.9135, 43.6983, 43.6983)),
    ],
)
def test_figures_stay_what_version_0_1_measured(size, target, figures):
    """Of nearest-neighbour enlargements, wider than a phone or not, by equal whole factors or not."""
    low = data.astronaut()[: size[0], 100 : 100 + size[1]]
    rows, columns = (np.arange(wanted) * side // wanted for side, wanted in zip(size, target, strict=True))
    found = fidelity(low[rows][:, columns], low)
    measured = (found.consistency, found.worst, found.added, found.bicubic, found.phone)
    assert measured == pytest.approx(figures, abs=0.001)


def test_a_part_is_refused(photo):
    meter = FidelityMeter(photo[::4, ::4], photo.shape[:2])
    meter.push(photo[:100])
    with pytest.raises(InvalidInput, match="expected the whole output"):
        meter.result()


def test_an_output_smaller_than_its_input_is_refused(photo):
    with pytest.raises(InvalidInput, match="at least as large"):
        fidelity(photo[:, ::4], photo)


@given(low=st.tuples(st.integers(1, 12), st.integers(1, 12)), more=st.tuples(st.integers(0, 30), st.integers(0, 30)))
@settings(deadline=None)
def test_every_size_is_measured(low, more):
    size = low[0] + more[0], low[1] + more[1]
    random = np.random.default_rng(sum(size))
    small = random.integers(0, 256, (*low, 3)).astype(np.uint8)
    large = random.integers(0, 256, (*size, 3)).astype(np.uint8)
    found = fidelity(large, small)
    plane = brightness(large)
    assert found.added == pytest.approx(rms(plane - kept(plane, low)), abs=0.05)
    assert found.consistency > 0
    if size == low:
        assert found.added < 0.03


def test_equal_pictures_have_no_decibels_in_a_report(photo):
    figures = fidelity(photo, photo).figures()
    assert figures["consistency_psnr"] is None
    assert figures["bicubic_psnr"] is None
    assert figures["added_detail"] == 0
