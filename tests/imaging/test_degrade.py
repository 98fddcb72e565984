import numpy as np
import pytest

from fourfold.imaging import degrade


@pytest.fixture
def picture():
    rows, columns = np.mgrid[:96, :120]
    scene = 127 + 60 * np.sin(rows / 5) + 50 * ((columns // 12 + rows // 16) % 2)
    return np.repeat(np.clip(scene, 0, 255)[..., None], 3, axis=2).astype(np.uint8)


def test_a_photo_is_a_quarter_as_large_seeded_and_differs_by_seed(picture):
    made = [degrade.photo(picture, np.random.default_rng(seed)) for seed in (0, 0, 1)]
    assert made[0].shape == (24, 30, 3)
    assert made[0].dtype == np.uint8
    np.testing.assert_array_equal(made[0], made[1])
    assert (made[0] != made[2]).any()


def test_every_kind_of_damage_occurs_and_some_photos_are_only_shrunk(picture):
    from fourfold.imaging.resize import bicubic

    clean = bicubic(picture, (24, 30)).astype(int)
    away = [np.abs(degrade.photo(picture, np.random.default_rng(seed)) - clean).mean() for seed in range(60)]
    assert sum(one == 0 for one in away) in range(2, 15)
    assert max(away) > 10


def test_blur_of_an_impulse_is_the_gaussian_along_its_angle():
    impulse = np.zeros((65, 65, 3), np.uint8)
    impulse[32, 32] = 255
    flat = np.full((65, 65, 3), 100, np.uint8)
    np.testing.assert_array_equal(degrade.gaussian_blur(flat, 3.0, 1.0, 0.4), flat)
    dotted = degrade.gaussian_blur(np.clip(impulse * 1.0, 0, 255).astype(np.uint8), 4.0, 0.7, 0.0)[..., 0]
    assert dotted[32].astype(int).sum() > 4 * dotted[:, 32].astype(int).sum() / 2
    turned = degrade.gaussian_blur(impulse, 4.0, 0.7, np.pi / 2)[..., 0]
    np.testing.assert_allclose(turned.T, dotted, atol=1)


def test_noise_has_its_strength_and_shot_noise_grows_with_light():
    grey = np.full((200, 200, 3), 128, np.uint8)
    noisy = degrade.noise(grey, 9.0, np.random.default_rng(1))
    assert noisy.std() == pytest.approx(9, rel=0.03)
    same = degrade.noise(grey, 9.0, np.random.default_rng(1), grey=True)
    assert (same[..., 0] == same[..., 2]).all()
    dark, bright = (
        degrade.noise(np.full_like(grey, level), 9.0, np.random.default_rng(2), shot=0.7).std() for level in (40, 210)
    )
    assert bright > 1.5 * dark


def test_jpeg_degrades_more_at_lower_quality_and_keeps_the_size(picture):
    away = [np.abs(degrade.jpeg(picture, quality).astype(int) - picture).mean() for quality in (95, 70, 30)]
    assert away[0] < away[1] < away[2]
    rng = np.random.default_rng(3)
    assert all(degrade.jpeg(picture, 50, rng).shape == picture.shape for _ in range(8))


def test_sharpening_overshoots_at_edges_and_leaves_flat_parts(picture):
    step = np.zeros((20, 40, 3), np.uint8) + np.where(np.arange(40) < 20, 80, 160)[None, :, None].astype(np.uint8)
    sharp = degrade.sharpen(step, 0.8, 1.0)
    assert sharp.max() > 165
    assert sharp.min() < 75
    assert (sharp[:, :10] == 80).all()
