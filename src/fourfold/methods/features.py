"""Feature maps of a photo: frame it for an encoder, hold the resulting maps, and show them as colours."""

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from fourfold.core.contract import Floats
from fourfold.core.errors import InvalidInput
from fourfold.imaging.resize import bicubic

Encode = Callable[[Floats], Floats]
"""Pictures ``B×3×R×R`` in 0..1 → features ``B×C×n×n``."""


@dataclass(frozen=True)
class Features:
    """Feature maps of one photo, ``C×h×w`` and, but for ``low``, ``C×fh×fw``, all in the encoder's own values.

    Attributes:
        low: what the encoder gives; bilinear: the same interpolated; jbu: upsampled along the photo's edges.
        tiles: what the encoder gives of enlarged parts, side by side; sharp: FeatSharp's.
    """

    low: Floats
    bilinear: Floats
    jbu: Floats
    tiles: Floats
    sharp: Floats

    def named(self) -> dict[str, Floats]:
        """The maps by name, in order."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True)
class Framed:
    """A photo in the square that an encoder takes.

    Attributes:
        square: ``3×S×S`` in 0..1, the photo at the top left and mirrored beyond; rows, columns: cells that it fills.
    """

    square: Floats
    rows: int
    columns: int

    def kept(self, features: Floats, factor: int = 1) -> Floats:
        """Of ``C×fn×fn`` the part that shows the photo, ``C×f·rows×f·columns``."""
        return features[:, : factor * self.rows, : factor * self.columns]


def frame(pixels: Floats, side: int, cell: int) -> Framed:
    """Shrink or enlarge a photo ``H×W×3`` in 0..1 till its longer side is ``side`` pixels, and mirror it to a square.

    The shorter side becomes a whole number of cells of ``cell`` pixels, at least one.

    Raises:
        InvalidInput: it is no such photo.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
        raise InvalidInput(f"expected a photo of H×W×3 values, got {pixels.shape}")
    longest = max(pixels.shape[:2])
    rows, columns = (max(1, round(length * side / longest / cell)) for length in pixels.shape[:2])
    shown = np.clip(bicubic(pixels, (rows * cell, columns * cell)), 0, 1)
    beyond = [(0, side - length) for length in shown.shape[:2]]
    square = np.pad(shown, [*beyond, (0, 0)], mode="symmetric")
    return Framed(np.ascontiguousarray(square.transpose(2, 0, 1), np.float32), rows, columns)


def colours(features: Features) -> dict[str, NDArray[np.uint8]]:
    """Every map in colours, ``h×w×3``: the three directions in which ``low`` varies most are red, green and blue.

    Basis and range are those of ``low`` for all of them, so that equal colours mean equal features.
    """
    vectors = features.low.reshape(len(features.low), -1).T.astype(np.float64)
    mean = vectors.mean(0)
    *_, directions = np.linalg.svd(vectors - mean, full_matrices=False)
    basis = np.zeros((3, len(mean)))
    basis[: len(directions)] = directions[:3]
    basis *= np.where(basis[np.arange(3), np.abs(basis).argmax(1)] < 0, -1.0, 1.0)[:, None]
    low, high = np.percentile((vectors - mean) @ basis.T, [2, 98], axis=0)
    painted = {}
    for name, values in features.named().items():
        seen = np.tensordot(values - mean[:, None, None], basis, (0, 1))
        painted[name] = np.rint(np.clip((seen - low) / np.maximum(high - low, 1e-9), 0, 1) * 255).astype(np.uint8)
    return painted


def likeness(first: Floats, second: Floats, encode: Encode, side: int) -> Floats:
    """How alike an encoder finds two pictures place by place: cosines of their features, ``h×w`` in -1..1.

    Args:
        first, second: ``H×W×3`` in 0..1, of one size; looked at in squares of ``side`` pixels, mirrored beyond.

    Raises:
        InvalidInput: they are no such pictures.
    """
    if first.shape != second.shape or first.ndim != 3 or first.shape[2] != 3:
        raise InvalidInput(f"expected two pictures H×W×3 of one size, got {first.shape} and {second.shape}")
    height, width = first.shape[:2]
    beyond = (0, -height % side), (0, -width % side), (0, 0)
    one, two = (np.pad(picture, beyond, mode="symmetric") for picture in (first, second))
    strips = []
    for top in range(0, height, side):
        squares = [np.split(whole[top : top + side], whole.shape[1] // side, 1) for whole in (one, two)]
        asked = np.stack([*squares[0], *squares[1]]).transpose(0, 3, 1, 2)
        a, b = np.split(encode(np.ascontiguousarray(asked, np.float32)), 2)
        norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
        strips.append(np.concatenate([*((a * b).sum(1) / np.maximum(norms, 1e-9))], 1))
    patch = side // strips[0].shape[0]
    return np.concatenate(strips)[: -(-height // patch), : -(-width // patch)].astype(np.float32)
