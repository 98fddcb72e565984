"""Damage photos in known ways, seeded: one family of methods to train on, and another that is only tested on.

A sample is the same for the same photo, condition, family and generator. Every condition may also be a little soft and
stored as a good JPEG, so that neither gives the condition away.
"""

import io
import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fourfold.imaging import degrade
from fourfold.methods.condition import KINDS, Kind

Picture = NDArray[np.uint8]
Family = Literal["seen", "shifted"]

_CHOICES = 3  # parts of a photo of which the one with most contrast is taken: nothing can be said of a black sky
_LIGHT = (np.arange(256) / 255).astype(np.float32) ** np.float32(2.2)
_FILTERS = (Image.Resampling.BICUBIC, Image.Resampling.BILINEAR, Image.Resampling.LANCZOS)


def sample(photo: Picture, kind: Kind, family: Family, rng: np.random.Generator, side: int = 320) -> Picture:
    """A part of a photo, of at most ``side`` pixels a side, in a condition."""
    part = _part(photo, rng, side)
    if rng.random() < 0.5:
        part = degrade.gaussian_blur(part, sigma := rng.uniform(0.2, 0.8), sigma)
    damaged: Picture = _DAMAGE[family][kind](part, rng)
    if kind != "compressed" and rng.random() < 0.6:
        damaged = degrade.jpeg(damaged, int(rng.integers(85, 98)), rng)
    return damaged


def _part(photo: Picture, rng: np.random.Generator, side: int) -> Picture:
    """A square of the photo, seen from near or far."""
    wide = min(*photo.shape[:2], round(side * math.exp(rng.uniform(0, math.log(2.5)))))
    places = [[int(rng.integers(length - wide + 1)) for length in photo.shape[:2]] for _ in range(_CHOICES)]
    parts = [photo[y : y + wide, x : x + wide] for y, x in places]
    part = max(parts, key=lambda one: float(one[::4, ::4].std()))
    return part if wide <= side else _resized(part, (side, side), Image.Resampling.BICUBIC)


# ---- seen


def _sharp(part: Picture, _rng: np.random.Generator) -> Picture:
    return part


def _linear_motion(part: Picture, rng: np.random.Generator) -> Picture:
    """Motion blur along a straight line of 6 to 24 pixels."""
    length, angle = rng.uniform(6, 24), rng.uniform(0, math.pi)
    path = np.linspace(-length / 2, length / 2, 96)
    return _motion_blur(part, np.stack([path * math.sin(angle), path * math.cos(angle)], axis=1))


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


def _random_motion(part: Picture, rng: np.random.Generator) -> Picture:
    """Motion blur along a random walk of 5 to 16 pixels, like that of a hand."""
    smooth = np.cumsum(np.cumsum(rng.normal(size=(96, 2)), axis=0), axis=0)
    path = smooth + 3 * np.cumsum(rng.normal(size=(96, 2)), axis=0)
    path -= path.mean(axis=0)
    return _motion_blur(part, path * (rng.uniform(5, 16) / np.hypot(*np.ptp(path, axis=0))))


def _grained(part: Picture, rng: np.random.Generator) -> Picture:
    """Noise as cameras and film leave it: blotches over neighbouring pixels, speckle, or single dead pixels."""
    kind = rng.random()
    if kind < 0.5:
        drawn = rng.standard_normal((*part.shape[:2], 3))
        size = rng.uniform(0.5, 1.0)
        around = np.exp(-0.5 * (np.arange(-3, 4) / size) ** 2)
        around /= np.sqrt((around**2).sum())
        for axis in (0, 1):
            drawn = np.apply_along_axis(np.convolve, axis, drawn, around, mode="same")
        return degrade.levels_of(part + drawn * rng.uniform(6, 20))
    if kind < 0.75:
        return degrade.levels_of(part * (1 + rng.uniform(0.06, 0.25) * rng.standard_normal((*part.shape[:2], 1))))
    struck = rng.random((*part.shape[:2], 1)) < rng.uniform(0.005, 0.05)
    return degrade.levels_of(np.where(struck, rng.choice([0, 255], struck.shape), part))


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
    resampling = (Image.Resampling.BOX, Image.Resampling.HAMMING, Image.Resampling.NEAREST)[rng.integers(3)]
    large = _shrunk_and_enlarged(part, rng.uniform(2, 5), resampling)
    return degrade.sharpen(large, rng.uniform(0.3, 1.5), rng.uniform(1, 2)) if rng.random() < 0.6 else large


_DAMAGE = {
    "seen": dict(zip(KINDS, (_sharp, _linear_motion, _noisy, _jpeg, _enlarged), strict=True)),
    "shifted": dict(zip(KINDS, (_processed, _random_motion, _grained, _stored, _blown_up), strict=True)),
}


def _motion_blur(part: Picture, path: NDArray[np.float64]) -> Picture:
    """The mean of the picture along a path ``T×2``, down and right in pixels, in linear light (gamma 2.2)."""
    around = int(np.ceil(np.abs(path).max())) + 1
    shape = [-(-(length + 2 * around) // 32) * 32 for length in part.shape[:2]]  # Fourier transforms of such are fast
    pads = [(around, side - length - around) for side, length in zip(shape, part.shape[:2], strict=True)]
    light = np.pad(_LIGHT[part.transpose(2, 0, 1)], [(0, 0), *pads], mode="symmetric")
    down = np.exp(-2j * np.pi * np.outer(np.fft.fftfreq(shape[0]), path[:, 0])).astype(np.complex64)
    right = np.exp(-2j * np.pi * np.outer(path[:, 1], np.fft.rfftfreq(shape[1]))).astype(np.complex64)
    seen = np.fft.irfft2(np.fft.rfft2(light) * (down @ right / np.float32(len(path))), shape)
    inner = seen[:, around : around + part.shape[0], around : around + part.shape[1]].transpose(1, 2, 0)
    return degrade.levels_of(255 * np.clip(inner, 0, 1) ** np.float32(1 / 2.2))


def _shrunk_and_enlarged(part: Picture, factor: float, resampling: Image.Resampling) -> Picture:
    high, wide = part.shape[:2]
    small = _resized(part, (round(high / factor), round(wide / factor)), resampling)
    return _resized(small, (high, wide), resampling)


def _resized(part: Picture, size: tuple[int, int], resampling: Image.Resampling) -> Picture:
    return np.asarray(Image.fromarray(part).resize(size[::-1], resampling))
