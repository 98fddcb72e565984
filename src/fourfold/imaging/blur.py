"""Estimate the blur of a picture: sharp, soft or motion-blurred, with its extent and direction.

Camera shake removes fine detail along its direction everywhere in a picture, but not across it; a missed focus removes
it in all directions; in a sharp picture at least some parts keep it in every direction. So squares all over the picture
are Fourier-transformed. For each direction the ratio of fine to coarse energy is recorded, as quantiles over the
squares that have coarse detail there. The profile over directions, rotated to begin along the likely shake, is weighted
with coefficients that ``scripts/fit_blur.py`` fits on photos blurred by ``imaging.camera``.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fourfold.imaging import metrics
from fourfold.imaging.blas import one_thread
from fourfold.imaging.spectra import energies

Kind = Literal["sharp", "soft", "motion"]
KINDS: tuple[Kind, ...] = ("sharp", "soft", "motion")

SHARP = 0.02
"""Probability from which on a picture counts as sharp: better leave a blurred one alone than change a sharp one.

Of 282 photos for training, unshaken, five windows lie below; four of these were out of focus when looked at.
"""

_SIDE, _STRIDE, _SQUARES = 64, 32, 1024  # of the squares: their side, how close they lie, and how many there are
_BANDS = (0.04, 0.08, 0.14, 0.22, 0.32, 0.45)  # edges in cycles per pixel; the first band is the coarse detail
_DIRECTIONS = 16
_QUANTILES = (0.5, 0.9)
_CONTRAST = 1000.0  # energy of coarse detail, in squared 8-bit levels, from which on a square has any
_FLOOR = (0.2, 0.3)  # energy that counts as none: a constant, and a fraction of the noise


@dataclass(frozen=True)
class Blur:
    """What blur was seen.

    Attributes:
        kind: ``sharp``; ``soft``: out of focus, or of less detail than its size can hold; or ``motion``.
        extent: about how many pixels a point is smeared over, 0 if sharp.
        direction: of the motion in degrees, 0 along the rows, counter-clockwise up to 180; None without motion.
        probability: of the kind, as the fitted coefficients see it.
    """

    kind: Kind
    extent: float
    direction: float | None
    probability: float

    def __str__(self) -> str:
        """A sentence's subject and verb, to be continued."""
        if self.kind == "motion":
            return f"the picture looks moved by about {self.extent:.0f} pixels at {self.direction:.0f}°"
        if self.kind == "soft":
            return "the picture looks out of focus or soft"
        return "the picture may be blurred" if self.doubtful else "the picture looks sharp"

    @property
    def doubtful(self) -> bool:
        """Whether it counts as sharp only because that is not sure enough to change it."""
        return self.kind == "sharp" and self.probability < 0.5


def estimate(pixels: NDArray[Any]) -> Blur:
    """Judge a picture ``H×W×C`` of ``uint8``, ``uint16`` or floats in 0..1."""
    found = features(pixels)
    if found is None:
        return Blur("sharp", 0.0, None, 1.0)
    values, direction = found
    fitted = _fitted()
    standard = np.append((values - fitted["mean"]) / fitted["deviation"], 1)
    scores = fitted["kinds"] @ standard
    probabilities = np.exp(scores - scores.max())
    probabilities /= probabilities.sum()
    kind = "sharp" if probabilities[0] >= SHARP else KINDS[1 + int(probabilities[2] > probabilities[1])]
    extent = 0.0 if kind == "sharp" else float(2 ** np.clip(fitted["extent"] @ standard, 0, 6))
    way = direction if kind == "motion" else None
    return Blur(kind, round(extent, 1), way, round(float(probabilities[KINDS.index(kind)]), 3))


def features(pixels: NDArray[Any]) -> tuple[NDArray[np.float64], float] | None:
    """The profile of a picture over the directions, beginning along the likely shake, and that shake's direction.

    Returns:
        Octaves by which the fine bands lie below the coarse one, for each quantile, band and angle from the shake;
        and degrees, counter-clockwise from the rows. None if the picture has no detail to judge by.
    """
    with one_thread():
        energy = _energies(metrics.luma(pixels))
    noise = float(np.percentile(energy[:, -1].mean(axis=1), 5))
    octaves = np.log2(np.maximum(energy - noise, 0) + _FLOOR[0] + _FLOOR[1] * noise)
    judged = energy[:, 0] - noise > _CONTRAST * (1 + noise)
    enough = judged.sum(axis=0) >= 3
    if not enough.any():
        return None
    profile = np.empty((len(_QUANTILES), len(_BANDS) - 2, _DIRECTIONS))
    for way in np.flatnonzero(enough):
        below = octaves[judged[:, way], 1:, way] - octaves[judged[:, way], :1, way]
        profile[:, :, way] = np.quantile(below, _QUANTILES, axis=0)
    profile[:, :, ~enough] = profile[:, :, enough].mean(axis=2, keepdims=True)
    start = _shake(profile[-1, 1:3].sum(axis=0))
    turned = np.roll(profile, -start, axis=2)
    half = _DIRECTIONS // 2
    mirrored = turned[:, :, : half + 1].copy()
    mirrored[:, :, 1:half] = (mirrored[:, :, 1:half] + turned[:, :, :half:-1]) / 2
    return mirrored.ravel(), float(-start % _DIRECTIONS * (180 / _DIRECTIONS))


def _shake(sharpness: NDArray[np.float64]) -> int:
    """The direction along which little is left, and across which most is."""
    around = sum(np.roll(sharpness, shift) for shift in range(-2, 3)) / 5
    return int(np.argmax(np.roll(sharpness, -_DIRECTIONS // 2) - around))


def _energies(luma: NDArray[np.float32]) -> NDArray[np.float64]:
    """``squares × bands × directions``, in squared levels."""
    missing = [(0, max(0, _SIDE - side)) for side in luma.shape]
    luma = np.pad(luma, missing, mode="reflect")
    stride = max(_STRIDE, int(np.ceil((luma.size / _SQUARES) ** 0.5)))
    squares = np.lib.stride_tricks.sliding_window_view(luma, (_SIDE, _SIDE))[::stride, ::stride].reshape(
        -1, _SIDE, _SIDE
    )
    taper = np.hanning(_SIDE + 2)[1:-1].astype(np.float32)
    return energies(squares, taper, _BANDS, _DIRECTIONS).astype(np.float64)


@cache
def _fitted() -> dict[str, NDArray[np.float64]]:
    text = (files("fourfold.imaging") / "blur.json").read_text("utf-8")
    return {name: np.array(values) for name, values in json.loads(text).items()}
