import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fourfold.core.errors import InvalidInput
from fourfold.imaging import resize
from fourfold.imaging.resize import Resizer, bicubic, shares

sides = st.integers(1, 70)


@pytest.mark.parametrize("name", ["Set5", "Set14", "BSD100"])
def test_shrinking_reproduces_the_benchmarks_small_pictures(shared, name):
    folder = shared / "data" / "benchmark" / name
    names = sorted(p.name for p in (folder / "HR").iterdir())
    assert names
    for file in names:
        with Image.open(folder / "HR" / file) as large, Image.open(folder / "LRx4" / file) as small:
            high, low = np.array(large), np.array(small)
        made = bicubic(high, low.shape[:2])
        assert np.abs(made.astype(int) - low.astype(int)).max() <= 1, file


@given(st.tuples(sides, sides), st.tuples(sides, sides), st.integers(1, 70))
@settings(max_examples=100, deadline=None)
def test_bands_give_the_same_as_the_whole(size, target, rows):
    image = np.random.default_rng(1).random((*size, 3))
    resizer = Resizer(size, target)
    bands = [resizer.push(image[top : top + rows]) for top in range(0, size[0], rows)]
    np.testing.assert_allclose(np.concatenate(bands), bicubic(image, target), atol=1e-12)


@given(st.tuples(sides, sides), st.tuples(sides, sides), st.tuples(sides, sides), st.integers(1, 70))
@settings(max_examples=50, deadline=None)
def test_going_through_another_size_is_going_there_first(size, through, target, rows):
    image = np.random.default_rng(1).random((*size, 2))
    resizer = Resizer(size, target, through=through)
    bands = [resizer.push(image[top : top + rows]) for top in range(0, size[0], rows)]
    np.testing.assert_allclose(np.concatenate(bands), bicubic(bicubic(image, through), target), atol=1e-12)


@pytest.mark.parametrize(
    ("size", "through", "target", "inverse"),
    [(400, None, 100, False), (270, None, 480, False), (90, 360, 90, False), (90, 360, 90, True)],
)
def test_repeating_weights_are_those_worked_out_one_by_one(monkeypatch, size, through, target, inverse):
    """Away from the borders one small matrix is used over and over where sizes share a factor."""
    image = np.random.default_rng(1).random((size, 40))
    way = {"through": through and (through, 40), "inverse": inverse}
    made = Resizer(image.shape, (target, 40), **way).push(image)
    resize._blocks.cache_clear()
    monkeypatch.setattr(resize, "_LONGEST", 0)
    alone = Resizer(image.shape, (target, 40), **way).push(image)
    resize._blocks.cache_clear()
    np.testing.assert_allclose(made, alone, atol=1e-7)


@given(st.tuples(sides, sides), st.floats(1, 8), st.integers(1, 70))
@settings(max_examples=50, deadline=None)
def test_the_way_there_and_back_can_be_undone(size, scale, rows):
    image = np.random.default_rng(1).random((*size, 2))
    through = round(size[0] * scale), round(size[1] * scale)
    blurred = bicubic(bicubic(image, through), size)
    resizer = Resizer(size, size, through=through, inverse=True)
    bands = [resizer.push(blurred[top : top + rows]) for top in range(0, size[0], rows)]
    np.testing.assert_allclose(np.concatenate(bands), image, atol=1e-4)


@given(sides, st.floats(1, 8))
def test_shrinking_is_the_transpose_of_enlarging_over_the_shares(length, scale):
    target = round(length * scale)
    enlarge, shrink = bicubic(np.eye(length), (target, length)), bicubic(np.eye(target), (length, target))
    np.testing.assert_allclose(shares(length, target)[:, None] * shrink, enlarge.T, atol=1e-12)


@given(st.tuples(sides, sides), st.tuples(sides, sides))
@settings(max_examples=50, deadline=None)
def test_the_order_of_the_axes_changes_nothing_without_rounding(size, target):
    image = np.random.default_rng(1).random((*size, 3))
    resizer = Resizer(size, target, rounding=False)
    np.testing.assert_allclose(resizer.push(image), bicubic(image, target), atol=1e-12)
    levels = (image * 255).astype(np.uint8)
    made = Resizer(size, target, rounding=False).push(levels)
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, bicubic(levels.astype(np.float32), target), atol=1e-3)


@given(st.tuples(sides, sides), st.tuples(sides, sides))
@settings(max_examples=50, deadline=None)
def test_channels_do_not_touch_each_other(size, target):
    image = np.random.default_rng(1).random((*size, 3))
    alone = np.stack([bicubic(image[..., channel], target) for channel in range(3)], axis=2)
    np.testing.assert_allclose(bicubic(image, target), alone, atol=1e-12)


@given(st.tuples(sides, sides), st.tuples(sides, sides))
@settings(max_examples=50, deadline=None)
def test_a_constant_picture_stays_constant(size, target):
    assert (bicubic(np.full(size, 77, np.uint8), target) == 77).all()


def test_turning_commutes_with_resizing_by_one_scale():
    image = np.random.default_rng(2).random((24, 24))
    np.testing.assert_allclose(bicubic(image, (9, 9)).T, bicubic(image.T.copy(), (9, 9)), atol=1e-12)


def test_kernel_values_of_a_single_bright_pixel():
    # Keys' cubic with a = -0.5 sampled at quarters: doubling an impulse reads it at distances 0.25, 0.75, 1.25, 1.75
    image = np.zeros((1, 9))
    image[0, 4] = 1
    row = bicubic(image, (1, 18))[0]
    half = [-0.0234375, -0.0703125, 0.2265625, 0.8671875]
    np.testing.assert_allclose(row[5:13], [*half, *half[::-1]])


def test_sixteen_bits_keep_their_levels():
    image = (np.linspace(0, 65535, 64 * 64).reshape(64, 64)).astype(np.uint16)
    back = bicubic(bicubic(image, (256, 256)), (64, 64))
    assert back.dtype == np.uint16
    assert np.abs(back.astype(int) - image).max() < 200


@pytest.mark.parametrize("shape", [(0, 4), (4, 4, 3, 1), (4,)])
def test_refuses_what_is_no_picture(shape):
    with pytest.raises(InvalidInput, match="H×W"):
        bicubic(np.zeros(shape), (2, 2))


def test_refuses_an_empty_target():
    with pytest.raises(InvalidInput, match="at least 1×1"):
        bicubic(np.zeros((4, 4)), (0, 2))
