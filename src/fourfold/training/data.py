"""Training pairs: photos, and the same photos four times smaller, made exactly as the benchmark's were."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fourfold.core.errors import InvalidInput
from fourfold.imaging import degrade
from fourfold.imaging.formats import FORMATS
from fourfold.imaging.resize import bicubic

HELD_OUT_EVERY = 24

_SUFFIXES = {suffix for row in FORMATS.values() if row.writable for suffix in row.suffixes}

Picture = NDArray[np.uint8]
T = TypeVar("T")


@dataclass(frozen=True)
class Pair:
    """A photo and its quarter: ``high`` is ``4H×4W×3`` and ``low`` ``H×W×3``, both ``uint8``."""

    high: Picture
    low: Picture


def split(folder: Path, every: int = HELD_OUT_EVERY) -> tuple[list[Path], list[Path]]:
    """The photos to train on and those held out: of the sorted names, every 24th is never trained on.

    Raises:
        InvalidInput: there are no photos in the folder.
    """
    names = sorted(p for p in folder.iterdir() if p.suffix.lower() in _SUFFIXES)
    if not names:
        raise InvalidInput(f"{folder}: expected photos ({', '.join(sorted(_SUFFIXES))}), the folder holds none")
    held = names[every - 1 :: every]
    return [p for p in names if p not in set(held)], held


def read_pairs(paths: Sequence[Path], least: int = 1) -> list[Pair]:
    """Decode and shrink photos, two at a time or more; sizes are cut to multiples of four.

    Args:
        paths: of the photos; least: pixels a side of the quarter, below which a photo is left out.

    Raises:
        InvalidInput: none is left.
    """
    with ThreadPoolExecutor() as pool:
        pairs = [pair for pair in pool.map(_read_pair, paths) if min(pair.low.shape[:2]) >= least]
    return large_enough(pairs, 4 * least, len(paths))


def large_enough(left: list[T], side: int, count: int) -> list[T]:
    """The photos that are ``left`` of ``count``.

    Raises:
        InvalidInput: none is.
    """
    if not left:
        raise InvalidInput(f"expected photos of at least {side}×{side} pixels, none of {count} is as large")
    return left


def _read_pair(path: Path) -> Pair:
    with Image.open(path) as photo:
        high = np.asarray(photo.convert("RGB"))
    height, width = (side // 4 * 4 for side in high.shape[:2])
    high = np.ascontiguousarray(high[:height, :width])
    return Pair(high, bicubic(high, (height // 4, width // 4)))


def batch(
    pairs: Sequence[Pair], size: int, patch: int, rng: np.random.Generator, degraded: bool = False
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Random aligned patches, turned and mirrored at random, photos drawn in proportion to their pixels.

    Args:
        pairs: to draw from; size: number of patches B; patch: their side in low resolution; rng: decides everything.
        degraded: make the low-resolution patches from the high ones by ``degrade.photo`` instead of clean shrinking.

    Returns:
        ``B×3×patch×patch`` and ``B×3×4patch×4patch`` in ``uint8``.
    """
    areas = np.array([float(p.low.shape[0] * p.low.shape[1]) for p in pairs])
    lows: list[NDArray[np.uint8]] = []
    highs: list[NDArray[np.uint8]] = []
    for index in rng.choice(len(pairs), size=size, p=areas / areas.sum()):
        pair = pairs[index]
        y = int(rng.integers(pair.low.shape[0] - patch + 1))
        x = int(rng.integers(pair.low.shape[1] - patch + 1))
        high = pair.high[4 * y : 4 * (y + patch), 4 * x : 4 * (x + patch)]
        low = degrade.photo(high, rng) if degraded else pair.low[y : y + patch, x : x + patch]
        turns, mirror = int(rng.integers(4)), bool(rng.integers(2))
        for patches, piece in ((lows, low), (highs, high)):
            turned = np.rot90(piece, turns)
            patches.append((turned[:, ::-1] if mirror else turned).transpose(2, 0, 1))
    return np.ascontiguousarray(np.stack(lows)), np.ascontiguousarray(np.stack(highs))
