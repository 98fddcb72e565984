"""Upscale a picture tile by tile with a four-fold network, in bands, so that no result is held whole in memory."""

import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourfold.core.contract import Levels, Progress, Runner, Write
from fourfold.core.image import Image
from fourfold.core.size import Size
from fourfold.imaging import color, tiling
from fourfold.imaging.backprojection import BackProjection
from fourfold.imaging.fidelity import Fidelity, FidelityMeter
from fourfold.imaging.resize import Resizer, bicubic
from fourfold.methods.route import Routes, blend

_PAIRS_FROM = 4  # windows from which on two are computed at a time: loading the network for that takes its time


@dataclass
class Upscaling:
    """One picture on its way through a network: ``run`` it once, or iterate ``bands()`` and ``finish`` each.

    Attributes:
        image: what to upscale; runner: the network, compiled for ``plan.shape``; plan: its tiles.
        scale: of the network; target: ``(height, width)`` wanted.
        routes: which tiles go on to a bigger network, if any.
        consistent: whether the result shall shrink to exactly the image, see ``imaging.backprojection``.
        seconds_model: time spent inside networks so far; seconds_big: the part of it inside the bigger one.
        difference: mean squared difference of both networks' answers in 0..1, ``rows×columns`` of ``routes.plan``,
            NaN where only the little one was asked.
    """

    image: Image
    runner: Runner
    plan: tiling.Plan
    scale: int
    target: Size
    routes: Routes | None = None
    consistent: bool = False
    seconds_model: float = field(default=0.0, init=False)
    seconds_big: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self.difference = np.full((0, 0) if self.routes is None else self.routes.chosen.shape, np.nan)
        self._before = sum(runner.reruns for runner in self.runners)
        whole = (self.scale * self.image.size[0], self.scale * self.image.size[1])
        self._fit = None if self.target == whole else Resizer(whole, self.target)
        self._meter = FidelityMeter(visible(self.image.pixels, self.image.alpha), self.target)
        self._exact: BackProjection | None = None
        if self.consistent:
            self._exact = BackProjection(
                color.bleed(self.image.pixels, self.image.alpha), self.target, 2**self.image.depth - 1
            )

    @property
    def runners(self) -> tuple[Runner, ...]:
        """The network for every tile, and the bigger one for some."""
        return (self.runner,) if self.routes is None else (self.runner, self.routes.big)

    @property
    def reruns(self) -> int:
        """Tiles that came out damaged and were computed again."""
        return sum(runner.reruns for runner in self.runners) - self._before

    @cached_property
    def fidelity(self) -> Fidelity:
        """What the result kept and added, once every band is finished."""
        return self._meter.result()

    def run(self, write: Write, progress: Progress) -> None:
        """Make the picture: the network computes here while another thread finishes and writes the bands before."""

        def finish(band: Levels) -> None:
            write(self.finish(band))

        with ThreadPoolExecutor(max_workers=1) as other:
            pending: Future[None] | None = None
            for band in self.bands(progress):
                if pending is not None:
                    pending.result()
                pending = other.submit(finish, band)
            if pending is not None:
                pending.result()

    def bands(self, progress: Progress) -> Iterator[Levels]:
        """What the network makes, top to bottom: ``rows×W×C``, ``uint8`` or ``uint16`` by the picture's depth.

        C is 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGB, alpha).
        """
        peak = 255 if self.image.depth == 8 else 65535
        alpha = self.image.alpha
        pixels = color.bleed(self.image.pixels, alpha)
        large: NDArray[Any] | None = None
        if alpha is not None:
            size = (self.scale * alpha.shape[0], self.scale * alpha.shape[1])
            large = bicubic(np.rint(alpha * peak).astype(np.uint8 if peak == 255 else np.uint16), size)
        done, row = 0, 0
        planned = self.plan.count + (0 if self.routes is None else int(self.routes.chosen.sum()))

        def counted(runner: Runner, windows: list[NDArray[Any]]) -> list[NDArray[Any]]:
            nonlocal done
            result, seconds = _levels(runner, windows, peak)
            self.seconds_model += seconds
            for _ in windows:
                done += 1
                progress(done, planned)
            return [*result]

        together = 2 if self.plan.count >= _PAIRS_FROM else 1
        for band in tiling.tiled(pixels, self.plan, self.scale, partial(counted, self.runner), together):
            if self.routes is not None:
                self._improve(band, row, pixels, peak, counted)
            yield band if large is None else np.dstack([band, large[row : row + len(band)]])
            row += len(band)

    def _improve(
        self, band: Levels, row: int, pixels: NDArray[np.float32], peak: int,
        run: Callable[[Runner, list[NDArray[Any]]], list[NDArray[Any]]],
    ) -> None:  # fmt: skip
        """Put the big network's answer into a band that begins at result row ``row``, where a tile is worth it."""
        assert self.routes is not None
        before = self.seconds_model
        for tile in (tile for tiles in self.routes.plan.rows for tile in tiles):
            top, bottom, left, right = (self.scale * edge for edge in tile.kept)
            if not (row <= top < row + len(band) and self.routes.chosen[tile.place]):
                continue
            (whole,) = run(self.routes.big, [tiling.read(pixels, tile, self.routes.plan.shape)])
            answer = whole[tile.inner(self.scale)]
            kept = band[top - row : bottom - row, left:right]
            self.difference[tile.place] = np.mean(((answer.astype(np.float32) - kept) / peak) ** 2)
            weight = self.routes.weight(tile, self.scale)
            kept[:] = answer if weight is None else blend(kept, answer, weight)
        self.seconds_big += self.seconds_model - before

    def finish(self, band: Levels) -> Levels:
        """A band as it belongs into the result, of the wanted size and measured; it may hold more rows, or none."""
        out = band if self._fit is None else self._fit.push(band)
        if self._exact is not None:
            out = self._exact.push(out)
        if len(out):
            self._meter.push(_seen(out))
        return out

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the person about a result that could not be made as was asked for, once it is finished."""
        worst = self.fidelity.worst
        if not self.consistent or worst <= 0.5:
            return ()
        limit = "levels end at black and white" if self.image.alpha is None else "transparency is enlarged by itself"
        return (f"{limit}: shrunk back, the value furthest off differs by {worst:.1f} of 255 levels",)


def _levels(runner: Runner, windows: list[NDArray[Any]], peak: int) -> tuple[NDArray[Any], float]:
    """Levels of tiles, ``N×H×W×C``, and the seconds inside the network; grey goes through as three equal channels."""
    shape = windows[0].shape
    planes = np.empty((len(windows), 3, *shape[:2]), np.float32)
    for number, window in enumerate(windows):
        planes[number] = window.transpose(2, 0, 1)
    started = time.perf_counter()
    if peak == 255:
        out: NDArray[Any] = runner.levels(planes)
    else:
        real = runner(planes).transpose(0, 2, 3, 1)
        out = np.rint(np.clip(real, 0, 1) * np.float32(peak)).astype(np.uint16)
    seconds = time.perf_counter() - started
    if shape[2] == 1:
        out = np.rint(out.mean(axis=3, keepdims=True, dtype=np.float32)).astype(out.dtype)
    return out, seconds


def visible(pixels: NDArray[np.float32], alpha: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """``H×W×C`` in 0..1 as seen on black: what nobody can see does not count in a comparison."""
    return pixels if alpha is None else pixels * alpha[..., None]


def _seen(levels: Levels) -> NDArray[Any]:
    """A band of 1 to 4 channels without what its alpha hides."""
    if levels.shape[2] in (1, 3):
        return levels
    real = levels * np.float32(1 / np.iinfo(levels.dtype).max)
    return visible(real[..., :-1], real[..., -1])


def memory_needed(
    size: Size, target: Size, channels: int, depth: int, keeps_whole: bool, consistent: bool = False, held: int = 0
) -> int:
    """Bytes that upscaling will need at its peak, somewhat overestimated.

    Args:
        size, target: ``(height, width)`` of input and result; channels: 1 to 4; depth: 8 or 16.
        keeps_whole: whether the writer holds the whole result before it encodes it.
        consistent: whether back-projection runs, too.
        held: bytes of each pixel of a result that is made in memory.
    """
    pixels_in, pixels_out = math.prod(size), math.prod(target)
    engine = 400 << 20
    input_copies = pixels_in * (4 * channels * 2 + 8)
    band = tiling.LARGEST * 4 * target[1] * channels * (depth // 8)
    alpha = pixels_in * 16 * (depth // 8) if channels in (2, 4) else 0
    whole = pixels_out * (1 if channels == 1 else 4) * 5 // 4 if keeps_whole else 0
    measured = pixels_in * 8 + target[1] * channels * 4 * 512
    corrected = (pixels_in * 4 + target[1] * 4 * 2048) * channels if consistent else 0
    return engine + input_copies + 3 * band + alpha + whole + pixels_out * held + measured + corrected
