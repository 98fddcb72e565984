"""Degradations: seeded, of the right size, each visible, and none of them black or shifted."""

import numpy as np
import pytest

from fourfold.imaging.metrics import psnr_y
from fourfold.imaging.resize import bicubic
from fourfold.training import degradations

rng = np.random.default_rng(3)
HIGH = np.rint(bicubic(rng.integers(0, 256, (20, 24, 3)).astype(np.float64), (160, 192)).clip(0, 255)).astype(np.uint8)
LOW = bicubic(HIGH, (40, 48))


@pytest.mark.parametrize("name", degradations.KINDS)
def test_a_kind_is_seeded_and_recognisable(name):
    _, degrade = degradations.KINDS[name]
    first, again, other = (degrade(HIGH, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert first.shape == LOW.shape
    assert first.dtype == np.uint8
    assert name == "clean" or not np.array_equal(first, other)
    many = np.mean([degrade(HIGH, np.random.default_rng(seed)) for seed in range(20)], axis=0)
    matched = np.corrcoef(many.ravel(), LOW.ravel().astype(float))[0, 1]
    shifted = np.corrcoef(many[:, 1:].ravel(), LOW[:, :-1].ravel().astype(float))[0, 1]
    assert matched > 0.7
    assert matched > shifted


def test_every_kind_is_drawn_and_mild_ones_stay_near_the_photo():
    drawn = {degradations.degraded(HIGH, np.random.default_rng(seed)).tobytes() for seed in range(30)}
    assert len(drawn) > 20
    assert abs(sum(weight for weight, _ in degradations.KINDS.values()) - 1) < 1e-9
    assert min(psnr_y(degradations.mild(HIGH, np.random.default_rng(seed)), LOW) for seed in range(20)) > 28
