"""Degrade photos as happens to real ones: blur, shrinking, noise, sharpening and JPEG, all seeded.

``photo`` degrades twice in a row, each time with random strengths: the second-order degradation of Real-ESRGAN (Wang et
al., ICCV workshops 2021, section 3). The ranges are ours: milder, like what phones and messengers do to photos.
"""

import io
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from fourfold.imaging.resize import bicubic

Picture = NDArray[np.uint8]

_FILTERS = (Image.Resampling.BICUBIC, Image.Resampling.BILINEAR, Image.Resampling.BOX, Image.Resampling.LANCZOS)


def photo(high: Picture, rng: np.random.Generator) -> Picture:
    """A photo of a quarter of the width and height, degraded at random as real small photos are.

    Args:
        high: ``4H×4W×3``. rng: decides everything; one in ten photos is only shrunk.

    Returns:
        ``H×W×3``.
    """
    size = (high.shape[0] // 4, high.shape[1] // 4)
    kind = rng.random()
    if kind < 0.25:
        small = bicubic(high, size)
        return small if kind < 0.1 else jpeg(small, int(rng.integers(70, 98)), rng)
    small = high
    if rng.random() < 0.8:
        wide = rng.uniform(0.3, 3.0)
        narrow = wide * rng.uniform(0.4, 1.0) if rng.random() < 0.3 else wide
        small = gaussian_blur(small, wide, narrow, rng.uniform(0, math.pi))
    part = math.exp(rng.uniform(math.log(0.25), 0))
    small = _resize(small, (round(high.shape[0] * part), round(high.shape[1] * part)), rng)
    small = _noisy_jpeg(small, rng, noise_up_to=12, likely=0.5, worst_quality=40)
    if rng.random() < 0.3:
        small = gaussian_blur(small, sigma := rng.uniform(0.2, 0.8), sigma)
    small = _resize(small, size, rng)
    if rng.random() < 0.3:
        small = sharpen(small, rng.uniform(0.3, 1.0), rng.uniform(0.5, 1.2))
    return _noisy_jpeg(small, rng, noise_up_to=16, likely=0.6, worst_quality=40)


def gaussian_blur(picture: Picture, sigma: float, across: float, angle: float = 0.0) -> Picture:
    """Blur with a Gaussian of deviation ``sigma`` pixels along ``angle`` (radians) and ``across`` across it."""
    if sigma == across:
        return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(sigma)))
    margin = math.ceil(3 * max(sigma, across))
    padded = np.pad(picture.astype(np.float32), ((margin, margin), (margin, margin), (0, 0)), mode="reflect")
    fy = np.fft.fftfreq(padded.shape[0])[:, None]
    fx = np.fft.rfftfreq(padded.shape[1])[None]
    along = fx * math.cos(angle) + fy * math.sin(angle)
    aside = fy * math.cos(angle) - fx * math.sin(angle)
    gain = np.exp(-2 * math.pi**2 * ((sigma * along) ** 2 + (across * aside) ** 2)).astype(np.float32)
    blurred = np.fft.irfft2(np.fft.rfft2(padded, axes=(0, 1)) * gain[..., None], padded.shape[:2], axes=(0, 1))
    return levels_of(blurred[margin : margin + picture.shape[0], margin : margin + picture.shape[1]])


def noise(
    picture: Picture, sigma: float, rng: np.random.Generator, *, shot: float = 0.0, grey: bool = False
) -> Picture:
    """Add Gaussian noise of ``sigma`` levels; a fraction ``shot`` of its variance grows with brightness (shot noise).

    Args:
        picture: ``H×W×3``. grey: the same noise in all three colours.
    """
    drawn = rng.standard_normal((*picture.shape[:2], 1 if grey else 3), dtype=np.float32)
    variance = sigma**2 * (1 - shot + shot * picture.astype(np.float32) / 127.5)
    return levels_of(picture + drawn * np.sqrt(variance))


def sharpen(picture: Picture, amount: float, radius: float) -> Picture:
    """Unsharp masking: add ``amount`` times what a Gaussian blur of ``radius`` pixels removes."""
    soft = np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(radius)), np.float32)
    return levels_of(picture + amount * (picture - soft))


def jpeg(picture: Picture, quality: int, rng: np.random.Generator | None = None) -> Picture:
    """Store as JPEG of ``quality`` 1 to 100 and read back; ``rng`` makes block grid and chroma sampling random."""
    top, left = rng.integers(0, 8, 2) if rng is not None else (0, 0)
    padded = np.pad(picture, ((top, 0), (left, 0), (0, 0)), mode="symmetric")
    stored = io.BytesIO()
    subsampling = 2 if rng is None or rng.random() < 0.7 else 0
    Image.fromarray(padded).save(stored, "JPEG", quality=quality, subsampling=subsampling)
    with Image.open(stored) as read:
        return np.asarray(read)[top:, left:]


def _noisy_jpeg(
    picture: Picture, rng: np.random.Generator, *, noise_up_to: float, likely: float, worst_quality: int
) -> Picture:
    if rng.random() < likely:
        shot, grey = rng.uniform(0, 0.7), bool(rng.random() < 0.4)
        picture = noise(picture, rng.uniform(0.5, noise_up_to), rng, shot=shot, grey=grey)
    return jpeg(picture, int(rng.integers(worst_quality, 98)), rng) if rng.random() < 0.85 else picture


def _resize(picture: Picture, size: tuple[int, int], rng: np.random.Generator) -> Picture:
    if picture.shape[:2] == size:
        return picture
    return np.asarray(Image.fromarray(picture).resize(size[::-1], _FILTERS[rng.integers(len(_FILTERS))]))


def levels_of(values: NDArray[np.floating]) -> Picture:
    """Values of any size as levels of 0 to 255, rounded."""
    levels: Picture = np.rint(np.clip(values, 0, 255)).astype(np.uint8)
    return levels
