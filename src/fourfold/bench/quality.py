"""Quality on the benchmark sets: mean PSNR and SSIM on luma, as the super-resolution papers report them."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from fourfold.bench.datasets import SCALE, BenchmarkSet
from fourfold.core.contract import Progress
from fourfold.core.errors import InvalidInput
from fourfold.imaging.metrics import psnr_y, ssim_y
from fourfold.imaging.resize import bicubic
from fourfold.pages.report import text_table

Enlarge = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
"""``h×w×3`` RGB → ``4h×4w×3`` RGB."""


@dataclass(frozen=True)
class Contender:
    """Something that enlarges four times, to be compared with others.

    Attributes:
        name: unique within a comparison.
        enlarge: the function itself.
        how: engine, precision, threads and whatever else someone needs to repeat it.
    """

    name: str
    enlarge: Enlarge
    how: str = ""


@dataclass(frozen=True)
class SetScore:
    """Means over the pictures of one set: PSNR in dB and SSIM, both on luma with a border of 4 removed."""

    set: str
    pictures: int
    psnr_y: float
    ssim_y: float


@dataclass(frozen=True)
class QualityScore:
    """The scores of one contender, in the order of the sets."""

    contender: str
    how: str
    sets: tuple[SetScore, ...]


@dataclass(frozen=True)
class QualityReport:
    """Several contenders scored on the same sets."""

    scores: tuple[QualityScore, ...]


def score(contender: Contender, sets: Iterable[BenchmarkSet], progress: Progress | None = None) -> QualityScore:
    """Run a contender over benchmark sets.

    Args:
        contender: what to score.
        sets: from ``datasets.benchmark_sets``.
        progress: called after each picture with the number done and the number in its set.

    Raises:
        InvalidInput: the contender answered with something else than a ``4h×4w×3`` ``uint8`` picture.
        PictureError: a benchmark picture cannot be read.
    """
    return QualityScore(contender.name, contender.how, tuple(_score_set(contender, one, progress) for one in sets))


def _score_set(contender: Contender, pictures: BenchmarkSet, progress: Progress | None) -> SetScore:
    values = []
    for done, pair in enumerate(pictures.pairs, 1):
        low, high = pair.load()
        output = checked(contender, low)
        values.append((psnr_y(output, high, border=SCALE), ssim_y(output, high, border=SCALE)))
        if progress:
            progress(done, len(pictures.pairs))
    psnrs, ssims = zip(*values, strict=True)
    return SetScore(pictures.name, len(values), math.fsum(psnrs) / len(psnrs), math.fsum(ssims) / len(ssims))


def checked(contender: Contender, low: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Enlarge a picture and make sure that the answer is four times as large.

    Raises:
        InvalidInput: it is not.
    """
    output = contender.enlarge(low)
    wanted = (low.shape[0] * SCALE, low.shape[1] * SCALE, 3)
    if output.shape != wanted or output.dtype != np.uint8:
        raise InvalidInput(f"{contender.name}: expected {wanted} uint8, got {output.shape} {output.dtype}")
    return output


def table(report: QualityReport) -> str:
    """The scores as aligned text, one contender a line, PSNR-Y / SSIM-Y for each set."""
    sets = report.scores[0].sets if report.scores else ()
    header = ["PSNR-Y dB / SSIM-Y", *(f"{one.set} ({one.pictures})" for one in sets)]
    rows = [[one.contender, *(f"{each.psnr_y:.2f} / {each.ssim_y:.4f}" for each in one.sets)] for one in report.scores]
    return text_table([header, *rows])


def _bicubic(low: NDArray[np.uint8]) -> NDArray[np.uint8]:
    enlarged: NDArray[np.uint8] = bicubic(low, (low.shape[0] * SCALE, low.shape[1] * SCALE))
    return enlarged


def _lanczos(low: NDArray[np.uint8]) -> NDArray[np.uint8]:
    size = low.shape[1] * SCALE, low.shape[0] * SCALE
    return np.array(Pillow.fromarray(low).resize(size, Pillow.Resampling.LANCZOS))


BICUBIC = Contender("bicubic", _bicubic, "MATLAB convention, numpy")
LANCZOS = Contender("Lanczos", _lanczos, "Pillow, a = 3")
