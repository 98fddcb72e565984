"""Pictures in memory: a session that keeps networks loaded, and the report of what a run did."""

import math
import sys
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from fourfold.catalog import load as catalog
from fourfold.catalog.card import Card, Task
from fourfold.core.contract import Levels
from fourfold.core.errors import InvalidInput, NotEnough
from fourfold.core.image import Image
from fourfold.core.machine import memory_available
from fourfold.core.options import DeblurOptions, UpscaleOptions
from fourfold.imaging import tiling
from fourfold.methods.upscale import Size, Upscaling, memory_needed, target_size
from fourfold.runtimes.guard import Guarded


@dataclass(frozen=True)
class Report:
    """The figures of one upscaled picture; every one is measured in that run or read from its card.

    Attributes:
        input, output: names as given, ``-`` for a pipe, empty for a picture in memory.
        input_size, output_size: ``[width, height]`` in pixels.
        seconds: from reading to the finished file; seconds_model: inside the network alone.
        megapixels_per_second: output megapixels over ``seconds``.
        gmacs: thousand millions of multiply-accumulates computed; tiles: how many went where.
        peak_memory_mb: of the whole process so far; consistency_psnr: dB, None when the shrunk result is the input.
        warnings: sentences about anything that was changed on the way.
    """

    input: str
    output: str
    input_size: tuple[int, int]
    output_size: tuple[int, int]
    model: str
    style: str
    runtime: str
    precision: str
    seconds: float
    seconds_model: float
    megapixels_per_second: float
    gmacs: float
    tiles: dict[str, int]
    peak_memory_mb: int
    consistency_psnr: float | None
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Result:
    """An upscaled picture in memory and its figures."""

    image: Any
    report: Report


@dataclass
class Session:
    """Keeps networks loaded between pictures. Not for use by two threads at once.

    Attributes:
        options: the options that calls start from; keeps: how many compiled tile shapes to hold.
    """

    options: UpscaleOptions = field(default_factory=UpscaleOptions)
    keeps: int = 4
    _runners: "OrderedDict[tuple[object, ...], Guarded]" = field(default_factory=OrderedDict, init=False, repr=False)

    def upscale(self, image: Any, **changes: Any) -> Result:
        """Upscale one picture in memory: a PIL image, or an ``H×W``, ``H×W×3`` or ``H×W×4`` array.

        Args:
            image: ``uint8``, ``uint16`` or floating point in 0..1; the result is of the same kind.
            changes: fields of ``UpscaleOptions`` to use instead of the session's.

        Raises:
            InvalidInput: the value is not such a picture. UsageError, ModelError, NotEnough: as the names say.
        """
        options = self.options.changed(**changes)
        started = time.perf_counter()
        picture, back = taken(image)
        work, card = self.prepare(picture, options, keeps_whole=True)
        whole = np.concatenate([work.finish(band) for band in work.bands(lambda _done, _all: None)])
        return Result(back(whole), report(work, card, started, picture.notes))

    def prepare(self, image: Image, options: UpscaleOptions, keeps_whole: bool) -> tuple[Upscaling, Card]:
        """Choose and load the network for a picture and plan its tiles, after making sure that memory suffices."""
        card = choose_card(options)
        target = target_size(image.size, options.scale, options.width, options.height)
        channels = image.pixels.shape[2] + (image.alpha is not None)
        require_memory(image.size, target, channels, image.depth, keeps_whole)
        plan = tiling.plan(image.size, card.receptive_field, options.tile)
        runner = self.runner(card, plan.shape, options)
        return Upscaling(image, runner, plan, card.scale, target), card

    def runner(self, card: Card, shape: Size, options: UpscaleOptions | DeblurOptions) -> Guarded:
        """The network compiled for one shape of tiles, from the last time if it is still held."""
        key = (card.id, shape, options.runtime, options.threads)
        if key not in self._runners:
            from fourfold import runtimes  # engines only when a network is really needed

            self._runners[key] = runtimes.load(
                card, tile=shape, runtime=options.runtime or "auto", threads=options.threads
            )
            while len(self._runners) > self.keeps:
                self._runners.popitem(last=False)
        self._runners.move_to_end(key)
        self._runners[key].reruns = 0
        return self._runners[key]


def choose_card(options: UpscaleOptions) -> Card:
    """The network that the options ask for: by id, or by style and route.

    Raises:
        ModelError: there is none such.
    """
    task: Task = "image-to-image/super-resolution"
    if options.model is not None:
        return catalog.card(options.model, task)
    return catalog.find(
        task=task,
        scale=4,
        tier=options.route or "little",
        style=options.style or "faithful",
    )


def require_memory(size: Size, target: Size, channels: int, depth: int, keeps_whole: bool) -> None:
    """Make sure that upscaling fits.

    Raises:
        NotEnough: it does not; the message holds both figures.
    """
    require(
        memory_needed(size, target, channels, depth, keeps_whole),
        f"{size[1]}×{size[0]} to {target[1]}×{target[0]} pixels",
        "use a smaller --scale or write --format png",
    )


