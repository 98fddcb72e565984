import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow
from skimage import data
from skimage.metrics import structural_similarity

from fourfold.core.errors import InvalidInput
from fourfold.imaging import metrics
from fourfold.imaging.fidelity import fidelity
from fourfold.imaging.resize import bicubic

PAIRED = (metrics.psnr_y, metrics.ssim_y, metrics.psnr)


@pytest.fixture(scope="module")
def photo():
    return data.astronaut()[100:228, 160:300]


@pytest.fixture(scope="module")
def noisy(photo):
    noise = np.random.default_rng(1).normal(0, 12, photo.shape)
    return np.clip(photo + noise, 0, 255).round().astype(np.uint8)


def textbook_luma(image):
    red, green, blue = np.moveaxis(image.astype(np.float64) / 255, -1, 0)
    return 16 + 65.481 * red + 128.553 * green + 24.966 * blue


def test_luma_runs_from_16_to_235_and_weighs_as_bt601():
    corners = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)
    expected = [16, 235, 81.481, 144.553, 40.966]
    np.testing.assert_allclose(metrics.luma(corners)[0], expected, atol=1e-4)


@pytest.mark.parametrize(
    "convert", [lambda p: p.astype(np.uint16) * 257, lambda p: p / 255, lambda p: p / np.float32(255)]
)
def test_luma_is_the_same_for_every_type_of_one_picture(photo, convert):
    np.testing.assert_allclose(metrics.luma(convert(photo)), metrics.luma(photo), atol=1e-3)


def test_grey_pictures_count_as_equal_channels(photo):
    grey = photo[..., 1]
    expected = metrics.luma(np.repeat(grey[..., None], 3, axis=2))
    np.testing.assert_allclose(metrics.luma(grey), expected, atol=1e-3)
    np.testing.assert_allclose(metrics.luma(grey[..., None]), expected, atol=1e-3)


@pytest.mark.parametrize("border", [0, 4, 16])
def test_psnr_y_is_the_textbook_formula(photo, noisy, border):
    difference = (textbook_luma(photo) - textbook_luma(noisy))[border : 128 - border, border : 140 - border]
    expected = 10 * math.log10(255**2 / np.mean(difference**2))
    assert metrics.psnr_y(photo, noisy, border=border) == pytest.approx(expected, abs=1e-3)


def test_psnr_is_the_textbook_formula_over_all_channels(photo, noisy):
    mean_square = np.mean((photo.astype(float) - noisy) ** 2)
    assert metrics.psnr(photo, noisy) == pytest.approx(10 * math.log10(255**2 / mean_square), abs=1e-3)


@pytest.mark.parametrize("border", [0, 4])
@pytest.mark.parametrize("height", [128, 11 + 8, 75])
def test_ssim_y_agrees_with_scikit_image(photo, noisy, border, height):
    a, b = photo[:height], noisy[:height]
    inside = slice(border, height - border), slice(border, 140 - border)
    _, full = structural_similarity(
        textbook_luma(a)[inside],
        textbook_luma(b)[inside],
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=255,
        full=True,
    )
    assert metrics.ssim_y(a, b, border=border) == pytest.approx(full[5:-5, 5:-5].mean(), abs=2e-6)


def test_ssim_y_agrees_on_nearly_flat_bright_pictures():
    """Where float32 would lose the small variance of large values."""
    random = np.random.default_rng(2)
    a = (250 + random.integers(0, 3, (64, 64, 3))).astype(np.uint8)
    b = (250 + random.integers(0, 3, (64, 64, 3))).astype(np.uint8)
    _, full = structural_similarity(
        textbook_luma(a),
        textbook_luma(b),
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=255,
        full=True,
    )
    assert metrics.ssim_y(a, b, border=0) == pytest.approx(full[5:-5, 5:-5].mean(), abs=1e-5)


@pytest.mark.parametrize(("folder", "expected"), [("Set5", 28.43), ("Set14", 26.09), ("BSD100", 26.37)])
def test_bicubic_scores_as_published_on_the_benchmark(shared, folder, expected):
    scores = []
    for path in sorted((shared / "data/benchmark" / folder / "HR").iterdir()):
        high = np.array(Pillow.open(path).convert("RGB"))
        low = np.array(Pillow.open(path.parents[1] / "LRx4" / path.name).convert("RGB"))
        scores.append(metrics.psnr_y(bicubic(low, high.shape[:2]), high))
    assert np.mean(scores) == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("measure", PAIRED)
