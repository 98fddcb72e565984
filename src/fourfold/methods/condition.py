"""Judge the condition of a photo (motion blur, noise, compression, enlargement), and choose the style that suits it.

A recogniser classifies the condition from the traces in windows all over the photo. Noise and JPEG blocks are also
measured, because its classes are for strong damage ("heavily compressed") and slight damage is worth repairing, too.
It only names motion blur; ``imaging.blur`` estimates extent and direction, and whether undoing it is worth while.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from fourfold.catalog.card import Style
from fourfold.core.image import Image
from fourfold.imaging.metrics import luma, quantiles
from fourfold.imaging.traces import traces, windows

Kind = Literal["sharp", "motion-blurred", "noisy", "compressed", "enlarged"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_NOISE, _BLOCKS = 4.0, 0.4
"""Levels of 255 above which a photo needs repair, wherever it comes from."""

_NOISE_LOSSY, _BLOCKS_LOSSY = 2.0, 0.25
"""The same for a file that is compressed with loss anyway. Blocks of 0.25 are those of about JPEG quality 90."""

_CERTAIN = 0.7
"""Probability from which on the recogniser's word alone asks for repair."""

_DOMINANT = 0.6
"""Fraction of one kind among many photos above which a uniform prior over the kinds is clearly wrong."""

_STEP = 4.0
"""Levels of a step at most: a grid of blocks is many small steps, not a few large ones."""

_SMALLEST = 16
"""Pixels a side below which a picture shows nothing but itself."""

_FEW, _MANY, _SAMPLE = 32, 256, 1 << 16
"""Colours that any drawing has at most, and one with areas of a colour; pixels that are looked at."""


PROMPTS: dict[Kind, str] = {
    "sharp": "a sharp photo",
    "motion-blurred": "a motion-blurred photo",
    "noisy": "a noisy photo",
    "compressed": "a heavily compressed photo",
    "enlarged": "a tiny photo enlarged",
}
"""What the recogniser compares a photo with, in the order of its probabilities."""

Recognise = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""``N×74`` traces in windows of one photo → the probability of each kind."""


@dataclass(frozen=True)
class Condition:
    """What was found in a photo.

    Attributes:
        kind: what the recogniser calls it; certainty: its probability of that kind, 0 to 1.
        noise: standard deviation of luma where it is flattest, in levels of 255.
        blocks: mean lone step of luma across the strongest grid of eight pixels, beyond that elsewhere, in levels.
        lossy: whether its file is compressed with loss.
        drawn: whether it is no photo but drawn with a few colours, as sprites and screenshots are.
    """

    kind: Kind
    certainty: float
    noise: float
    blocks: float
    lossy: bool
    drawn: bool = False

    def __str__(self) -> str:
        return f"{PROMPTS[self.kind]} ({self.certainty:.0%})"

    @property
    def style(self) -> tuple[Style, str]:
        """``natural`` where there is something to repair, else ``faithful``, and a sentence that says why."""
        if self.drawn:
            return "faithful", "drawn with few colours, no lossy file: nothing to repair"
        noise, blocks = (_NOISE_LOSSY, _BLOCKS_LOSSY) if self.lossy else (_NOISE, _BLOCKS)
        found = f"noise {self.noise:.1f} and JPEG blocks {self.blocks:.2f} of 255 levels"
        file = "a lossy file" if self.lossy else "no lossy file"
        named = self.kind in ("noisy", "compressed") and self.certainty >= _CERTAIN
        if named or self.noise > noise or self.blocks > blocks:
            return "natural", f"{self}, {file} with {found}: there is damage to repair"
        return "faithful", f"{self}, {file} with {found}: clean"


def condition(image: Image, recognise: Recognise) -> Condition:
    """Look at a picture's pixels; a few milliseconds a megapixel, and about ten for the recogniser.

    Colours that transparency hides are not looked at. Where nothing is left to recognise (no window without them, one
    colour only, fewer than 16 pixels a side, a drawing), every kind is as likely as the others.
    """
    plane, hidden = luma(image.pixels), None if image.alpha is None else image.alpha <= 0
    if hidden is not None:
        plane = np.where(hidden, np.float32(np.nan), plane)
    drawing = not image.lossy and drawn(image)
    seen = windows(image.pixels, hidden=hidden)
    if drawing or min(image.size) < _SMALLEST:
        seen = seen[:0]
    lines = seen.reshape(len(seen), math.prod(seen.shape[1:]))
    seen = seen[(lines[:, 3:] != lines[:, :-3]).any(axis=1)]  # of more than one colour
    probabilities = recognise(traces(seen)) if len(seen) else np.full(len(KINDS), 1 / len(KINDS), np.float32)
    kind = int(probabilities.argmax())
    both = max(blocks(plane), blocks(plane.T))
    return Condition(KINDS[kind], round(float(probabilities[kind]), 3), noise(plane), both, image.lossy, drawing)


def drawn(image: Image) -> bool:
    """Whether a picture has the few colours of a drawing; a photo that was damaged has many.

    Few are at most 32, or 256 if it is not grey and at least every second pixel has the colour of its neighbour.
    """
    looked_at = image.pixels[:: max(1, image.pixels.size // (3 * _SAMPLE))]
    if _different(_codes(_levels(looked_at[:: max(1, len(looked_at) // 8)]))) > _MANY:
        return False  # a few rows suffice for most photos
    levels = _levels(looked_at)
    codes = _codes(levels)
    colours = _different(codes)
    if colours < 2 or colours > _MANY:
        return False
    alike = codes.shape[1] > 1 and float((codes[:, 1:] == codes[:, :-1]).mean()) >= 0.5
    return colours <= _FEW or (alike and levels.shape[2] == 3 and bool((np.ptp(levels, axis=2) > 0).any()))


def _levels(pixels: NDArray[np.float32]) -> NDArray[np.int32]:
    return np.rint(pixels * 255).astype(np.int32)


def _codes(levels: NDArray[np.int32]) -> NDArray[np.int32]:
    """A number for each pixel's colour, ``H×W``."""
    return levels @ (256 ** np.arange(levels.shape[2])).astype(np.int32)


