"""Two-tower networks: what they are trained on, and that adapting never sees a label."""

import numpy as np
import pytest
import skimage.data
import torch

from fourfold.methods.adapt import Adaptation
from fourfold.methods.condition import KINDS, PROMPTS
from fourfold.networks.two_tower import of_pictures
from fourfold.training import adaptation, conditions, damage, digits, recogniser
from fourfold.training.pictures import Pictures


@pytest.fixture(scope="module")
def photo():
    return skimage.data.astronaut()


@pytest.mark.parametrize("family", ["seen", "shifted"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_is_decided_by_its_seed(photo, family, kind):
    first, again, other = (
        damage.sample(photo, kind, family, np.random.default_rng(seed), side=96) for seed in (1, 1, 2)
    )
    assert first.shape == (96, 96, 3)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_move_blurs_along_its_way_and_keeps_the_light(photo):
    part = np.random.default_rng(4).integers(0, 256, (96, 96, 3), np.uint8)
    way = np.stack([np.zeros(96), np.linspace(-8, 8, 96)], axis=1)
    moved = damage._motion_blur(part, way).astype(float)
    along, across = (np.abs(np.diff(moved, axis=axis)).mean() for axis in (1, 0))
    assert along < 0.3 * across
    still = damage._motion_blur(photo[:96, 100:196], np.zeros((3, 2)))
    assert np.abs(still.astype(int) - photo[:96, 100:196]).max() <= 1
    light = [((one / 255.0) ** 2.2).mean() for one in (moved, part)]
    assert light[0] == pytest.approx(light[1], rel=0.02)


def test_photos_held_out_are_every_third_and_never_trained_on(tmp_path):
    for number in range(7):
        (tmp_path / f"{number}.png").touch()
    trained, held = conditions.split([tmp_path])
    assert [path.stem for path in held] == ["2", "5"]
    assert not set(trained) & set(held)


def test_the_product_asks_with_the_first_phrase_of_each_condition():
    assert [some[0] for some in conditions.PHRASES.values()] == [*PROMPTS.values()]
    assert [f"{recogniser.CONTEXT} {name}" for name in recogniser.CLASSES] == [*PROMPTS.values()]


def test_the_target_digits_are_as_mnists_lie():
    target = digits.target()
    assert target.images.shape == (1797, 1, 1, 28, 28)
    assert 0 <= target.images.min() < target.images.max() <= 1
    assert (target.images[..., :4, :] == 0).all()


def adapted(pictures, tuned, passes=2):
    torch.manual_seed(0)
    model = of_pictures(1, 4, 8)
    tuning = digits.tuning_of(tuned, seed=1)
    made = Adaptation(model, digits.CLASSES, tuning)
    return adaptation.gain(made, pictures, tuning, passes), made.state()


@pytest.mark.parametrize("tuned", ["model", "prompt"])
def test_shuffled_labels_change_nothing_but_what_is_counted(tuned):
    target = digits.target()
    some = Pictures(target.images[:200], target.labels[:200])
    shuffled = Pictures(some.images, some.labels[torch.randperm(200, generator=torch.Generator().manual_seed(3))])
    (_, first), (_, second) = (adapted(pictures, tuned) for pictures in (some, shuffled))
    for key, value in first["network"].items():
        assert torch.equal(value, second["network"][key]), key
    assert first["steps"] == second["steps"] == 4
    if tuned == "prompt":
        assert torch.equal(first["context"], second["context"])


def test_the_headline_is_the_last_pass_and_the_oracle_stands_apart():
    target = digits.target()
    (before, last, oracle), _ = adapted(Pictures(target.images[:96], target.labels[:96]), "model", passes=3)
    assert oracle >= max(before, last)
