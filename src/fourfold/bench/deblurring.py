"""Measure deblurring: on held-out photos with simulated shake, on real pairs, on sharp photos, and its speed."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fourfold.bench.datasets import Picture, read
from fourfold.core.errors import UsageError
from fourfold.imaging.blur import KINDS, Kind, estimate
from fourfold.imaging.camera import Camera, Window, photographed
from fourfold.imaging.metrics import psnr_y, ssim_y
from fourfold.pages.report import text_table

Deblur = Callable[[Picture], Picture]
"""``H×W×3`` → ``H×W×3``."""

PAIRS = 40
"""Windows of held-out photos that simulated camera shake is applied to."""

SIMULATED, LEVIN = "simulated shake (40)", "Levin-8"
"""Names of the two sets."""

CAMERA = Camera()
_SIDE = 480
_EQUAL = 60.0  # dB from which on nobody sees a difference
_SHIFT, _BORDER = 6, 20  # of the Levin pairs, whose kernels are not centred: how far to look, and what is left out


@dataclass(frozen=True)
class BlurredPair:
    """A blurry picture and the sharp one, ``H×W×3`` of one size."""

    name: str
    blurry: Picture
    sharp: Picture


@dataclass(frozen=True)
class DeblurScore:
    """A set of pairs: means over it of PSNR in dB and SSIM, on luma, of the blurry pictures and of the deblurred ones.

    Attributes:
        better: pictures whose PSNR rose.
    """

    set: str
    pairs: int
    psnr_y_input: float
    ssim_y_input: float
    psnr_y: float
    ssim_y: float
    better: int


@dataclass(frozen=True)
class SharpScore:
    """What becomes of sharp pictures.

    Attributes:
        pictures: how many; untouched: that came back bit for bit.
        forced: mean PSNR-Y in dB if none is left alone.
        noisy_loss, noisy_worst: dB that they lost on average and at most, with noise and JPEG but without shake;
            more than 60 dB count as 60.
    """

    pictures: int
    untouched: int
    forced: float
    noisy_loss: float
    noisy_worst: float


@dataclass(frozen=True)
class Cost:
    """One network: trillions of multiply-accumulates and seconds for a megapixel, and its parameters."""

    network: str
    parameters: int
    teramacs: float
    seconds: float


@dataclass(frozen=True)
class DeblurBenchmark:
    """Everything measured; ``judged`` counts pictures by what they were (rows) and were taken for, as in ``KINDS``."""

    sets: tuple[DeblurScore, ...]
    sharp: SharpScore
    judged: tuple[tuple[int, ...], ...]
    costs: tuple[Cost, ...]


def simulated_shake(photos: Sequence[Path], camera: Camera = CAMERA, count: int = PAIRS) -> Iterator[BlurredPair]:
    """Windows of photos, at most 480×480 pixels, with simulated camera shake; the same ones each time."""
    for number in range(count):
        path = photos[number % len(photos)]
        scene = read(path)
        rng = np.random.default_rng([40, number])
        spans = []
        for length in scene.shape[:2]:
            side = min(_SIDE, length)
            first = int(rng.integers(length - side + 1))
            spans += [first, first + side]
        yield BlurredPair(f"{path.stem}-{number}", *photographed(scene, rng, camera, Window(*spans)))


def levin(folder: Path) -> Iterator[BlurredPair]:
    """The pairs of a folder that holds ``blur`` and ``sharp``.

    Raises:
        UsageError: there are none. PictureError: one cannot be read.
    """
    blurry = sorted((folder / "blur").glob("*.png"))
    if not blurry:
        raise UsageError(f"{folder}: expected pairs of pictures in blur and sharp")
    for path in blurry:
        yield BlurredPair(path.stem, read(path), read(folder / "sharp" / path.name))


def aligned(picture: Picture, sharp: Picture) -> tuple[Picture, Picture]:
    """Both without their borders, the first moved by whole pixels to where its PSNR is best: blur may have moved it."""
    inner = slice(_BORDER, -_BORDER)
    reach = range(-_SHIFT, _SHIFT + 1)
    moved = (np.roll(picture, (down, right), (0, 1))[inner, inner] for down in reach for right in reach)
    truth = sharp[inner, inner]
    return max(moved, key=lambda candidate: psnr_y(candidate, truth, border=0)), truth


def score(name: str, pairs: Iterable[BlurredPair], deblur: Deblur, align: bool = False) -> DeblurScore:
    """Deblur the blurry picture of every pair and compare both with the sharp one, if need be ``aligned``."""
    rows = []
    for pair in pairs:
        row: list[float] = []
        for picture in (pair.blurry, deblur(pair.blurry)):
            compared = aligned(picture, pair.sharp) if align else (picture, pair.sharp)
            row += [psnr_y(*compared, border=0), ssim_y(*compared, border=0)]
        rows.append(row)
    table = np.array(rows)
    psnr_input, ssim_input, psnr, ssim = (float(mean) for mean in table.mean(axis=0))
    better = int((table[:, 2] > table[:, 0]).sum())
    return DeblurScore(name, len(rows), psnr_input, ssim_input, psnr, ssim, better)


def score_sharp(photos: Sequence[Path], careful: Deblur, always: Deblur) -> SharpScore:
    """How sharp pictures come out: the windows of ``simulated_shake``, but without shake.

    Args:
        careful: leaves sharp pictures alone; always: never does.
    """
    pristine = list(simulated_shake(photos, Camera(still=1, plain=0, grey=0, glare=1, shot=0, read=0, raw=1)))
    untouched = sum(np.array_equal(careful(pair.sharp), pair.sharp) for pair in pristine)
    forced = [psnr_y(always(pair.sharp), pair.sharp, border=0) for pair in pristine]
    losses = []
    for pair in simulated_shake(photos, Camera(still=1)):
        before, after = (min(_EQUAL, psnr_y(one, pair.sharp, border=0)) for one in (pair.blurry, careful(pair.blurry)))
        losses.append(before - after)
    return SharpScore(
        len(pristine), untouched, math.fsum(forced) / len(forced), math.fsum(losses) / len(losses), max(losses)
    )


def judged(photos: Sequence[Path]) -> tuple[tuple[int, ...], ...]:
    """How the windows of ``simulated_shake`` are classified when they are sharp, out of focus, and motion-blurred."""
    truth: dict[Kind, Camera] = {"sharp": Camera(still=1), "soft": Camera(still=1, defocus=(1, 6)), "motion": CAMERA}
    rows = []
    for kind in KINDS:
        seen = [estimate(pair.blurry).kind for pair in simulated_shake(photos, truth[kind])]
        rows.append(tuple(seen.count(other) for other in KINDS))
    return tuple(rows)


def seconds_per_megapixel(run: Callable[[NDArray[np.float32]], object], tile: tuple[int, int]) -> float:
    """The least time of five rounds in which a runner answers for one tile, over the tile's megapixels."""
    planes = np.random.default_rng(1).random((1, 3, *tile), dtype=np.float32)
    best = math.inf
    for _ in range(5):
        started = time.perf_counter()
        run(planes)
        best = min(best, time.perf_counter() - started)
    return best / (math.prod(tile) / 1e6)


