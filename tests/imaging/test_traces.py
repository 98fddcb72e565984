import numpy as np
import pytest
import skimage.data

from fourfold.imaging import degrade
from fourfold.imaging.traces import COUNT, SIDE, WINDOWS, traces, windows


@pytest.fixture(scope="module")
def photo():
    return skimage.data.astronaut()[:256, :320]


def test_windows_are_parts_of_the_photo_at_their_own_size(photo):
    found = windows(photo)
    assert found.shape == (WINDOWS, SIDE, SIDE, 3)
    views = np.lib.stride_tricks.sliding_window_view(photo, (SIDE, SIDE, 3)).reshape(-1, SIDE, SIDE, 3)[::7]
    assert len({window.tobytes() for window in found}) > WINDOWS // 2
    assert any(np.array_equal(found[-1], view) for view in np.concatenate([views, found]))
    contrast = [window[::2, ::2, 1].std() for window in found]
    assert contrast == sorted(contrast)


def test_levels_and_floats_of_any_size_give_the_same_windows(photo):
    for part in (photo, photo[:50, :90], photo[:1, :1]):
        np.testing.assert_array_equal(windows(part), windows(part.astype(np.float32) / np.float32(255)))
    grey = photo[..., 1:2]
    assert (windows(grey) == windows(grey)[..., :1]).all()


def test_traces_are_the_same_however_a_window_is_turned(photo):
    seen = windows(photo)
    before = traces(seen)
    assert before.shape == (WINDOWS, COUNT)
    assert before.dtype == np.float32
    quarter = traces(np.ascontiguousarray(np.rot90(seen, axes=(1, 2))))
    assert np.abs(quarter - before).mean() < 0.1 * before.std(0).mean()


def test_each_kind_of_damage_leaves_its_own(photo):
    plain = traces(windows(photo)).mean(0)
    noisy = traces(windows(degrade.noise(photo, 15, np.random.default_rng(1)))).mean(0)
    soft = traces(windows(degrade.gaussian_blur(photo, 2.5, 2.5))).mean(0)
    blocky = traces(windows(degrade.jpeg(photo, 15))).mean(0)
    fine = slice(30, 40)  # the two finest bands
    assert noisy[fine].mean() > plain[fine].mean() + 1 > soft[fine].mean() + 2
    strongest = [48 + 7, 48 + 15]  # of the steps by offset, along rows and columns
    assert (blocky[strongest] > plain[strongest] + 0.5).all()
    assert np.isfinite(traces(np.zeros((2, SIDE, SIDE, 3), np.uint8))).all()
