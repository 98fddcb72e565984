"""Photos in known conditions as the recogniser sees them: what it is trained on, and what it is tested on."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from fourfold.imaging.traces import COUNT, SIDE, traces, windows
from fourfold.methods.condition import KINDS, PROMPTS, Kind
from fourfold.networks.two_tower import TraceTower, TwoTower, of_traces
from fourfold.training import data
from fourfold.training.damage import Family, Picture, sample
from fourfold.training.pictures import Pictures
from fourfold.training.recipe import TowerRecipe

HELD_OUT_EVERY = 3
"""Of the sorted photos, every third is never trained on."""

PHRASES: Mapping[Kind, tuple[str, ...]] = MappingProxyType(
    {
        "sharp": (PROMPTS["sharp"], "a clean photo", "a crisp picture", "a clear image", "a very sharp image"),
        "motion-blurred": (
            PROMPTS["motion-blurred"],
            "a photo blurred by motion",
            "a shaken photo",
            "a blurry picture",
        ),
        "noisy": (PROMPTS["noisy"], "a grainy photo", "a photo with noise", "an image with grain"),
        "compressed": (PROMPTS["compressed"], "a strongly compressed image", "a photo with jpeg artefacts"),
        "enlarged": (PROMPTS["enlarged"], "a small picture enlarged", "a tiny image upscaled", "an enlarged photo"),
    }
)
"""What each condition may be called; the first is what the product asks for."""


def split(folders: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Photos to train on, and photos held out."""
    return data.split_all(folders, HELD_OUT_EVERY)


def read(paths: Sequence[Path]) -> list[Picture]:
    """Decode photos, ``H×W×3`` each."""

    def one(path: Path) -> Picture:
        with Image.open(path) as photo:
            return np.asarray(photo.convert("RGB"))

    with ThreadPoolExecutor() as pool:
        return list(pool.map(one, paths))


def network(recipe: TowerRecipe, seen: Pictures) -> TwoTower:
    """A network with random weights that knows how traces are distributed."""
    made = of_traces(COUNT, recipe.width, recipe.features)
    tower = made.image
    assert isinstance(tower, TraceTower)
    tower.mean.copy_(seen.images.mean((0, 1)))
    tower.deviation.copy_(seen.images.std((0, 1)) + 1e-3)
    return made


def training_set(folders: Sequence[Path], recipe: TowerRecipe) -> Pictures:
    """Samples of the photos that are not held out, classes in turns, each as the traces in four windows."""
    photos = read(split(folders)[0])

    def one(number: int) -> NDArray[np.float32]:
        rng = np.random.default_rng([recipe.seed, number])
        photo = photos[rng.integers(len(photos))]
        return traces(windows(sample(photo, KINDS[number % len(KINDS)], "seen", rng, side=3 * SIDE), 4))

    return _pictures(one, recipe.samples)


def held_out_set(folders: Sequence[Path], family: Family = "seen", seed: int = 0) -> Pictures:
    """Every held-out photo in every condition, as the recogniser sees photos: the traces in sixteen windows."""
    photos = read(split(folders)[1])

    def one(number: int) -> NDArray[np.float32]:
        place, kind = divmod(number, len(KINDS))
        return traces(windows(sample(photos[place], KINDS[kind], family, np.random.default_rng([seed, place, kind]))))

    return _pictures(one, len(photos) * len(KINDS))


def varied(images: Tensor, _generator: torch.Generator) -> Tensor:
    """Traces as they are: they are the same however a photo is turned."""
    return images


def _pictures(one: Callable[[int], NDArray[np.float32]], count: int) -> Pictures:
    with ThreadPoolExecutor() as pool:
        made = np.stack(list(pool.map(one, range(count))))
    return Pictures(torch.from_numpy(made), torch.arange(count) % len(KINDS))
