"""Quality on the benchmark sets: mean PSNR and SSIM on luma, as the papers report them, and ST-LPIPS if asked for."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from fourfold.bench.artefacts import Artefacts, artefacts
from fourfold.bench.datasets import SCALE, BenchmarkSet
from fourfold.core.contract import Progress
from fourfold.core.errors import InvalidInput
from fourfold.imaging.metrics import psnr_y, ssim_y
from fourfold.imaging.resize import bicubic
from fourfold.pages.report import text_table

Measure = Callable[[NDArray[np.uint8], NDArray[np.uint8]], float]
"""An output and the truth to a figure."""

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
    """Means over the pictures of one set: PSNR in dB and SSIM on luma, with a border of 4 removed, and ST-LPIPS.

    ``artefacts`` is there for degraded sets: the means of outputs over those of truths.
    """

    set: str
    pictures: int
    psnr_y: float
    ssim_y: float
    st_lpips: float | None = None
    artefacts: Artefacts | None = None


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


def score(
    contender: Contender,
    sets: Iterable[BenchmarkSet],
    progress: Progress | None = None,
    st_lpips: Measure | None = None,
) -> QualityScore:
    """Run a contender over benchmark sets.

    Args:
        contender: what to score.
        sets: from ``datasets.benchmark_sets``.
        progress: called after each picture with the number done and the number in its set.
        st_lpips: see ``perceptual.st_lpips``; None leaves it out.

    Raises:
        InvalidInput: the contender answered with something else than a ``4h×4w×3`` ``uint8`` picture.
        PictureError: a benchmark picture cannot be read.
    """
    return QualityScore(
        contender.name, contender.how, tuple(_score_set(contender, one, progress, st_lpips) for one in sets)
    )


def _score_set(
    contender: Contender, pictures: BenchmarkSet, progress: Progress | None, st_lpips: Measure | None
) -> SetScore:
    measures: list[Measure] = [partial(psnr_y, border=SCALE), partial(ssim_y, border=SCALE)]
    measures += [st_lpips] if st_lpips else []
    values, compared = [], []
    for done, pair in enumerate(pictures.pairs, 1):
        low, high = pair.load()
        output = checked(contender, low)
        values.append([measure(output, high) for measure in measures])
        if pair.damage:
            compared.append(artefacts(output, high))
        if progress:
            progress(done, len(pictures.pairs))
    means = [math.fsum(column) / len(values) for column in zip(*values, strict=True)]
    ratios = np.divide(*np.sum(compared, axis=0)) if compared else ()
    return SetScore(
        pictures.name, len(values), means[0], means[1], means[2] if st_lpips else None,
        Artefacts(*map(float, ratios)) if compared else None,
    )  # fmt: skip


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
    """The scores as aligned text, one contender a line: PSNR-Y / SSIM-Y / ST-LPIPS, if measured, then artefacts."""
    sets = report.scores[0].sets if report.scores else ()
    measured = " / ST-LPIPS" if any(one.st_lpips is not None for one in sets) else ""
    header = [f"PSNR-Y dB / SSIM-Y{measured}", *(f"{one.set} ({one.pictures})" for one in sets)]
    rows = [[one.contender, *map(_figures, one.sets)] for one in report.scores]
    return "\n\n".join([text_table([header, *rows]), *_artefacts(report)])


def _artefacts(report: QualityReport) -> list[str]:
    """A table of the degraded sets, if there are any."""
    sets = [one for one in report.scores[0].sets if one.artefacts] if report.scores else []
    header = ["noise / worms / grid, times the truth's", *(one.set for one in sets)]
    rows = [
        [
            one.contender,
            *(" / ".join(f"{value:.2f}" for value in each.artefacts) for each in one.sets if each.artefacts),
        ]
        for one in report.scores
    ]
    return [text_table([header, *rows])] if sets else []


def _figures(one: SetScore) -> str:
    perceptual = "" if one.st_lpips is None else f" / {one.st_lpips:.3f}"
    return f"{one.psnr_y:.2f} / {one.ssim_y:.4f}{perceptual}"


def _bicubic(low: NDArray[np.uint8]) -> NDArray[np.uint8]:
    enlarged: NDArray[np.uint8] = bicubic(low, (low.shape[0] * SCALE, low.shape[1] * SCALE))
    return enlarged


def _lanczos(low: NDArray[np.uint8]) -> NDArray[np.uint8]:
    size = low.shape[1] * SCALE, low.shape[0] * SCALE
    return np.array(Pillow.fromarray(low).resize(size, Pillow.Resampling.LANCZOS))


BICUBIC = Contender("bicubic", _bicubic, "MATLAB convention, numpy")
LANCZOS = Contender("Lanczos", _lanczos, "Pillow, a = 3")
