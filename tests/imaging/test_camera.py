"""Motion blur: a kernel is a path of light, the blur is the average of the moved picture, and a seed repeats it."""

from dataclasses import replace

import numpy as np
import pytest

from fourfold.imaging import color
from fourfold.imaging.camera import Camera, Shake, Window, kernel, motion_blur, photographed, shake
from fourfold.imaging.metrics import psnr

QUIET = Camera(plain=0, grey=0, glare=1, shot=0, read=0, raw=1)


def smooth_picture(height=160, width=200):
    """Light that bilinear sampling reproduces well, with structure in all directions."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    planes = [np.sin(x / 4 + c) + np.cos(y / 3.5 - c) + np.sin((x + y) / 6) for c in range(3)]
    return (np.stack(planes, axis=2) / 8 + 0.5).astype(np.float32)


def sampled(picture, y, x):
    top, left = np.floor(y).astype(int), np.floor(x).astype(int)
    down, right = (y - top)[..., None], (x - left)[..., None]
    upper = picture[top, left] * (1 - right) + picture[top, left + 1] * right
    lower = picture[top + 1, left] * (1 - right) + picture[top + 1, left + 1] * right
    return upper * (1 - down) + lower * down


@pytest.mark.parametrize("seed", range(30))
def test_a_kernel_is_light_that_is_all_there_and_centred(seed):
    path = shake(np.random.default_rng(seed), 17.3, (300, 400)).at(20, 350)
    k = kernel(path)
    assert k.min() >= 0
    assert k.sum() == pytest.approx(1, abs=1e-5)
    offsets = np.arange(len(k)) - len(k) // 2
    assert k.sum(1) @ offsets == pytest.approx(0, abs=1e-4)
    assert k.sum(0) @ offsets == pytest.approx(0, abs=1e-4)


def test_a_kernel_is_exact_below_a_pixel():
    np.testing.assert_allclose(kernel(np.array([[0.25, -0.5]])), [[0, 0, 0], [0.375, 0.375, 0], [0.125, 0.125, 0]])
    np.testing.assert_array_equal(kernel(np.zeros((4, 2))), [[1]])


@pytest.mark.parametrize("extent", [0.7, 6, 24])
def test_a_shake_spans_its_extent(extent):
    for seed in range(20):
        points = shake(np.random.default_rng(seed), extent, (100, 100)).shifts
        widest = np.linalg.norm(points[:, None] - points[None], axis=2).max()
        assert widest == pytest.approx(extent, rel=0.01)
        np.testing.assert_allclose(points.mean(0), 0, atol=1e-9)


def test_a_roll_turns_about_the_middle():
    path = Shake(np.zeros((3, 2)), np.array([-0.01, 0, 0.01]), (50.0, 80.0))
    np.testing.assert_allclose(path.at(50, 80), 0)
    np.testing.assert_allclose(path.at(50, 180), [[-1, 0], [0, 0], [1, 0]])
    np.testing.assert_allclose(path.at(150, 80), [[0, 1], [0, 0], [0, -1]])


def test_blur_is_the_average_of_the_moved_picture():
    light = smooth_picture()
    path = shake(np.random.default_rng(4), 9, light.shape[:2], roll=1)
    path = replace(path, rolls=np.linspace(-0.02, 0.02, len(path.rolls)))
    inner = Window(40, 120, 50, 150)
    y, x = np.mgrid[inner.top : inner.bottom, inner.left : inner.right].astype(float)
    total = np.zeros((80, 100, 3))
    for shift, roll in zip(path.shifts, path.rolls, strict=True):
        dy = shift[0] + roll * (x - path.centre[1])
        dx = shift[1] - roll * (y - path.centre[0])
        total += sampled(light, y - dy, x - dx)
    blurred = motion_blur(light, path, inner)
    assert np.abs(blurred - light[40:120, 50:150]).max() > 0.05
    np.testing.assert_allclose(blurred, total / len(path.rolls), atol=4e-3)


def test_a_window_is_the_part_of_the_whole():
    light = smooth_picture()
    path = shake(np.random.default_rng(2), 7, light.shape[:2], roll=0)
    whole = motion_blur(light, path)
    np.testing.assert_allclose(motion_blur(light, path, Window(30, 90, 0, 77)), whole[30:90, :77], atol=1e-5)


def test_a_still_camera_changes_nothing():
    scene = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    blurry, sharp = photographed(scene, np.random.default_rng(1), replace(QUIET, still=1))
    np.testing.assert_array_equal(blurry, scene)
    np.testing.assert_array_equal(sharp, scene)


def test_light_is_averaged_not_levels():
    scene = np.zeros((64, 64, 3), np.uint8)
    scene[:, 32:] = 255
    rng = np.random.default_rng(6)
    blurry, _ = photographed(scene, rng, replace(QUIET, extent=(20, 20), roll=0))
    middle = blurry[32].mean(1)
    halves = color.to_light(middle.astype(np.float32) / 255)
    assert halves.mean() == pytest.approx(0.5, abs=0.02)
    assert middle.mean() > 140


def test_glare_blurs_before_it_is_cut_off():
    scene = np.full((80, 80, 3), 40, np.uint8)
    scene[38:42, 38:42] = 255
    found = []
    for glare in (1, 30):
        rng = np.random.default_rng(8)
        blurry, sharp = photographed(scene, rng, replace(QUIET, extent=(16, 16), glare=glare))
        np.testing.assert_array_equal(sharp, scene)
        found.append((blurry == 255).all(2).sum())
    assert found[0] < 16 < found[1]


def test_noise_grows_with_light():
    scene = np.full((64, 128, 3), 30, np.uint8)
    scene[:, 64:] = 220
    noisy = np.zeros(2)
    for seed in range(8):
        blurry, _ = photographed(scene, np.random.default_rng(seed), Camera(still=1, plain=1, grey=0, raw=1, shot=1e-3))
        noisy += [blurry[:, :60].std(), blurry[:, 68:].std()]
    assert noisy[1] > 1.5 * noisy[0] > 0


def test_a_seed_repeats_everything_and_another_does_not():
    scene = np.random.default_rng(0).integers(0, 256, (12, 15, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    window = Window(10, 74, 20, 84)
    first, again, other = (photographed(scene, np.random.default_rng(s), Camera(), window)[0] for s in (5, 5, 6))
    assert first.shape == (64, 64, 3)
    np.testing.assert_array_equal(first, again)
    assert psnr(first, other) < 40


def test_srgb_there_and_back():
    values = np.linspace(0, 1, 1001, dtype=np.float32)
    np.testing.assert_allclose(color.from_light(color.to_light(values)), values, atol=1e-5)
    assert color.to_light(np.float32([0.5]))[0] == pytest.approx(0.21404, abs=1e-4)
