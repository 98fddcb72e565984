"""Degradations of the natural style: what happens to photos before someone enlarges them, each kind alone, all seeded.

Most are of second order (Wang et al., Real-ESRGAN, ICCV workshops 2021, section 3): blur, resizing, noise and JPEG,
twice. The others are what people send: photos from messengers, screenshots, scans of prints, night photos, pictures
that a phone sharpened, and slightly missed focus. The ranges are ours.
"""

import math
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fourfold.imaging import degrade
from fourfold.imaging.resize import bicubic
from fourfold.training.data import Degradation

Picture = NDArray[np.uint8]

_FILTERS = (Image.Resampling.BICUBIC, Image.Resampling.BILINEAR, Image.Resampling.BOX, Image.Resampling.LANCZOS)


def clean(high: Picture, _rng: np.random.Generator) -> Picture:
    """Only shrunk."""
    return bicubic(high, _quarter(high))


def hard(high: Picture, rng: np.random.Generator) -> Picture:
    """Second order, hard: blur of up to 3 pixels, noise of up to 30 levels and JPEG down to quality 25."""
    small = high
    if rng.random() < 0.8:
        wide = rng.uniform(0.4, 6.0)
        narrow = wide * rng.uniform(0.4, 1.0) if rng.random() < 0.3 else wide
        small = degrade.gaussian_blur(small, wide, narrow, rng.uniform(0, math.pi))
    part = math.exp(rng.uniform(math.log(0.25), math.log(0.6)))
    small = _resized(small, (round(high.shape[0] * part), round(high.shape[1] * part)), rng)
    small = _noisy(small, rng, 1, 20) if rng.random() < 0.6 else small
    small = degrade.jpeg(small, int(rng.integers(30, 95)), rng) if rng.random() < 0.7 else small
    if rng.random() < 0.4:
        small = degrade.gaussian_blur(small, sigma := rng.uniform(0.2, 1.0), sigma)
    small = _resized(small, _quarter(high), rng)
    small = _noisy(small, rng, 2, 30) if rng.random() < 0.75 else small
    return degrade.jpeg(small, int(rng.integers(25, 95)), rng) if rng.random() < 0.5 else small


def messenger(high: Picture, rng: np.random.Generator) -> Picture:
    """Sent through messengers: shrunk and stored as JPEG two or three times, on other grids and of other sizes."""
    small = degrade.gaussian_blur(high, sigma := rng.uniform(0.5, 2.0), sigma)
    for _ in range(int(rng.integers(1, 3))):
        part = rng.uniform(0.25, 0.5)
        small = _resized(small, (round(high.shape[0] * part), round(high.shape[1] * part)), rng)
        small = degrade.jpeg(small, int(rng.integers(45, 85)), rng)
    return degrade.jpeg(_resized(small, _quarter(high), rng), int(rng.integers(40, 85)), rng)


def screenshot(high: Picture, rng: np.random.Generator) -> Picture:
    """A screenshot of a JPEG that was shown at another size, so that its blocks are not eight pixels wide."""
    part = 0.25 * rng.uniform(0.6, 1.7)
    small = _resized(high, (round(high.shape[0] * part), round(high.shape[1] * part)), rng)
    small = degrade.jpeg(small, int(rng.integers(35, 90)), rng)
    shown = Image.fromarray(small).resize(_quarter(high)[::-1], _FILTERS[rng.integers(2)])
    shot = np.asarray(shown)
    return degrade.jpeg(shot, int(rng.integers(70, 97)), rng) if rng.random() < 0.4 else shot


def scan(high: Picture, rng: np.random.Generator) -> Picture:
    """A scanned print: soft, faded, with the grain of film or paper, dust and hairs; often grey."""
    small = bicubic(degrade.gaussian_blur(high, sigma := rng.uniform(1.5, 5.0), sigma), _quarter(high)).astype(float)
    if rng.random() < 0.4:
        small = np.repeat(small @ np.array([[0.299], [0.587], [0.114]]), 3, axis=2)
    small = rng.uniform(0, 50) + small * rng.uniform(0.6, 0.95)
    grain = _grain(small.shape[:2], rng.uniform(0.4, 1.2), rng)[..., None] * rng.uniform(2, 14)
    small += grain * rng.uniform(0.6, 1.0, 3)
    small = _dusty(np.clip(small, 0, 255), rng) if rng.random() < 0.5 else small
    return degrade.jpeg(degrade.levels_of(small), int(rng.integers(50, 95)), rng)