def table(report: DeblurBenchmark) -> str:
    """The report as aligned text."""
    quality = [["PSNR-Y dB / SSIM-Y", "blurry", "deblurred", "gain", "better"]]
    quality += [
        [f"{one.set} ({one.pairs})", f"{one.psnr_y_input:.2f} / {one.ssim_y_input:.4f}",
         f"{one.psnr_y:.2f} / {one.ssim_y:.4f}", f"{one.psnr_y - one.psnr_y_input:+.2f}", str(one.better)]
        for one in report.sets
    ]  # fmt: skip
    kinds = [["is, taken for", *KINDS]]
    kinds += [[kind, *map(str, row)] for kind, row in zip(KINDS, report.judged, strict=True)]
    costs = [["network", "parameters", "TMAC/MP", "s/MP"]]
    costs += [[c.network, str(c.parameters), f"{c.teramacs:.3f}", f"{c.seconds:.2f}"] for c in report.costs]
    sharp = report.sharp
    said = (
        f"of {sharp.pictures} sharp windows {sharp.untouched} come back bit for bit; through the network they keep "
        f"{sharp.forced:.1f} dB, and noisy ones lose {sharp.noisy_loss:.2f} dB, the worst {sharp.noisy_worst:.2f}"
    )
    return "\n\n".join([text_table(quality), text_table(kinds), said, text_table(costs)])
