import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourfold.core.errors import InvalidInput, RuntimeFailure
from fourfold.engines import tensors


def photo(batch: int = 2, side: int = 16) -> np.ndarray:
    return np.random.default_rng(0).random((batch, 3, side, side), dtype=np.float32)


def enlarged(tiles: np.ndarray) -> np.ndarray:
    return tiles.repeat(4, axis=2).repeat(4, axis=3)


def test_levels_round_clamp_and_put_channels_last() -> None:
    answer = np.array([-0.2, 0, 0.5 / 255 + 1e-6, 1.49 / 255, 1, 1.7], np.float32).reshape(1, 3, 2, 1)
    assert tensors.levels(answer).tolist() == [[[[0, 1, 255]], [[0, 1, 255]]]]


@pytest.mark.parametrize("shape", [(3, 16, 16), (1, 1, 16, 16), (1, 3, 16, 15), (0, 3, 16, 16)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidInput, match="expected tiles of shape B×3×16×16"):
        tensors.batch(np.zeros(shape, np.float32), (16, 16))


@given(st.floats(0, 1, width=32), st.integers(1, 20))
def test_a_flat_tile_may_have_a_flat_answer(value: float, side: int) -> None:
    tiles = np.full((1, 3, side, side), value, np.float32)
    answer = enlarged(tiles)
    tensors.check_values(tiles, answer, "engine")
    tensors.check_levels(tiles, tensors.levels(answer.copy()), answer.mean(axis=(1, 2, 3)), "engine")


def test_a_good_answer_passes() -> None:
    answer = enlarged(photo())
    tensors.check_values(photo(), answer, "engine")
    tensors.check_levels(photo(), tensors.levels(answer.copy()), answer.mean(axis=(1, 2, 3)), "engine")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_value_that_is_no_number_is_noticed(value: float) -> None:
    answer = enlarged(photo())
    answer[1, 2, 61, 3] = value
    with pytest.raises(RuntimeFailure, match="engine answered with NaN or infinity"):
        tensors.check_values(photo(), answer, "engine")
    with pytest.raises(RuntimeFailure, match="engine answered with NaN or infinity"):
        tensors.check_levels(photo(), np.zeros((2, 64, 64, 3), np.uint8), answer.mean(axis=(1, 2, 3)), "engine")


def test_values_of_another_range_are_noticed() -> None:
    answer = enlarged(photo())
    answer[1] *= 255
    with pytest.raises(RuntimeFailure, match="mean differs by"):
        tensors.check_values(photo(), answer, "engine")
    with pytest.raises(RuntimeFailure, match="mean differs by"):
        tensors.check_levels(photo(), tensors.levels(answer.copy()), answer.mean(axis=(1, 2, 3)), "engine")


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_one_tile_of_one_colour_is_noticed(level: float) -> None:
    good, answer = enlarged(photo()), enlarged(photo())
    answer[1] = level
    with pytest.raises(RuntimeFailure, match=r"one constant colour|mean differs"):
        tensors.check_values(photo(), answer, "engine")
    with pytest.raises(RuntimeFailure, match="one constant colour"):
        tensors.check_levels(photo(), tensors.levels(answer), good.mean(axis=(1, 2, 3)), "engine")


def test_a_white_wall_must_not_come_out_black() -> None:
    tiles = np.ones((1, 3, 8, 8), np.float32)
    with pytest.raises(RuntimeFailure, match="one constant colour"):
        tensors.check_levels(tiles, np.zeros((1, 32, 32, 3), np.uint8), np.ones(1, np.float32), "engine")


@pytest.mark.parametrize("period", [2, 3, 4, 5])
def test_a_regular_pattern_that_is_smoothed_passes(period: int) -> None:
    tiles = np.zeros((1, 3, 60, 60), np.float32)
    tiles[:, :, ::period, ::period] = 1
    answer = np.full((1, 3, 240, 240), tiles.mean(), np.float32)
    answer[..., 0] += 0.01
    answer[..., 2::4, 2::4] += 0.01 * tiles
    tensors.check_values(tiles, answer, "engine")
    tensors.check_levels(tiles, tensors.levels(answer.copy()), answer.mean(axis=(1, 2, 3)), "engine")