def night(high: Picture, rng: np.random.Generator) -> Picture:
    """Taken in the dark: noise of light, blotches of colour, then a camera's smoothing and JPEG."""
    small = bicubic(degrade.gaussian_blur(high, sigma := rng.uniform(1.0, 4.0), sigma), _quarter(high)).astype(float)
    small *= rng.uniform(0.4, 1.0)
    deviation = rng.uniform(4, 18) * np.sqrt(0.3 + small.mean(axis=2, keepdims=True) / 128)
    small += deviation * rng.standard_normal((*small.shape[:2], 1))
    for place, gain in enumerate((0.7, -0.3, 1.0)):
        blotches = _grain(small.shape[:2], rng.uniform(0.7, 2.5), rng)
        small[..., place] += gain * rng.uniform(0.3, 0.9) * deviation[..., 0] * blotches
    noisy = degrade.levels_of(small)
    if rng.random() < 0.5:
        noisy = degrade.gaussian_blur(noisy, sigma := rng.uniform(0.3, 0.8), sigma)
    return degrade.jpeg(noisy, int(rng.integers(45, 95)), rng)


def oversharpened(high: Picture, rng: np.random.Generator) -> Picture:
    """As phones make it: noise smoothed away, then sharpened until edges have halos."""
    small = bicubic(degrade.gaussian_blur(high, sigma := rng.uniform(0.5, 3.0), sigma), _quarter(high))
    small = _noisy(small, rng, 1, 8)
    small = degrade.gaussian_blur(small, sigma := rng.uniform(0.3, 0.7), sigma)
    small = degrade.sharpen(small, rng.uniform(0.6, 2.0), rng.uniform(0.6, 1.8))
    return degrade.jpeg(small, int(rng.integers(55, 95)), rng)


def unfocused(high: Picture, rng: np.random.Generator) -> Picture:
    """Focus missed a little: every point is a disc of up to 2.5 pixels around, seen with a little noise."""
    radius = rng.uniform(2, 10)
    small = bicubic(_spread(high, radius), _quarter(high))
    return degrade.jpeg(_noisy(small, rng, 0.3, 5), int(rng.integers(60, 97)), rng)


def noisy(high: Picture, rng: np.random.Generator) -> Picture:
    """Noise of 4 to 32 levels, often resized or smoothed since, so that it is blotched, and perhaps stored as JPEG."""
    small = high
    if rng.random() < 0.5:
        small = degrade.gaussian_blur(small, sigma := rng.uniform(0.4, 5.0), sigma)
    part = 0.25 * (1.0 if rng.random() < 0.5 else math.exp(rng.uniform(math.log(0.6), math.log(1.5))))
    small = _resized(small, (round(high.shape[0] * part), round(high.shape[1] * part)), rng)
    small = _noisy(small, rng, 4, 32)
    if rng.random() < 0.3:
        small = degrade.gaussian_blur(small, sigma := rng.uniform(0.3, 0.8), sigma)
    if part != 0.25:
        small = _resized(small, _quarter(high), rng)
    return degrade.jpeg(small, int(rng.integers(40, 96)), rng) if rng.random() < 0.35 else small


KINDS: Mapping[str, tuple[float, Degradation]] = MappingProxyType({
    "light": (0.10, degrade.photo), "hard": (0.26, hard), "messenger": (0.12, messenger),
    "screenshot": (0.08, screenshot), "scan": (0.09, scan), "night": (0.09, night), "noisy": (0.18, noisy),
    "oversharpened": (0.04, oversharpened), "unfocused": (0.04, unfocused),
})  # fmt: skip
"""By name: how probable, and what happens. Of clean photos the truth is the teacher, see ``mild``."""