def require(needed: int, what: str, advice: str) -> None:
    """Make sure that so many bytes of memory are free.

    Raises:
        NotEnough: they are not; the message holds both figures and the advice.
    """
    available = memory_available()
    if needed > available:
        raise NotEnough(
            f"{what} needs about {needed >> 20} MiB of memory, {available >> 20} MiB are free; "
            f"close other programs, {advice}"
        )


def report(
    work: Upscaling, card: Card, started: float, notes: tuple[str, ...], source: str = "", output: str = ""
) -> Report:
    """The figures of a finished ``Upscaling``; ``started`` is the ``time.perf_counter()`` at its beginning."""
    seconds = time.perf_counter() - started
    (height, width), (out_height, out_width) = work.image.size, work.target
    computed = work.plan.count * math.prod(work.plan.shape)
    if isinstance(work.runner, Guarded) and work.runner.reruns:
        notes += (f"{work.runner.reruns} tiles came out damaged from {work.runner.runtime} and were computed again",)
    return Report(
        input=source,
        output=output,
        input_size=(width, height),
        output_size=(out_width, out_height),
        model=card.id,
        style=card.style,
        runtime=work.runner.runtime,
        precision=work.runner.precision,
        seconds=round(seconds, 4),
        seconds_model=round(work.seconds_model, 4),
        megapixels_per_second=round(math.prod(work.target) / 1e6 / seconds, 3),
        gmacs=round(computed * card.macs_per_pixel / 1e9, 3),
        tiles={"total": work.plan.count, "little": 0, "big": 0} | {card.tier: work.plan.count},
        peak_memory_mb=peak_memory_mb(),
        consistency_psnr=round(work.consistency_psnr, 2) if math.isfinite(work.consistency_psnr) else None,
        warnings=notes,
    )


def peak_memory_mb() -> int:
    """The most memory this process has held so far; 0 where the system does not tell."""
    try:
        import resource  # not on Windows
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // (1 << 20 if sys.platform == "darwin" else 1 << 10)


def taken(image: Any) -> tuple[Image, Callable[[Levels], Any]]:
    """A PIL image or array as an ``Image``, and the way back to the same kind of thing."""
    if isinstance(image, Pillow.Image):
        pixels, profile = _pillow_pixels(image)

        def back_to_pillow(levels: Levels) -> Pillow.Image:
            result = Pillow.fromarray(levels[..., 0] if levels.shape[2] == 1 else levels)
            if profile:
                result.info["icc_profile"] = profile
            return result

        return _from_array(pixels, profile), back_to_pillow
    array = np.asarray(image)
    if array.ndim not in (2, 3) or 0 in array.shape or (array.ndim == 3 and array.shape[2] not in (1, 2, 3, 4)):
        raise InvalidInput(
            f"expected a path, a PIL image or an H×W, H×W×3 or H×W×4 array; got {type(image).__name__} "
            f"of shape {array.shape}"
        )
    if array.dtype.kind != "f" and array.dtype not in (np.uint8, np.uint16):
        raise InvalidInput(f"expected uint8, uint16 or floating point values, got {array.dtype}")

    def back_to_array(levels: Levels) -> NDArray[Any]:
        shaped = levels[..., 0] if array.ndim == 2 else levels
        return shaped if array.dtype == levels.dtype else (shaped / np.float32(65535)).astype(array.dtype)

    return _from_array(array, None), back_to_array


def _pillow_pixels(image: Pillow.Image) -> tuple[NDArray[Any], bytes | None]:
    """Levels of a PIL image, and its profile as long as that still describes them."""
    if image.mode in ("I", "F"):
        raise InvalidInput(
            f"expected a PIL image of 8 bits a channel or mode I;16, got mode {image.mode}; its range is not known"
        )
    profile = image.info.get("icc_profile")
    if image.mode in ("L", "LA", "RGB", "RGBA"):
        return np.asarray(image), profile
    if image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16), profile
    plain = "L" if image.mode == "1" else "RGBA" if image.has_transparency_data else "RGB"
    return np.asarray(image.convert(plain)), None if image.mode in ("CMYK", "LAB") else profile


def _from_array(array: NDArray[Any], profile: bytes | None) -> Image:
    """Integers by their own range, floats as 0..1 at sixteen bits, so that little is lost on the way."""
    if array.dtype.kind == "f":
        if not np.isfinite(array).all() or array.min() < 0 or array.max() > 1:
            raise InvalidInput("expected floating point values within 0..1")
        values, depth = array.astype(np.float32), 16
    else:
        values = array.astype(np.float32) / np.float32(np.iinfo(array.dtype).max)
        depth = 8 * array.dtype.itemsize
    if values.ndim == 2:
        values = values[..., None]
    colors = 1 if values.shape[2] < 3 else 3
    alpha = values[..., colors] if values.shape[2] > colors else None
    return Image(np.ascontiguousarray(values[..., :colors]), alpha, depth, profile)
