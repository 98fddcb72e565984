"""Joint bilateral upsampling without a network."""

import numpy as np
import pytest

from fourfold.core.errors import InvalidInput
from fourfold.methods.guided import joint_bilateral


def test_a_mask_follows_the_edge_of_the_photo_and_not_that_of_its_cells():
    photo = np.zeros((64, 96, 3), np.float32)
    photo[:, 43:] = 0.8  # inside a cell of 16 pixels: that of columns 32 to 47
    mask = np.zeros((4, 6), np.float32)
    mask[:, 3:] = 1
    mask[:, 2] = 0.3
    found = joint_bilateral(mask, photo)
    assert found.shape == (64, 96)
    step = np.abs(np.diff(found[32]))
    assert step.argmax() == 42
    assert step[42] > 4 * np.delete(step, 42).max()


def test_a_constant_stays_and_nothing_leaves_the_range():
    rng = np.random.default_rng(1)
    photo = rng.random((30, 50, 3), np.float32)
    np.testing.assert_allclose(joint_bilateral(np.full((3, 5), 0.7, np.float32), photo), 0.7, rtol=1e-5)
    values = rng.random((3, 5), np.float32)
    found = joint_bilateral(values, photo)
    assert values.min() <= found.min()
    assert found.max() <= values.max()


def test_without_edges_it_is_smooth_and_mirrors_with_the_map():
    values = np.random.default_rng(2).random((4, 4), np.float32)
    flat = np.full((40, 40, 1), 0.5, np.float32)
    found = joint_bilateral(values, flat)
    assert np.abs(np.diff(found, axis=0)).max() < 0.25
    np.testing.assert_allclose(joint_bilateral(values[::-1], flat), found[::-1], atol=2e-2)


@pytest.mark.parametrize(("values", "photo"), [((8, 8), (4, 8, 3)), ((2, 2, 1), (4, 8, 3)), ((2, 2), (4, 8))])
def test_shapes_that_do_not_belong_together_are_refused(values, photo):
    with pytest.raises(InvalidInput, match="expected a map"):
        joint_bilateral(np.zeros(values, np.float32), np.zeros(photo, np.float32))
