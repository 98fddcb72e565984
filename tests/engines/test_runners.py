import numpy as np
import pytest

from fourfold import engines
from fourfold.catalog import load
from fourfold.catalog.card import SizeRule
from fourfold.core.contract import Runner
from fourfold.core.errors import InvalidInput, ModelError, RuntimeFailure
from fourfold.engines import choose, fake, onnxruntime, pytorch

CARD = load.all_cards()[0]
ENGINES = [*choose.installed(), "pytorch", "fake"]
ROUNDING = 16 * np.finfo(np.float32).eps
"""What values near 1 may differ by where an engine sums in another order."""

TILES = np.random.default_rng(1).random((3, 3, 24, 16), dtype=np.float32)


@pytest.fixture(params=ENGINES)
def runner(request: pytest.FixtureRequest) -> Runner:
    return engines.load(CARD, runtime=request.param, tile=(24, 16), threads=1)


def test_facts(runner: Runner) -> None:
    assert runner.runtime in ENGINES
    assert runner.precision in {"fp32", "bf16"}
    assert runner.tile == (24, 16)


def test_a_batch_is_its_tiles_one_by_one(runner: Runner) -> None:
    values, levels = runner(TILES), runner.levels(TILES)
    assert values.shape == (3, 3, 96, 64)
    assert (levels.shape, levels.dtype) == ((3, 96, 64, 3), np.uint8)
    for index in range(3):
        assert np.abs(runner(TILES[index : index + 1])[0] - values[index]).max() < ROUNDING
        alone = runner.levels(TILES[index : index + 1])[0]
        assert np.abs(alone.astype(int) - levels[index]).max() <= 1
        assert (alone != levels[index]).mean() < 0.001


def test_answers_are_not_overwritten_by_the_next(runner: Runner) -> None:
    values, levels = runner(TILES), runner.levels(TILES)
    kept = values.copy(), levels.copy()
    runner(1 - TILES)
    runner.levels(1 - TILES)
    assert np.array_equal(values, kept[0])
    assert np.array_equal(levels, kept[1])


def test_the_input_is_left_alone_and_may_be_any_view(runner: Runner) -> None:
    wide = np.random.default_rng(2).random((1, 24, 32, 3), dtype=np.float32)
    view = wide.transpose(0, 3, 1, 2)[..., ::2]
    before = wide.copy()
    assert np.array_equal(runner(view), runner(np.ascontiguousarray(view)))
    assert np.array_equal(wide, before)


def test_levels_are_the_values_rounded_and_clamped(runner: Runner) -> None:
    tiles = TILES * 1.6 - 0.3
    values = np.clip(runner(tiles) * 255, 0, 255).transpose(0, 2, 3, 1)
    assert np.abs(values - runner.levels(tiles)).max() < 0.501


def test_another_shape_is_refused(runner: Runner) -> None:
    with pytest.raises(InvalidInput, match="expected tiles of shape B×3×24×16"):
        runner(TILES.transpose(0, 1, 3, 2))


def test_nan_never_leaves_an_engine(runner: Runner) -> None:
    broken = TILES.copy()
    broken[2, 1, 5, 5] = np.nan
    with pytest.raises(RuntimeFailure, match="NaN or infinity"):
        runner(broken)
    with pytest.raises(RuntimeFailure, match="NaN or infinity"):
        runner.levels(broken)


@pytest.mark.parametrize("runtime", ["onnxruntime", "pytorch"])
def test_a_precision_the_engine_lacks_is_refused(runtime: engines.Runtime) -> None:
    with pytest.raises((InvalidInput, RuntimeFailure), match="fp32"):
        engines.load(CARD, runtime=runtime, tile=(8, 8), precision="bf16")


def test_a_tile_the_network_refuses_is_refused_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SizeRule, "padded", lambda _, side: side + side % 2)
    with pytest.raises(InvalidInput, match="got 8×9"):
        engines.load(CARD, runtime="fake", tile=(8, 9))


def test_a_damaged_model_is_a_failure_of_the_engine() -> None:
    with pytest.raises(RuntimeFailure, match="cannot load the model"):
        onnxruntime.OnnxRunner(b"no model", 4, (8, 8), 1)
    openvino = pytest.importorskip("fourfold.engines.openvino")
    with pytest.raises(RuntimeFailure, match="cannot compile the model"):
        openvino.OpenVinoRunner(b"no model", (8, 8), 1, "auto")


@pytest.mark.parametrize("threads", [1, 2])
def test_openvino_gives_the_same_for_two_tiles_at_a_time(threads: int) -> None:
    pytest.importorskip("openvino")
    tiles = np.random.default_rng(3).random((3, 3, 48, 64), dtype=np.float32)
    runner = engines.load(load.card("fourfold-little-x4"), runtime="openvino", tile=(48, 64), threads=threads)
    alone = [runner.levels(tiles[number : number + 1])[0] for number in range(len(tiles))]
    np.testing.assert_array_equal(runner.levels(tiles), np.stack(alone))


def test_fake_repeats_pixels() -> None:
    answer = fake.FakeRunner(4, (24, 16))(TILES)
    assert np.array_equal(answer[:, :, ::4, 3::4], TILES)


def test_weights_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ModelError, match="somewhere: the weights do not fit"):
        pytorch.fill(pytorch.build(CARD.network), {}, "somewhere")
