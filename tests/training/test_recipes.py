import json
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fourfold.core.errors import InvalidInput
from fourfold.networks.upscaler import Upscaler
from fourfold.training import data, loop, losses, recipes
from fourfold.training.recipe import Recipe

NAMES = sorted(p.stem for p in Path(recipes.__file__).parent.glob("[a-z]*.py"))


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(7)
    for number in range(25):
        Image.fromarray(rng.integers(0, 256, (90, 101, 3), np.uint8)).save(folder / f"{number:02}.png")
    return folder


@pytest.fixture
def mnist(tmp_path):
    """A few digits in the form of MNIST's file."""
    rng = np.random.default_rng(9)
    folder = tmp_path / "digits"
    folder.mkdir()
    images, labels = rng.integers(0, 256, (60, 28, 28), np.uint8), np.arange(60, dtype=np.uint8) % 10
    names = ("train_images", "train_labels", "test_images", "test_labels")
    np.savez(folder / "mnist_12k.npz", **dict(zip(names, (images, labels, images, labels), strict=True)))
    return folder


@pytest.fixture
def pairs(tmp_path):
    """Blurry and sharp pictures as the GoPro set keeps them."""
    rng = np.random.default_rng(8)
    for scene in ("train/one", "train/two", "test/three"):
        for kind in ("blur", "sharp"):
            folder = tmp_path / "pairs" / scene / kind
            folder.mkdir(parents=True)
            for number in range(2):
                Image.fromarray(rng.integers(0, 256, (50, 60, 3), np.uint8)).save(folder / f"{number}.png")
    return tmp_path / "pairs"


@pytest.mark.parametrize("name", NAMES)
def test_the_tiny_twin_trains_and_resumes_to_the_same_weights(name, photos, pairs, mnist, tmp_path, monkeypatch):
    module = import_module(f"fourfold.training.recipes.{name}")
    assert "Command:" in module.__doc__
    assert "Claim:" in module.__doc__
    recipe = module.tiny()
    loop = import_module(f"fourfold.training.{recipe.loop}")
    photos = {"pairs": pairs, "digits": mnist}.get(getattr(recipe, "data", ""), photos)
    whole = torch.load(loop.train(recipe, photos, tmp_path / "whole"), weights_only=True)

    class Stop(Exception):
        pass

    validate = loop.validate

    def stop(*arguments):
        if (tmp_path / "parts" / "state.pt").exists():
            raise Stop
        return validate(*arguments)

    monkeypatch.setattr(loop, "validate", stop)
    with pytest.raises(Stop):
        loop.train(recipe, photos, tmp_path / "parts")
    monkeypatch.undo()
    parts = torch.load(loop.train(recipe, photos, tmp_path / "parts"), weights_only=True)
    assert whole.keys() == parts.keys()
    for key in whole:
        torch.testing.assert_close(whole[key], parts[key], rtol=1e-4, atol=1e-5)
    steps = [json.loads(line)["step"] for line in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()]
    assert steps[-1] == recipe.steps


def test_held_out_photos_are_never_trained_on(photos):
    train, held = data.split(photos)
    assert len(held) == 1
    assert not set(train) & set(held)
    assert len(train) + len(held) == 25


def test_photos_are_found_whatever_a_camera_calls_them(tmp_path):
    with pytest.raises(InvalidInput, match="expected photos"):
        data.split(tmp_path)
    for name in ("IMG_1.JPG", "IMG_2.jpeg", "a.Png", "b.webp", "c.avif", "notes.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in data.split(tmp_path)[0]] == ["IMG_1.JPG", "IMG_2.jpeg", "a.Png", "b.webp", "c.avif"]


def test_photos_smaller_than_the_patch_are_left_out(photos):
    Image.new("RGB", (200, 40)).save(photos / "00.png")
    paths = sorted(photos.iterdir())
    assert len(data.read_pairs(paths, 22)) == 24
    with pytest.raises(InvalidInput, match="at least 92×92 pixels, none of 25"):
        data.read_pairs(paths, 23)


def test_patches_are_aligned(photos):
    pair = data.read_pairs(data.split(photos)[0][:1])[0]
    assert pair.high.shape == (88, 100, 3)
    number = np.arange(22 * 25, dtype=np.int64).reshape(22, 25, 1) % 251
    marked = data.Pair(
        number.repeat(4, 0).repeat(4, 1).repeat(3, 2).astype(np.uint8), number.repeat(3, 2).astype(np.uint8)
    )
    low, high = data.batch([marked], 16, 8, np.random.default_rng(1))
    assert low.shape == (16, 3, 8, 8)
    np.testing.assert_array_equal(low.repeat(4, 2).repeat(4, 3), high)


def test_learning_rate_warms_up_and_falls_to_its_end():
    recipe = Recipe("x", steps=1000, warmup=100, lr=1e-3, lr_end=1e-6)
    rates = [loop.learning_rate(recipe, step) for step in (0, 49, 99, 100, 550, 1000)]
    np.testing.assert_allclose(rates, [1e-5, 5e-4, 1e-3, 1e-3, 5.005e-4, 1e-6], rtol=1e-6)


def test_settings_are_strict():
    recipe = Recipe("x").override("steps=7", "lr=0.5")
    assert (recipe.steps, recipe.lr) == (7, 0.5)
    with pytest.raises(InvalidInput, match="KEY=VALUE"):
        recipe.override("step=7")
    with pytest.raises(InvalidInput, match="steps as int"):
        recipe.override("steps=many")


def test_loss_values():
    zero, one = torch.zeros(1, 3, 2, 2), torch.ones(1, 3, 2, 2)
    assert losses.reconstruction(one, zero, 0.0, squared=True).item() == pytest.approx(1)
    assert losses.reconstruction(one, zero, 2.0, squared=True).item() == pytest.approx(1 + 2 * 1.0, rel=1e-4)
    assert losses.reconstruction(zero, zero, 1.0, squared=False).item() == pytest.approx(2e-3)
    green = torch.zeros(1, 3, 2, 2)
    green[:, 1] = 1
    assert losses.reconstruction(green, zero, 1.0, squared=True).item() == pytest.approx(1 / 3 + (128.553 / 219) ** 2)


def test_collapsing_keeps_the_function():
    torch.manual_seed(0)
    network = Upscaler(8, 3, expansion=4)
    for parameter in network.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    x = torch.rand(2, 3, 17, 9)
    with torch.no_grad():
        torch.testing.assert_close(network.collapse()(x), network(x), rtol=1e-5, atol=1e-5)


def test_a_silent_last_layer_is_nearest_neighbour():
    network = Upscaler(8, 1)
    torch.nn.init.zeros_(network.convs[-1].weight)
    torch.nn.init.zeros_(network.convs[-1].bias)
    x = torch.rand(1, 3, 5, 7)
    torch.testing.assert_close(network(x), x.repeat_interleave(4, 2).repeat_interleave(4, 3))
