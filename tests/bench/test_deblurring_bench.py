"""Deblurring measured: the same pairs each time, scores that follow from the pictures, and a report in words."""

import numpy as np
import pytest
from PIL import Image

from fourfold.bench import deblurring
from fourfold.core.errors import UsageError
from fourfold.imaging.camera import Camera


@pytest.fixture
def photos(tmp_path):
    rng = np.random.default_rng(3)
    paths = [tmp_path / f"{number}.png" for number in range(2)]
    for path in paths:
        Image.fromarray(rng.integers(0, 256, (12, 16, 3), np.uint8).repeat(8, 0).repeat(8, 1)).save(path)
    return paths


def test_the_shaken_pairs_are_the_same_each_time(photos):
    first, again = (list(deblurring.simulated_shake(photos, count=4)) for _ in range(2))
    assert [pair.name for pair in first] == ["0-0", "1-1", "0-2", "1-3"]
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.blurry, other.blurry)
    assert not np.array_equal(first[0].blurry, first[2].blurry)


def test_what_changes_nothing_scores_as_its_input(photos):
    score = deblurring.score("some", deblurring.simulated_shake(photos, count=4), lambda picture: picture)
    assert (score.pairs, score.better) == (4, 0)
    assert (score.psnr_y, score.ssim_y) == (score.psnr_y_input, score.ssim_y_input)
    assert score.psnr_y < 40


def test_the_truth_scores_better_than_its_blurry_input(photos):
    pairs = list(deblurring.simulated_shake(photos, count=3))
    truth = {pair.blurry.tobytes(): pair.sharp for pair in pairs}
    near = deblurring.score("some", pairs, lambda blurry: truth[blurry.tobytes()] ^ 1)
    assert near.better == 3
    assert near.psnr_y > 45


def test_pairs_that_blur_has_moved_are_laid_over_each_other():
    sharp = np.random.default_rng(0).integers(0, 256, (80, 90, 3), np.uint8)
    blurry, truth = deblurring.aligned(np.roll(sharp, (3, -5), (0, 1)), sharp)
    np.testing.assert_array_equal(blurry, truth)
    assert blurry.shape == (40, 50, 3)


def test_sharp_pictures_left_alone_are_counted(photos):
    score = deblurring.score_sharp(photos, careful=lambda picture: picture, always=lambda picture: picture // 2)
    assert score.untouched == score.pictures == deblurring.PAIRS
    assert score.forced < 15
    assert (score.noisy_loss, score.noisy_worst) == (0, 0)
    changed = deblurring.score_sharp(photos, careful=lambda picture: picture // 2, always=lambda picture: picture)
    assert changed.untouched == 0
    assert 10 < changed.noisy_loss < changed.noisy_worst


def test_a_folder_without_pairs_is_said(tmp_path):
    with pytest.raises(UsageError, match="expected pairs of pictures in blur and sharp"):
        list(deblurring.levin(tmp_path))


def test_the_report_reads(photos):
    score = deblurring.score("shaken", deblurring.simulated_shake(photos, Camera(), 2), lambda picture: picture)
    sharp = deblurring.SharpScore(40, 40, 45.25, 0.1, 0.5)
    costs = (deblurring.Cost("net", 577793, 0.1276, 0.9),)
    text = deblurring.table(deblurring.DeblurBenchmark((score,), sharp, ((3, 0, 0), (0, 2, 1), (0, 0, 3)), costs))
    assert "of 40 sharp windows 40 come back bit for bit" in text
    assert "net" in text
    assert "+0.00" in text
