"""Photos in known conditions, seeded: what the recogniser is trained on, and families of damage that it has not seen.

A sample is the same for the same photo, condition, family and generator. Every condition may also be a little soft and
stored as a good JPEG, so that neither tells anything.
"""

import io
import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from fourfold.catalog import load as catalog
from fourfold.convert.export import rounded
from fourfold.convert.tower import to_onnx
from fourfold.core.options import AdaptOptions
from fourfold.engines import weights
from fourfold.engines.pytorch import build, fill
from fourfold.imaging import degrade
from fourfold.imaging.traces import COUNT, SIDE, traces, windows
from fourfold.methods.adapt import Adaptation, Tuned, Tuning
from fourfold.methods.condition import KINDS, PROMPTS, Kind, dominant
from fourfold.networks.two_tower import TraceTower, TwoTower, of_traces
from fourfold.training import adaptation as adapting
from fourfold.training import data
from fourfold.training.adaptation import LARGEST_SCALE, Gained, adapt, shares
from fourfold.training.pictures import Pictures
from fourfold.training.recipe import TowerRecipe

Picture = NDArray[np.uint8]
Family = Literal["seen", "shifted"]

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

CONTEXT = "a"
CLASSES = tuple(prompt.removeprefix("a ") for prompt in PROMPTS.values())
"""The prompts of the product, taken apart for adapting."""

_RATES: Mapping[Tuned, float] = MappingProxyType({"model": 3e-3, "prompt": 0.3})
_LEAST = 0.02  # of a prior: no condition is impossible
_CHOICES = 3  # parts of a photo of which the one with most contrast is taken: nothing can be said of a black sky
_LIGHT = (np.arange(256) / 255).astype(np.float32) ** np.float32(2.2)
_FILTERS = (Image.Resampling.BICUBIC, Image.Resampling.BILINEAR, Image.Resampling.LANCZOS)


def split(folder: Path) -> tuple[list[Path], list[Path]]:
    """Photos to train on, and photos held out."""
    return data.split(folder, HELD_OUT_EVERY)


def read(paths: Sequence[Path]) -> list[Picture]:
    """Decode photos, ``H×W×3`` each."""

    def one(path: Path) -> Picture:
        with Image.open(path) as photo:
            return np.asarray(photo.convert("RGB"))

    with ThreadPoolExecutor() as pool:
        return list(pool.map(one, paths))


def sample(photo: Picture, kind: Kind, family: Family, rng: np.random.Generator, side: int = 320) -> Picture:
    """A part of a photo, of at most ``side`` pixels a side, in a condition."""
    part = _part(photo, rng, side)
    if rng.random() < 0.5:
        part = degrade.gaussian_blur(part, sigma := rng.uniform(0.2, 0.8), sigma)
    spoiled: Picture = _WAYS[family][kind](part, rng)
    if kind != "compressed" and rng.random() < 0.6:
        spoiled = degrade.jpeg(spoiled, int(rng.integers(85, 98)), rng)
    return spoiled


def _part(photo: Picture, rng: np.random.Generator, side: int) -> Picture:
    """A square of the photo, seen from near or far."""
    wide = min(*photo.shape[:2], round(side * math.exp(rng.uniform(0, math.log(2.5)))))
    places = [[int(rng.integers(length - wide + 1)) for length in photo.shape[:2]] for _ in range(_CHOICES)]
    parts = [photo[y : y + wide, x : x + wide] for y, x in places]
    part = max(parts, key=lambda one: float(one[::4, ::4].std()))
    return part if wide <= side else _resized(part, (side, side), Image.Resampling.BICUBIC)


def network(recipe: TowerRecipe, seen: Pictures) -> TwoTower:
    """A network with random weights that knows how traces are distributed."""
    made = of_traces(COUNT, recipe.width, recipe.features)
    tower = made.image
    assert isinstance(tower, TraceTower)
    tower.mean.copy_(seen.images.mean((0, 1)))
    tower.deviation.copy_(seen.images.std((0, 1)) + 1e-3)
    return made


def training_set(folder: Path, recipe: TowerRecipe) -> Pictures:
    """Samples of the photos that are not held out, classes in turns, each as the traces in four windows."""
    photos = read(split(folder)[0])

    def one(number: int) -> NDArray[np.float32]:
        rng = np.random.default_rng([recipe.seed, number])
        photo = photos[rng.integers(len(photos))]
        return traces(windows(sample(photo, KINDS[number % len(KINDS)], "seen", rng, side=3 * SIDE), 4))

    return _pictures(one, recipe.samples)


@dataclass(frozen=True, eq=False)
class AdaptedRecogniser:
    """An adapted recogniser, and what it makes of the photos; ``before`` and ``after`` are N numbers of conditions."""

    model: bytes
    before: NDArray[np.int64]
    after: NDArray[np.int64]