def degraded(high: Picture, rng: np.random.Generator) -> Picture:
    """A photo ``4H×4W×3`` as a small one ``H×W×3``, degraded by one of ``KINDS`` at random."""
    weights, kinds = zip(*KINDS.values(), strict=True)
    chosen = kinds[rng.choice(len(kinds), p=np.array(weights) / sum(weights))]
    small: Picture = chosen(high, rng)
    return small


def mild(high: Picture, rng: np.random.Generator) -> Picture:
    """A photo ``4H×4W×3`` as a small one ``H×W×3`` that is clean or nearly so: of it more is known than guessed."""
    small = clean(high, rng)
    if rng.random() < 0.4:
        small = _noisy(small, rng, 0.3, 2.5)
    return degrade.jpeg(small, int(rng.integers(80, 98)), rng) if rng.random() < 0.5 else small


BY_NAME: Mapping[str, Degradation | None] = MappingProxyType(
    {"none": None, "photo": degrade.photo, "mild": mild, "natural": degraded}
)
"""What a stage of a recipe may say."""


def _noisy(picture: Picture, rng: np.random.Generator, least: float, most: float) -> Picture:
    shot, grey = rng.uniform(0, 0.7), bool(rng.random() < 0.4)
    return degrade.noise(picture, rng.uniform(least, most), rng, shot=shot, grey=grey)


def _grain(shape: tuple[int, ...], size: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Normal noise ``H×W`` of deviation one, correlated over ``size`` pixels."""
    spectrum = np.fft.rfft2(rng.standard_normal(shape))
    fy, fx = np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None]
    grain = np.fft.irfft2(spectrum * np.exp(-2 * (math.pi * size) ** 2 * (fy**2 + fx**2)), shape)
    return np.asarray(grain / grain.std())


def _dusty(values: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.floating]:
    """Bright or dark specks and hairs on ``H×W×3``."""
    height, width = values.shape[:2]
    for _ in range(int(rng.poisson(height * width / 3000))):
        way = np.cumsum(rng.normal(0, 0.4, (int(rng.integers(1, 24)), 2)) + rng.normal(0, 0.5, 2), axis=0)
        rows, columns = (way + rng.uniform(0, (height, width))).astype(int).T
        inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        shade, strength = rng.choice([0.0, 255.0]), rng.uniform(0.3, 0.9)
        values[rows[inside], columns[inside]] += strength * (shade - values[rows[inside], columns[inside]])
    return values


def _spread(picture: Picture, radius: float) -> Picture:
    """``picture`` as if every point were a disc of ``radius`` pixels."""
    margin = math.ceil(radius) + 1
    steps = np.arange(-margin, margin + 1)
    disc = np.clip(radius + 0.5 - np.hypot(steps[:, None], steps[None]), 0, 1)
    padded = np.pad(picture.astype(np.float32), ((margin, margin), (margin, margin), (0, 0)), mode="reflect")
    gain = np.fft.rfft2(np.fft.ifftshift(_centred(disc / disc.sum(), padded.shape[:2])))
    spread = np.fft.irfft2(np.fft.rfft2(padded, axes=(0, 1)) * gain[..., None], padded.shape[:2], axes=(0, 1))
    return degrade.levels_of(spread[margin : margin + picture.shape[0], margin : margin + picture.shape[1]])


def _centred(kernel: NDArray[np.floating], shape: tuple[int, ...]) -> NDArray[np.floating]:
    field = np.zeros(shape)
    top, left = (length // 2 - side // 2 for length, side in zip(shape, kernel.shape, strict=True))
    field[top : top + kernel.shape[0], left : left + kernel.shape[1]] = kernel
    return field


def _resized(picture: Picture, size: tuple[int, int], rng: np.random.Generator) -> Picture:
    return np.asarray(Image.fromarray(picture).resize(size[::-1], _FILTERS[rng.integers(len(_FILTERS))]))


def _quarter(high: Picture) -> tuple[int, int]:
    return high.shape[0] // 4, high.shape[1] // 4
