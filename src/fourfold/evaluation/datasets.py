"""The super-resolution benchmark sets, found on disk and never shipped: Set5, Set14 and BSD20.

A data folder holds ``benchmark/<folder>/HR`` and ``benchmark/<folder>/LRx4`` with one picture file of the same stem in
each. BSD20 is every fifth picture of BSD100, so its figures are not those of the whole set.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from fourfold.core.errors import PictureError, UsageError

SETS: Mapping[str, str] = MappingProxyType({"Set5": "Set5", "Set14": "Set14", "BSD20": "BSD100"})
"""Name of each set and the folder it lies in."""

SCALE = 4
"""High resolution over low resolution, the same in every set."""

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Pair:
    """One picture of a set: ``name``, its file in low resolution and its file in high resolution."""

    name: str
    low: Path
    high: Path

    def load(self) -> tuple[Picture, Picture]:
        """The low and the high resolution, ``h×w×3`` and ``4h×4w×3``; grey files become RGB.

        Raises:
            PictureError: a file cannot be read, or the sizes are not 1 to 4.
        """
        low, high = _read(self.low), _read(self.high)
        if high.shape[:2] != (low.shape[0] * SCALE, low.shape[1] * SCALE):
            raise PictureError(
                f"{self.high}: expected {SCALE} times the {low.shape[1]}×{low.shape[0]} of {self.low}, "
                f"got {high.shape[1]}×{high.shape[0]}"
            )
        return low, high


@dataclass(frozen=True)
class BenchmarkSet:
    """A named set of pairs, in the order of their file names."""

    name: str
    pairs: tuple[Pair, ...]


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
    """Every set of ``SETS`` in a data folder; the pictures are read only when a pair is loaded.

    Raises:
        UsageError: a set is missing or incomplete.
    """
    return tuple(BenchmarkSet(name, _pairs(folder / "benchmark" / inside)) for name, inside in SETS.items())


def _pairs(folder: Path) -> tuple[Pair, ...]:
    lows, highs = _stems(folder / f"LRx{SCALE}"), _stems(folder / "HR")
    if not highs or lows.keys() != highs.keys():
        alone = ", ".join(sorted(lows.keys() ^ highs.keys())) or "no pictures at all"
        raise UsageError(f"{folder}: expected the same pictures in HR and LRx{SCALE}, found unpaired: {alone}")
    return tuple(Pair(stem, lows[stem], highs[stem]) for stem in sorted(highs))


def _stems(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise UsageError(f"{folder}: expected a folder of pictures, found none")
    return {path.stem: path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")}


def _read(path: Path) -> Picture:
    try:
        with Pillow.open(path) as picture:
            return np.array(picture.convert("RGB"), np.uint8)
    except (OSError, ValueError) as error:
        raise PictureError(f"{path}: expected a picture that Pillow reads, got: {error}") from error