def adapted(
    seen: NDArray[np.float32],
    options: AdaptOptions,
    saved: Path,
    watch: Callable[[int, int], None] = lambda _done, _all: None,
) -> AdaptedRecogniser:
    """The recogniser of the catalog, adapted to unlabelled photos; it goes on from ``saved`` if that is there.

    Args:
        seen: ``N×16×74`` traces of each photo; options: how; watch: called after every pass.
    """
    network, images = loaded(), torch.from_numpy(seen)
    first = Adaptation(network, CLASSES, Tuning(), CONTEXT)
    before = shares(first, images)
    found = before.mean(0).clamp(min=_LEAST)
    drawn = options.prior == "found" or (options.prior is None and dominant(before.argmax(1).numpy()) is not None)
    prior = found / found.sum() if drawn else None
    tuning = tuning_of(options.tune, options.seed)
    adaptation = Adaptation(network, CLASSES, tuning, CONTEXT, prior)
    adapt(adaptation, images, tuning, options.passes, saved, watch)
    network.load_state_dict(rounded(network.state_dict(), "the adapted recogniser"))
    model = to_onnx(network, adaptation.prototypes())
    return AdaptedRecogniser(model, before.argmax(1).numpy(), shares(adaptation, images).argmax(1).numpy())


def loaded() -> TwoTower:
    """The recogniser of the catalog as a network.

    Raises:
        ModelError: its weights are missing or damaged.
    """
    card = catalog.recogniser()
    network = build(card.network)
    assert isinstance(network, TwoTower)
    fill(network, {name: torch.from_numpy(value) for name, value in weights.state(card).items()}, card.id)
    return network


def tuning_of(tuned: Tuned, seed: int) -> Tuning:
    """How the recogniser is adapted: the paper's weights, and rates for a network of this size."""
    return Tuning(tuned, rate=_RATES[tuned], largest_scale=LARGEST_SCALE, seed=seed)


def gain(folder: Path, tuned: Tuned, seed: int) -> Gained:
    """What adapting the recogniser to held-out photos with damage of other families gains; nothing is told of these."""
    tuning = tuning_of(tuned, seed)
    adaptation = Adaptation(loaded(), CLASSES, tuning, CONTEXT)
    return adapting.gain(adaptation, held_out_set(folder, "shifted", seed), tuning, AdaptOptions().passes)


def accuracy(folder: Path) -> float:
    """Of the recogniser on held-out photos with damage of the families it knows, in per cent."""
    held = held_out_set(folder)
    found = shares(Adaptation(loaded(), CLASSES, Tuning(), CONTEXT), held.images)
    return round(100 * (found.argmax(1) == held.labels).float().mean().item(), 2)


def held_out_set(folder: Path, family: Family = "seen", seed: int = 0) -> Pictures:
    """Every held-out photo in every condition, as the recogniser sees photos: the traces in sixteen windows."""
    photos = read(split(folder)[1])

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


# ---- seen


def _sharp(part: Picture, _rng: np.random.Generator) -> Picture:
    return part


def _panned(part: Picture, rng: np.random.Generator) -> Picture:
    """Moved evenly along a line of 6 to 24 pixels."""
    length, angle = rng.uniform(6, 24), rng.uniform(0, math.pi)
    way = np.linspace(-length / 2, length / 2, 96)
    return _along(part, np.stack([way * math.sin(angle), way * math.cos(angle)], axis=1))


def _noisy(part: Picture, rng: np.random.Generator) -> Picture:
    """White noise, in part that of light."""
    return degrade.noise(part, rng.uniform(7, 30), rng, shot=rng.uniform(0, 0.7), grey=bool(rng.random() < 0.4))


def _jpeg(part: Picture, rng: np.random.Generator) -> Picture:
    """JPEG of quality 6 to 34."""
    return degrade.jpeg(part, int(rng.integers(6, 35)), rng)


def _enlarged(part: Picture, rng: np.random.Generator) -> Picture:
    """Shrunk 2.5 to 5 times and enlarged by smooth interpolation."""
    return _shrunk_and_enlarged(part, rng.uniform(2.5, 5), _FILTERS[rng.integers(len(_FILTERS))])


# ---- shifted: other families


def _processed(part: Picture, rng: np.random.Generator) -> Picture:
    """Sharp, as cameras make it: sharpened and with more contrast."""
    curved = 255 * (part / 255.0) ** rng.uniform(0.7, 1.4)
    levels: Picture = np.rint(np.clip((curved - 128) * rng.uniform(1.0, 1.4) + 128, 0, 255)).astype(np.uint8)
    return degrade.sharpen(levels, rng.uniform(0.2, 0.9), rng.uniform(0.6, 1.5))


