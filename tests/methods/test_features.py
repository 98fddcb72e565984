"""What an encoder is shown of a photo, and the colours its features are looked at in."""

import numpy as np
import pytest

from fourfold.core.errors import InvalidInput
from fourfold.methods.features import Features, colours, frame, likeness


@pytest.mark.parametrize(
    ("height", "width", "rows", "columns"), [(50, 100, 8, 16), (300, 90, 16, 5), (77, 77, 16, 16), (1, 400, 1, 16)]
)
def test_the_photo_fills_whole_cells_from_the_top_left_and_is_mirrored_beyond(height, width, rows, columns):
    pixels = np.random.default_rng(1).random((height, width, 3), np.float32)
    framed = frame(pixels, 64, 4)
    assert framed.square.shape == (3, 64, 64)
    assert (framed.rows, framed.columns) == (rows, columns)
    assert framed.square.min() >= 0
    assert framed.square.max() <= 1
    shown = framed.square[:, : 4 * rows, : 4 * columns]
    below, right = framed.square[:, 4 * rows :, : 4 * columns], framed.square[:, : 4 * rows, 4 * columns :]
    np.testing.assert_array_equal(below[:, : 4 * rows], shown[:, ::-1][:, : below.shape[1]])
    np.testing.assert_array_equal(right[:, :, : 4 * columns], shown[:, :, ::-1][:, :, : right.shape[2]])
    assert framed.kept(np.zeros((7, 32, 32)), 2).shape == (7, 2 * rows, 2 * columns)


def test_a_photo_of_the_size_is_shown_as_it_is():
    pixels = np.random.default_rng(2).random((32, 64, 3), np.float32)
    np.testing.assert_allclose(frame(pixels, 64, 8).square[:, :32], pixels.transpose(2, 0, 1), atol=1e-6)


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 1), (0, 4, 3)])
def test_what_is_no_photo_is_refused(shape):
    with pytest.raises(InvalidInput, match="H×W×3"):
        frame(np.zeros(shape, np.float32), 64, 4)


def test_equal_colours_mean_equal_features():
    rng = np.random.default_rng(3)
    low = rng.standard_normal((8, 5, 6)).astype(np.float32) * np.arange(1, 9, dtype=np.float32)[:, None, None]
    large = low.repeat(2, 1).repeat(2, 2)
    painted = colours(Features(low, large, large, large[:, ::-1], large))
    assert painted["low"].shape == (5, 6, 3)
    np.testing.assert_array_equal(painted["sharp"], painted["low"].repeat(2, 0).repeat(2, 1))
    spread = painted["low"].reshape(-1, 3).std(0)
    assert spread.min() > 30


def test_a_flat_photo_and_few_channels_have_colours_too():
    flat = np.ones((2, 4, 4), np.float32)
    assert colours(Features(flat, flat, flat, flat, flat))["low"].shape == (4, 4, 3)


def encode(pictures):
    """Two numbers for every four pixels."""
    return pictures[:, :2, ::4, ::4] - 0.5


def test_likeness_is_the_cosine_of_each_place():
    first, second = np.random.default_rng(4).random((2, 21, 30, 3), np.float32)
    found = likeness(first, second, encode, 8)
    assert found.shape == (6, 8)
    for y, x in ((0, 0), (5, 7), (2, 3), (3, 6)):
        a, b = (picture[4 * y, 4 * x, :2] - 0.5 for picture in (first, second))
        assert found[y, x] == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b), abs=1e-5)
    np.testing.assert_allclose(likeness(first, first, encode, 8), 1, atol=1e-5)


def test_pictures_of_two_sizes_are_not_compared():
    with pytest.raises(InvalidInput, match="of one size"):
        likeness(np.zeros((4, 4, 3), np.float32), np.zeros((4, 5, 3), np.float32), encode, 8)
