"""Training pairs for deblurring: sharp photos with simulated shake, or folders of blurry and sharp pictures."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fourfold.core.errors import InvalidInput
from fourfold.imaging.camera import Camera, Window, photographed
from fourfold.training.data import HELD_OUT_EVERY, split_all

Picture = NDArray[np.uint8]
Pair = tuple[Picture, Picture]
"""A blurry picture and the sharp one, ``H×W×3`` of one size."""

CAMERA = Camera()
"""What the photos are taken with."""

_VALIDATED = 256  # side of the window of each held-out picture that is looked at while training
_CHOICES = 8  # windows drawn for a crop, of which the one with most detail is taken: blur in a flat sky teaches nothing


class Pairs(Protocol):
    """Where crops come from."""

    def crop(self, side: int, rng: np.random.Generator) -> Pair:
        """A random pair of ``side×side`` pixels."""
        ...

    def held_out(self) -> list[Pair]:
        """Pairs, the same ones each time, of pictures that ``crop`` never takes."""
        ...


class SimulatedShake:
    """Sharp photos, held in memory and photographed anew for each crop.

    Args:
        folders: see ``data.split``; still: fraction of crops without shake; first: use only the first N (0: all).
    """

    def __init__(self, folders: Sequence[Path], still: float, first: int = 0) -> None:
        trained, held = split_all(folders)
        with ThreadPoolExecutor() as pool:
            self._photos = list(pool.map(_read, trained[: first or None]))
            self._held = list(pool.map(_read, held))
        areas = np.array([float(photo.shape[0] * photo.shape[1]) for photo in self._photos])
        self._probabilities = areas / areas.sum()
        self._camera = replace(CAMERA, still=still)

    def crop(self, side: int, rng: np.random.Generator) -> Pair:
        """As ``Pairs``; photos are drawn in proportion to their pixels; a small one is mirrored beyond its end."""
        photo = _enlarged(self._photos[rng.choice(len(self._photos), p=self._probabilities)], side)
        windows = [_window(photo, side, rng) for _ in range(_CHOICES)]
        richest = max(windows, key=lambda w: _detail(_cut(photo, w)))
        return photographed(photo, rng, self._camera, richest)

    def held_out(self) -> list[Pair]:
        """As ``Pairs``: the middle of every held-out photo, with simulated shake."""
        return [
            photographed(photo, np.random.default_rng(number), CAMERA, _middle(photo, _VALIDATED))
            for number, photo in enumerate(self._held)
        ]


class PairFolders:
    """Pictures of one name in a folder ``blur`` and in the folder ``sharp`` beside it, as in the GoPro set.

    Pairs below a folder ``test`` are held out; without one, every 24th is.

    Args:
        folders: hold such folders at any depth.

    Raises:
        InvalidInput: no such pairs.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        found = [(folder, path) for folder in folders for path in sorted(folder.rglob("blur/*"))]
        found = [(folder, path) for folder, path in found if (path.parents[1] / "sharp" / path.name).is_file()]
        blurry = [path for _, path in found]
        held = [path for folder, path in found if "test" in path.relative_to(folder).parts[:-2]]
        self._held = held or blurry[HELD_OUT_EVERY - 1 :: HELD_OUT_EVERY]
        self._trained = [path for path in blurry if path not in set(self._held)]
        if not self._trained:
            named = ", ".join(map(str, folders))
            raise InvalidInput(f"{named}: expected pictures of one name in folders blur and sharp beside each other")

    def crop(self, side: int, rng: np.random.Generator) -> Pair:
        """As ``Pairs``; a picture smaller than the crop is continued by its mirror image."""
        blurry, sharp = (
            _enlarged(picture, side) for picture in _read_pair(self._trained[rng.integers(len(self._trained))])
        )
        window = _window(blurry, side, rng)
        return _cut(blurry, window), _cut(sharp, window)

    def held_out(self) -> list[Pair]:
        """As ``Pairs``: of each pair the middle."""
        pairs = (_read_pair(path) for path in self._held)
        return [(_cut(b, _middle(b, _VALIDATED)), _cut(s, _middle(s, _VALIDATED))) for b, s in pairs]


def batch(pairs: Pairs, size: int, side: int, rng: np.random.Generator) -> tuple[Picture, Picture]:
    """Random crops, augmented: blurry and sharp, ``B×3×side×side`` in ``uint8``."""
    made = [augmented(pairs.crop(side, rng), rng) for _ in range(size)]
    blurry, sharp = (np.stack(pictures).transpose(0, 3, 1, 2) for pictures in zip(*made, strict=True))
    return np.ascontiguousarray(blurry), np.ascontiguousarray(sharp)


def augmented(pair: Pair, rng: np.random.Generator) -> Pair:
    """Both pictures of a pair, turned alike and, one time in three, with their saturation changed alike (MSSNet).

    Of nine equally likely ways to turn two change nothing; the others are the seven other symmetries of a square.
    """
    code = int(rng.integers(9))
    turns, mirror = divmod(code, 2) if code < 8 else (0, 0)
    factor = np.float32(rng.uniform(0.8, 1.2)) if rng.random() < 1 / 3 else None
    blurry, sharp = (
        _turned(picture if factor is None else saturated(picture, factor), turns, mirror) for picture in pair
    )
    return blurry, sharp


def saturated(picture: Picture, factor: np.float32) -> Picture:
    """``H×W×3`` with every pixel's distance from its own grey (BT.601) multiplied by ``factor``."""
    values = picture.astype(np.float32)
    grey = values @ np.array([[0.299], [0.587], [0.114]], np.float32)
    return np.asarray(np.rint(np.clip(grey + factor * (values - grey), 0, 255)), np.uint8)


def _turned(picture: Picture, turns: int, mirror: int) -> Picture:
    turned = np.rot90(picture, turns)
    return turned[:, ::-1] if mirror else turned


def _read(path: Path) -> Picture:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def _read_pair(blurry: Path) -> Pair:
    pair = _read(blurry), _read(blurry.parents[1] / "sharp" / blurry.name)
    if pair[0].shape != pair[1].shape:
        raise InvalidInput(f"{blurry}: expected the size of its sharp picture, got {pair[0].shape} and {pair[1].shape}")
    return pair


def _enlarged(picture: Picture, side: int) -> Picture:
    if min(picture.shape[:2]) >= side:
        return picture
    missing = [(0, max(0, side - length)) for length in picture.shape[:2]]
    return np.pad(picture, [*missing, (0, 0)], mode="reflect")


def _window(picture: Picture, side: int, rng: np.random.Generator) -> Window:
    top, left = (int(rng.integers(length - side + 1)) for length in picture.shape[:2])
    return Window(top, top + side, left, left + side)


def _detail(picture: Picture) -> float:
    """Mean absolute difference of neighbouring green values, in levels."""
    green = picture[..., 1].astype(np.int16)
    return float(np.abs(np.diff(green, axis=0)).mean() + np.abs(np.diff(green, axis=1)).mean())


def _middle(picture: Picture, side: int) -> Window:
    """The middle of a picture, at most ``side`` pixels high and wide, a multiple of 16."""
    spans = []
    for length in picture.shape[:2]:
        inner = min(side, length // 16 * 16)
        spans += [(length - inner) // 2, (length + inner) // 2]
    return Window(*spans)


def _cut(picture: Picture, window: Window) -> Picture:
    return picture[window.top : window.bottom, window.left : window.right]