def _shaken(part: Picture, rng: np.random.Generator) -> Picture:
    """Moved along a random walk, as a hand does, of 5 to 16 pixels."""
    way = np.cumsum(np.cumsum(rng.normal(size=(96, 2)), axis=0), axis=0) + 3 * np.cumsum(
        rng.normal(size=(96, 2)), axis=0
    )
    way -= way.mean(axis=0)
    return _along(part, way * (rng.uniform(5, 16) / np.hypot(*np.ptp(way, axis=0))))


def _grained(part: Picture, rng: np.random.Generator) -> Picture:
    """Noise as cameras and film leave it: blotches over neighbouring pixels, speckle, or single dead pixels."""
    way = rng.random()
    if way < 0.5:
        drawn = rng.standard_normal((*part.shape[:2], 3))
        size = rng.uniform(0.5, 1.0)
        around = np.exp(-0.5 * (np.arange(-3, 4) / size) ** 2)
        around /= np.sqrt((around**2).sum())
        for axis in (0, 1):
            drawn = np.apply_along_axis(np.convolve, axis, drawn, around, mode="same")
        return _levels(part + drawn * rng.uniform(6, 20))
    if way < 0.75:
        return _levels(part * (1 + rng.uniform(0.06, 0.25) * rng.standard_normal((*part.shape[:2], 1))))
    struck = rng.random((*part.shape[:2], 1)) < rng.uniform(0.005, 0.05)
    return _levels(np.where(struck, rng.choice([0, 255], struck.shape), part))


def _stored(part: Picture, rng: np.random.Generator) -> Picture:
    """WebP of low quality, or JPEG that was resized since, so that its blocks are no longer eight pixels wide."""
    stored = io.BytesIO()
    if rng.random() < 0.5:
        Image.fromarray(part).save(stored, "WEBP", quality=int(rng.integers(1, 15)), method=2)
        with Image.open(stored) as read_back:
            return np.asarray(read_back.convert("RGB"))
    size, factor = part.shape[:2], rng.uniform(0.7, 1.3)
    other = _resized(part, (round(size[0] / factor), round(size[1] / factor)), Image.Resampling.BICUBIC)
    return _resized(degrade.jpeg(other, int(rng.integers(5, 25)), rng), (size[0], size[1]), Image.Resampling.BICUBIC)


def _blown_up(part: Picture, rng: np.random.Generator) -> Picture:
    """Shrunk carelessly, enlarged by other filters, and sharpened after."""
    way = (Image.Resampling.BOX, Image.Resampling.HAMMING, Image.Resampling.NEAREST)[rng.integers(3)]
    large = _shrunk_and_enlarged(part, rng.uniform(2, 5), way)
    return degrade.sharpen(large, rng.uniform(0.3, 1.5), rng.uniform(1, 2)) if rng.random() < 0.6 else large


_WAYS = {
    "seen": dict(zip(KINDS, (_sharp, _panned, _noisy, _jpeg, _enlarged), strict=True)),
    "shifted": dict(zip(KINDS, (_processed, _shaken, _grained, _stored, _blown_up), strict=True)),
}


def _along(part: Picture, way: NDArray[np.float64]) -> Picture:
    """What a sensor adds up along a way ``T×2``, down and right in pixels, in proportion to light (gamma 2.2)."""
    around = int(np.ceil(np.abs(way).max())) + 1
    shape = [-(-(length + 2 * around) // 32) * 32 for length in part.shape[:2]]  # Fourier transforms of such are fast
    pads = [(around, side - length - around) for side, length in zip(shape, part.shape[:2], strict=True)]
    light = np.pad(_LIGHT[part.transpose(2, 0, 1)], [(0, 0), *pads], mode="symmetric")
    down = np.exp(-2j * np.pi * np.outer(np.fft.fftfreq(shape[0]), way[:, 0])).astype(np.complex64)
    right = np.exp(-2j * np.pi * np.outer(way[:, 1], np.fft.rfftfreq(shape[1]))).astype(np.complex64)
    seen = np.fft.irfft2(np.fft.rfft2(light) * (down @ right / np.float32(len(way))), shape)
    inner = seen[:, around : around + part.shape[0], around : around + part.shape[1]].transpose(1, 2, 0)
    return _levels(255 * np.clip(inner, 0, 1) ** np.float32(1 / 2.2))


def _shrunk_and_enlarged(part: Picture, factor: float, way: Image.Resampling) -> Picture:
    high, wide = part.shape[:2]
    return _resized(_resized(part, (round(high / factor), round(wide / factor)), way), (high, wide), way)


def _resized(part: Picture, size: tuple[int, int], way: Image.Resampling) -> Picture:
    return np.asarray(Image.fromarray(part).resize(size[::-1], way))


def _levels(values: NDArray[np.floating]) -> Picture:
    levels: Picture = np.rint(np.clip(values, 0, 255)).astype(np.uint8)
    return levels
