"""Handwritten digits: MNIST to train on, and scikit-learn's 8×8 digits, by other writers, to adapt to."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fourfold.methods.adapt import Adaptation, Tuned, Tuning
from fourfold.networks.two_tower import TwoTower, of_pictures
from fourfold.training import adaptation
from fourfold.training.adaptation import LARGEST_SCALE, Gained
from fourfold.training.pictures import Pictures
from fourfold.training.recipe import TowerRecipe
from fourfold.training.towers import train

CLASSES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

PHRASES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        name: (f"a photo of a {name}", f"the digit {name}", f"a handwritten {name}", f"the number {name}")
        for name in CLASSES
    }
)
"""What each digit may be called; the first is what is asked for."""


def network(recipe: TowerRecipe, _seen: Pictures) -> TwoTower:
    """Convolutions with random weights."""
    return of_pictures(1, recipe.width, recipe.features)


def training_set(folders: Sequence[Path], recipe: TowerRecipe) -> Pictures:
    """``samples`` training digits of ``mnist_12k.npz``."""
    return _mnist(folders, "train", recipe.samples)


def held_out_set(folders: Sequence[Path]) -> Pictures:
    """The test digits of ``mnist_12k.npz``."""
    return _mnist(folders, "test", 2_000)


PASSES: Mapping[Tuned, int] = MappingProxyType({"prompt": 24, "model": 12})
_RATES: Mapping[Tuned, float] = MappingProxyType({"prompt": 1.0, "model": 0.01})


def tuning_of(tuned: Tuned, seed: int) -> Tuning:
    """How a digits network is adapted: the paper's weights, and rates for a network of this size."""
    return Tuning(tuned, rate=_RATES[tuned], largest_scale=LARGEST_SCALE, seed=seed)


def gain(folder: Path, runs: Path, tuned: Tuned, seed: int) -> Gained:
    """What adapting the network of a seed to ``target`` gains; it is trained first, unless ``runs`` has it already."""
    from fourfold.training.recipes.digits import recipe

    state = torch.load(train(recipe.override(f"seed={seed}"), [folder], runs / f"digits-{seed}"), weights_only=True)
    model = of_pictures(1, recipe.width, recipe.features)
    model.load_state_dict(state)
    tuning = tuning_of(tuned, seed)
    return adaptation.gain(Adaptation(model, CLASSES, tuning), target(), tuning, PASSES[tuned])


def varied(images: Tensor, generator: torch.Generator) -> Tensor:
    """A batch, each digit turned by up to 15 degrees, slanted, resized by up to a quarter and moved by two pixels."""

    def drawn(most: float) -> Tensor:
        return most * (2 * torch.rand(len(images), generator=generator) - 1)

    flat = images.flatten(1, 2)
    turn, slant, wide, high = drawn(0.26), drawn(0.3), 1 + drawn(0.25), 1 + drawn(0.25)
    rows = torch.stack(
        [wide * turn.cos(), slant - turn.sin(), drawn(2 / 14), turn.sin(), high * turn.cos(), drawn(2 / 14)]
    )
    grid = F.affine_grid(rows.T.reshape(-1, 2, 3), [*flat.shape], align_corners=False)
    return F.grid_sample(flat, grid, align_corners=False)[:, None]


def target() -> Pictures:
    """The 1,797 digits of scikit-learn (UCI, 8×8 pixels of 17 levels), enlarged to MNIST's 20×20 in 28×28 pixels."""
    from sklearn.datasets import load_digits

    stored = load_digits()
    small = torch.from_numpy(stored.images.astype(np.float32))[:, None] / 16
    large = F.interpolate(small, (20, 20), mode="bicubic", align_corners=False).clamp(0, 1)
    return Pictures(F.pad(large, (4, 4, 4, 4))[:, None], torch.from_numpy(stored.target))


def _mnist(folders: Sequence[Path], part: str, count: int) -> Pictures:
    with np.load(folders[0] / "mnist_12k.npz") as stored:
        images, labels = stored[f"{part}_images"], stored[f"{part}_labels"]
    every = max(1, len(labels) // count)
    images, labels = images[::every][:count], labels[::every][:count]
    return Pictures(torch.from_numpy(images)[:, None, None].float() / 255, torch.from_numpy(labels.astype(np.int64)))