def _different(codes: NDArray[np.int32]) -> int:
    ordered = np.sort(codes, axis=None)
    return 1 + int((ordered[1:] != ordered[:-1]).sum())


def dominant(kinds: NDArray[np.int64]) -> int | None:
    """The number of the kind that more than 60 % of ``N`` photos have, if there is one."""
    counts = np.bincount(kinds, minlength=len(KINDS))
    return int(counts.argmax()) if counts.max() > _DOMINANT * len(kinds) else None


def noise(plane: NDArray[np.float32], side: int = 16) -> float:
    """Standard deviation of the noise of ``H×W`` luma, by Immerkær's mask (1996) where a tenth is flatter.

    The mask is blind to slopes, and the flattest tenth of the ``side×side`` blocks to most texture. Blocks that touch
    what is NaN do not count; 0 if there is no other.
    """
    if min(plane.shape) < side + 2:
        return 0.0
    rows = plane[:-2] - 2 * plane[1:-1] + plane[2:]
    both = np.abs(rows[:, :-2] - 2 * rows[:, 1:-1] + rows[:, 2:])
    high, wide = (length // side * side for length in both.shape)
    means = both[:high, :wide].reshape(high // side, side, wide // side, side).mean((1, 3))
    means = means[~np.isnan(means)]
    if not means.size:
        return 0.0
    return float(quantiles(means[None], (0.1,))[0, 0] * np.sqrt(np.pi / 2) / 6)


def blocks(plane: NDArray[np.float32]) -> float:
    """How much stronger lone steps of ``H×W`` luma are between columns eight apart, at the strongest offset.

    A lone step is what a step between two columns has beyond the larger of its neighbours; edges and texture have those
    at every offset alike. Steps to and from what is NaN do not count.
    """
    if plane.shape[1] < 24:
        return 0.0
    steps = np.abs(np.diff(plane, axis=1))
    lone = np.clip(steps[:, 1:-1] - np.maximum(steps[:, :-2], steps[:, 2:]), 0, _STEP)
    counted = ~np.isnan(lone)
    sums, counts = lone.sum(0, where=counted), counted.sum(0)
    by_offset = [float(sums[offset::8].sum() / max(1, counts[offset::8].sum())) for offset in range(8)]
    return max(by_offset) - sum(sorted(by_offset)[3:5]) / 2  # np.median imports numpy.ma, which takes milliseconds