def test_paired_measures_know_identity_symmetry_and_noise(photo, measure):
    random = np.random.default_rng(3)
    noise = random.normal(0, 1, photo.shape)
    worse = [np.clip(photo + sigma * noise, 0, 255).astype(np.uint8) for sigma in (0, 4, 8, 16, 32)]
    scores = [measure(photo, picture) for picture in worse]
    assert scores[0] == (1.0 if measure is metrics.ssim_y else math.inf)
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == len(scores)
    assert measure(photo, worse[2]) == pytest.approx(measure(worse[2], photo), rel=1e-6)
    assert type(scores[1]) is float


@given(size=st.tuples(st.integers(1, 40), st.integers(1, 40)), border=st.integers(0, 12), seed=st.integers(0, 9))
def test_small_pictures_are_measured_or_refused(size, border, seed):
    random = np.random.default_rng(seed)
    a, b = random.integers(0, 256, (2, *size, 3)).astype(np.uint8)
    inside = min(size) - 2 * border
    if inside < 1:
        for measure in PAIRED:
            with pytest.raises(InvalidInput, match="leaves nothing to measure"):
                measure(a, b, border=border)
        return
    assert math.isfinite(metrics.psnr_y(a, b, border=border))
    if inside < 11:
        with pytest.raises(InvalidInput, match="at least 11×11"):
            metrics.ssim_y(a, b, border=border)
    else:
        assert -1 <= metrics.ssim_y(a, b, border=border) <= 1


@pytest.mark.parametrize("measure", PAIRED)
def test_different_sizes_are_refused(photo, measure):
    with pytest.raises(InvalidInput, match="one size"):
        measure(photo, photo[:-1])


@pytest.mark.parametrize("measure", [*PAIRED, fidelity, lambda a, _: metrics.sharpness(a)])
@pytest.mark.parametrize(
    "wrong",
    [np.zeros((16, 16, 4), np.uint8), np.zeros((16, 0, 3), np.uint8), np.zeros(16, np.uint8), np.zeros((16, 16), bool)],
)
def test_what_is_no_picture_is_refused(measure, wrong):
    with pytest.raises(InvalidInput, match="expected"):
        measure(wrong, wrong)


@pytest.mark.parametrize("measure", [*PAIRED, fidelity, lambda a, _: metrics.sharpness(a)])
def test_nan_is_refused_rather_than_passed_on(photo, measure):
    broken = photo / 255
    broken[40, 40] = np.nan
    with pytest.raises(InvalidInput, match="NaN"):
        measure(broken, photo[::4, ::4] if measure is fidelity else photo)


def test_different_channels_are_refused_where_channels_are_compared(photo):
    with pytest.raises(InvalidInput, match="channels"):
        metrics.psnr(photo, photo[..., 0])
    with pytest.raises(InvalidInput, match="channels"):
        fidelity(photo, photo[::4, ::4, :1])


def test_sharpness_is_the_mean_gradient_length():
    ramp = np.tile(np.arange(0, 200, 4, dtype=np.uint8)[None, :, None], (30, 1, 3))
    assert metrics.sharpness(ramp) == pytest.approx(4 * 219 / 255, rel=1e-5)
    both = np.add.outer(3 * np.arange(20), 4 * np.arange(20)).astype(np.uint8)
    assert metrics.sharpness(both) == pytest.approx(5 * 219 / 255, rel=1e-5)
    assert metrics.sharpness(np.full((9, 9, 3), 200, np.uint8)) == 0
    with pytest.raises(InvalidInput, match="2×2"):
        metrics.sharpness(np.zeros((1, 9), np.uint8))


def test_sharpness_falls_with_blur(photo):
    blurred = bicubic(bicubic(photo, (32, 35)), photo.shape[:2])
    assert metrics.sharpness(blurred) < 0.8 * metrics.sharpness(photo)
