"""The super-resolution benchmark sets, found on disk and never shipped: Set5, Set14, BSD20, and Set14 degraded twice.

A data folder holds ``benchmark/<folder>/HR`` and ``benchmark/<folder>/LRx4`` with one picture file of the same stem in
each. BSD20 is every fifth picture of BSD100, so its figures are not those of the whole set.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from fourfold.core.errors import PictureError, UsageError
from fourfold.imaging.degrade import gaussian_blur, jpeg, noise
from fourfold.imaging.resize import bicubic

SETS: Mapping[str, str] = MappingProxyType({"Set5": "Set5", "Set14": "Set14", "BSD20": "BSD100"})
"""Name of each set and the folder it lies in."""

SCALE = 4
"""High resolution over low resolution, the same in every set."""

Picture = NDArray[np.uint8]


class Damage(NamedTuple):
    """Ranges that a degradation is drawn from: deviations of blur in pixels and of noise in levels, JPEG quality."""

    seed: int
    blur: tuple[float, float]
    noise: tuple[float, float]
    quality: tuple[int, int]


DEGRADED: Mapping[str, Damage] = MappingProxyType({
    "Set14 degraded": Damage(20_261_124, (0.5, 2.5), (5, 15), (40, 80)),
    "Set14 hard": Damage(20_261_129, (0.5, 3.0), (10, 30), (25, 60)),
})  # fmt: skip
"""Set14 again, each picture blurred, shrunk, noisy and stored as JPEG, by numbers that nothing is trained with."""


@dataclass(frozen=True)
class ReferencePair:
    """One picture of a set: ``name``, its file in low resolution and its file in high resolution.

    With a ``damage`` the low resolution is made anew from the high one, see ``degrade``.
    """

    name: str
    low: Path
    high: Path
    damage: tuple[Damage, int] | None = None

    def load(self) -> tuple[Picture, Picture]:
        """The low and the high resolution, ``h×w×3`` and ``4h×4w×3``; grey files become RGB.

        Raises:
            PictureError: a file cannot be read, or the sizes are not 1 to 4.
        """
        low, high = read(self.low), read(self.high)
        if high.shape[:2] != (low.shape[0] * SCALE, low.shape[1] * SCALE):
            raise PictureError(
                f"{self.high}: expected {SCALE} times the {low.shape[1]}×{low.shape[0]} of {self.low}, "
                f"got {high.shape[1]}×{high.shape[0]}"
            )
        return low if self.damage is None else degrade(high, *self.damage), high


def degrade(high: Picture, damage: Damage, number: int) -> Picture:
    """Degrade a picture like a real small photo: blurred, shrunk four times, noisy and stored as JPEG, halved colours.

    Args:
        damage: what to draw from, anew for each ``number``.
    """
    rng = np.random.default_rng([damage.seed, number])
    sigma = rng.uniform(*damage.blur)
    low = bicubic(gaussian_blur(high, sigma, sigma), (high.shape[0] // SCALE, high.shape[1] // SCALE))
    return jpeg(noise(low, rng.uniform(*damage.noise), rng), int(rng.integers(*damage.quality, endpoint=True)))


@dataclass(frozen=True)
class BenchmarkSet:
    """A named set of pairs, in the order of their file names."""

    name: str
    pairs: tuple[ReferencePair, ...]


def data_folder(given: Path | None = None) -> Path:
    """The data folder: as given, else ``FOURFOLD_DATA``, else ``../shared/data`` seen from the working directory.

    Raises:
        UsageError: that folder holds no ``benchmark`` folder.
    """
    named = os.environ.get("FOURFOLD_DATA")
    folder = given or (Path(named) if named else Path.cwd().parent / "shared" / "data")
    if not (folder / "benchmark").is_dir():
        raise UsageError(
            f"{folder}: expected a data folder with benchmark/{{{','.join(SETS.values())}}}/{{HR,LRx{SCALE}}} inside; "
            "name one as an argument or in the environment variable FOURFOLD_DATA"
        )
    return folder


def benchmark_sets(folder: Path) -> tuple[BenchmarkSet, ...]:
    """Every set of ``SETS`` in a data folder and of ``DEGRADED``; pictures are read only when a pair is loaded.

    Raises:
        UsageError: a set is missing or incomplete.
    """
    clean = {name: _pairs(folder / "benchmark" / inside) for name, inside in SETS.items()}
    degraded = {
        name: tuple(replace(pair, damage=(damage, number)) for number, pair in enumerate(clean["Set14"]))
        for name, damage in DEGRADED.items()
    }
    return tuple(BenchmarkSet(name, pairs) for name, pairs in (clean | degraded).items())


def _pairs(folder: Path) -> tuple[ReferencePair, ...]:
    lows, highs = _stems(folder / f"LRx{SCALE}"), _stems(folder / "HR")
    if not highs or lows.keys() != highs.keys():
        alone = ", ".join(sorted(lows.keys() ^ highs.keys())) or "no pictures at all"
        raise UsageError(f"{folder}: expected the same pictures in HR and LRx{SCALE}, found unpaired: {alone}")
    return tuple(ReferencePair(stem, lows[stem], highs[stem]) for stem in sorted(highs))


def _stems(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise UsageError(f"{folder}: expected a folder of pictures, found none")
    return {path.stem: path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")}


def read(path: Path) -> Picture:
    """A picture file as ``H×W×3``; grey becomes RGB.

    Raises:
        PictureError: it cannot be read.
    """
    try:
        with Pillow.open(path) as picture:
            return np.array(picture.convert("RGB"), np.uint8)
    except (OSError, ValueError) as error:
        raise PictureError(f"{path}: expected a picture that Pillow reads, got: {error}") from error


def tiled_to(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """A picture of another size, ``(height, width)``, repeated as if in mirrors."""
    repeats = [-(-wanted // side) for wanted, side in zip(size, picture.shape[:2], strict=True)]
    mirrored = np.concatenate([picture, picture[::-1]])
    mirrored = np.concatenate([mirrored, mirrored[:, ::-1]], axis=1)
    return np.tile(mirrored, (*repeats, 1))[: size[0], : size[1]]
