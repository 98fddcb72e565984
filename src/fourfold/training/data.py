"""Training pairs: photos, and the same photos four times smaller, made exactly as the benchmark's were."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fourfold.core.errors import InvalidInput
from fourfold.imaging.formats import FORMATS
from fourfold.imaging.resize import bicubic

HELD_OUT_EVERY = 24

_SUFFIXES = {suffix for row in FORMATS.values() if row.writable for suffix in row.suffixes}

Picture = NDArray[np.uint8]
Degradation = Callable[[Picture, np.random.Generator], Picture]
"""``4H×4W×3`` to ``H×W×3``; the generator decides everything."""

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


def split_all(folders: Sequence[Path], every: int = HELD_OUT_EVERY) -> tuple[list[Path], list[Path]]:
    """``split`` of several folders, each held out by itself.

    Raises:
        InvalidInput: a folder holds no photos.
    """
    parts = [split(folder, every) for folder in folders]
    return [path for training, _ in parts for path in training], [path for _, held in parts for path in held]


def read_pairs(paths: Sequence[Path], least: int = 1) -> list[Pair]:
    """Decode and shrink photos, two at a time or more; sizes are cut to multiples of four.

    Args:
        paths: of the photos; least: pixels a side of the quarter, below which a photo is left out.

    Raises:
        InvalidInput: there were some, and none is left.
    """
    with ThreadPoolExecutor() as pool:
        return at_least(list(pool.map(read_pair, paths)), least)


def at_least(pairs: Sequence[Pair], least: int) -> list[Pair]:
    """The pairs whose quarter has ``least`` pixels a side.

    Raises:
        InvalidInput: there were some, and none has.
    """
    large = [pair for pair in pairs if min(pair.low.shape[:2]) >= least]
    return large_enough(large, 4 * least, len(pairs)) if pairs else []


def large_enough(left: list[T], side: int, count: int) -> list[T]:
    """The photos that are ``left`` of ``count``.

    Raises:
        InvalidInput: none is.
    """
    if not left:
        raise InvalidInput(
            f"expected photos of at least {side}×{side} pixels, to train on and, every {HELD_OUT_EVERY}th, to be held "
            f"out; none of {count} is as large"
        )
    return left


def read_pair(path: Path) -> Pair:
    """Decode and shrink one photo; its sides are cut to multiples of four."""
    with Image.open(path) as photo:
        return pair_of(np.asarray(photo.convert("RGB")))


def pair_of(high: Picture) -> Pair:
    """A picture of any size ``H×W×3``, its sides cut to multiples of four, and its quarter."""
    height, width = (side // 4 * 4 for side in high.shape[:2])
    high = np.ascontiguousarray(high[:height, :width])
    return Pair(high, bicubic(high, (height // 4, width // 4)))


class Mixture:
    """Sets of pairs to draw patches from.

    Args:
        sets: a weight and the pairs of each, and, if their low-resolution patches are to be made from the high ones,
            how; within a set a pair is drawn in proportion to its pixels.
    """

    def __init__(self, *sets: tuple[float, Sequence[Pair], Degradation | None]) -> None:
        used = [one for one in sets if one[0] and one[1]]
        weights = np.array([weight for weight, _, _ in used])
        self._pairs = [(pair, degrade) for _, pairs, degrade in used for pair in pairs]
        parts = []
        for weight, (_, pairs, _) in zip(weights / weights.sum(), used, strict=True):
            areas = np.array([float(pair.low.shape[0] * pair.low.shape[1]) for pair in pairs])
            parts.append(weight * areas / areas.sum())
        self._probabilities = np.concatenate(parts)

    def batch(self, size: int, patch: int, rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Random aligned patches, turned and mirrored at random.

        Args:
            size: number of patches B; patch: their side in low resolution; rng: decides everything.

        Returns:
            ``B×3×patch×patch`` and ``B×3×4patch×4patch`` in ``uint8``.
        """
        lows: list[NDArray[np.uint8]] = []
        highs: list[NDArray[np.uint8]] = []
        for index in rng.choice(len(self._pairs), size=size, p=self._probabilities):
            pair, degrade = self._pairs[index]
            y = int(rng.integers(pair.low.shape[0] - patch + 1))
            x = int(rng.integers(pair.low.shape[1] - patch + 1))
            high = pair.high[4 * y : 4 * (y + patch), 4 * x : 4 * (x + patch)]
            low = degrade(high, rng) if degrade else pair.low[y : y + patch, x : x + patch]
            turns, mirror = int(rng.integers(4)), bool(rng.integers(2))
            for patches, piece in ((lows, low), (highs, high)):
                turned = np.rot90(piece, turns)
                patches.append((turned[:, ::-1] if mirror else turned).transpose(2, 0, 1))
        return np.ascontiguousarray(np.stack(lows)), np.ascontiguousarray(np.stack(highs))
