import numpy as np
import pytest

from fourfold.core.contract import Floats
from fourfold.core.errors import RuntimeFailure
from fourfold.engines.fake import FakeRunner
from fourfold.engines.guard import Guarded

TILES = np.random.default_rng(0).random((1, 3, 8, 8), dtype=np.float32)


class Broken(FakeRunner):
    """Answers with NaN, as an engine on a faulty driver does."""

    def __call__(self, tiles: Floats) -> Floats:
        return super().__call__(tiles * np.nan)


def test_a_good_runner_needs_no_fallback() -> None:
    guarded = Guarded(FakeRunner(4, (8, 8)), lambda: pytest.fail("not needed"))
    assert guarded.levels(TILES).shape == (1, 32, 32, 3)
    assert (guarded.runtime, guarded.precision, guarded.tile, guarded.reruns) == ("fake", "fp32", (8, 8), 0)


def test_the_fallback_repeats_each_failed_batch_and_is_loaded_once() -> None:
    loaded = []

    def fallback() -> FakeRunner:
        loaded.append(FakeRunner(4, (8, 8)))
        return loaded[-1]

    guarded = Guarded(Broken(4, (8, 8)), fallback)
    assert np.array_equal(guarded(TILES), FakeRunner(4, (8, 8))(TILES))
    assert np.array_equal(guarded.levels(TILES), FakeRunner(4, (8, 8)).levels(TILES))
    assert (len(loaded), guarded.reruns) == (1, 2)


@pytest.mark.parametrize("fallback", [None, lambda: Broken(4, (8, 8))])
def test_without_a_good_engine_it_fails_loudly(fallback: object) -> None:
    guarded = Guarded(Broken(4, (8, 8)), fallback)
    for answer in (guarded, guarded.levels):
        with pytest.raises(RuntimeFailure, match="NaN or infinity") as caught:
            answer(TILES)
        assert caught.value.exit_code == 5
