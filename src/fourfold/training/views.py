"""Views of pictures: homographies, what a camera sees through them, and square crops of photos at all sizes.

Coordinates run from -1 to 1 between the outer edges of a picture, so that they mean the same place in a picture and
in a feature map of it. A homography is a 3×3 matrix that takes coordinates of the view to those of its source.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from fourfold.training.data import large_enough

Picture = NDArray[np.uint8]


def read_sizes(paths: Sequence[Path], side: int, largest: int = 1600) -> list[list[Picture]]:
    """Each photo ``H×W×3`` at its own size and halved for as long as both sides are at least ``side``.

    Photos longer than ``largest`` pixels begin at a half, so that all fit in memory.

    Raises:
        InvalidInput: no photo is as large.
    """

    def sizes(path: Path) -> list[Picture]:
        with Image.open(path) as photo:
            now = photo.convert("RGB")
        found = []
        while min(now.size) >= side:
            if max(now.size) <= largest or min(now.size) < 2 * side:
                found.append(np.asarray(now))
            now = now.reduce(2)
        return found

    with ThreadPoolExecutor() as pool:
        return large_enough([found for found in pool.map(sizes, paths) if found], side, len(paths))


def crops(photos: Sequence[Sequence[Picture]], count: int, side: int, rng: np.random.Generator) -> Tensor:
    """``count×3×side×side`` in 0..1: squares of photos, photo and size of it drawn alike, mirrored at random."""
    taken = []
    for index in rng.integers(len(photos), size=count):
        photo = photos[index][int(rng.integers(len(photos[index])))]
        y, x = (int(rng.integers(length - side + 1)) for length in photo.shape[:2])
        square = photo[y : y + side, x : x + side]
        taken.append(square[:, ::-1] if rng.integers(2) else square)
    return torch.from_numpy(np.stack(taken)).permute(0, 3, 1, 2).float() / 255


def homographies(count: int, share: float, rng: np.random.Generator, tilt: float = 0.1) -> Tensor:
    """``count`` views, each of about ``share`` of its source's side, turned and tilted a little, ``count×3×3``.

    Args:
        share: in 0..1; tilt: largest turn in radians, and largest perspective.
    """
    angle = rng.uniform(-tilt, tilt, count)
    matrix = np.zeros((count, 3, 3))
    matrix[:, 0, 0] = matrix[:, 1, 1] = share * np.cos(angle)
    matrix[:, 1, 0] = share * np.sin(angle)
    matrix[:, 0, 1] = -matrix[:, 1, 0]
    matrix[:, :2, 2] = rng.uniform(share - 1, 1 - share, (count, 2))
    matrix[:, 2, :2] = rng.uniform(-tilt, tilt, (count, 2)) * share
    matrix[:, 2, 2] = 1
    return torch.from_numpy(matrix).float()


def places(homography: Tensor, rows: int, columns: int) -> Tensor:
    """Where the centres of a view's cells lie in its source: ``B×rows×columns×2`` as (x, y)."""
    y, x = (((torch.arange(count, device=homography.device) + 0.5) * 2 / count - 1) for count in (rows, columns))
    grid = torch.stack([x.expand(rows, -1), y[:, None].expand(-1, columns), torch.ones_like(x).expand(rows, -1)], -1)
    return through(homography, grid.expand(len(homography), -1, -1, -1))


def through(homography: Tensor, points: Tensor) -> Tensor:
    """Homogeneous points ``B×…×3`` through ``B×3×3``: ``B×…×2``."""
    seen = torch.einsum("bij,b...j->b...i", homography, points)
    return seen[..., :2] / seen[..., 2:]


def sample(source: Tensor, points: Tensor) -> Tensor:
    """``B×C×H×W`` at ``B×h×w×2`` points, bilinear, mirrored beyond its edges: ``B×C×h×w``."""
    return F.grid_sample(source, points, mode="bilinear", padding_mode="reflection", align_corners=False)


def inside(points: Tensor) -> Tensor:
    """Whether points ``…×2`` lie in the picture: ``…`` of bool."""
    return (points.abs() <= 1).all(-1)


def look(source: Tensor, homography: Tensor, side: int, share: float) -> Tensor:
    """What the views see, ``B×3×side×side``; the source is averaged first where a view would skip its pixels."""
    step = max(1, int(share * source.shape[-1] / side))
    return sample(F.avg_pool2d(source, step) if step > 1 else source, places(homography, side, side))
