"""Measuring a finished picture: every kind of it, and large ones without a copy."""

import tracemalloc

import numpy as np
import pytest

import fourfold
from fourfold.imaging.resize import bicubic


def levels(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize("reference", [False, True])
def test_a_large_picture_is_measured_without_a_copy_of_it(reference):
    large, small = levels(6144, 1024, 3), levels(1536, 256, 3)
    truth = large[::-1] if reference else None
    fourfold.measure(large[:256], small[:64])  # what is loaded and kept once
    tracemalloc.start()
    fourfold.measure(large, small, truth)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < large.size  # a copy in floats would be four times as large


def test_levels_and_floats_are_measured_alike():
    small = levels(12, 16, 3)
    large = bicubic(small, (48, 64))
    found = fourfold.measure(large, small)
    assert found == fourfold.measure(large / np.float32(255), small / np.float32(255))
    assert found.sharpness == pytest.approx(found.sharpness_bicubic, rel=0.05)
    grey = fourfold.measure(large[..., 0], small[..., 0])
    assert grey == fourfold.measure(large[..., :1], small[..., :1])
    same = fourfold.measure(large[..., 0], np.broadcast_to(small[..., :1], small.shape))
    assert same.consistency_psnr == pytest.approx(grey.consistency_psnr, abs=0.01)


def test_what_is_transparent_counts_as_black():
    small, large = levels(12, 16, 4), levels(48, 64, 4)
    small[..., 3], large[..., 3] = 255, 255
    small[:, 8:, 3], large[:, 32:, 3] = 0, 0
    hidden = [picture[..., :3] * (picture[..., 3:] > 0) for picture in (large, small)]
    assert fourfold.measure(large, small) == fourfold.measure(*hidden)
