"""Pictures in memory: a session that keeps networks loaded, and the report of what a run did."""

import math
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageOps

from fourfold.api.networks import TASK, Networks, choose_cards, choose_style
from fourfold.catalog.card import Card, Style
from fourfold.core.contract import Levels
from fourfold.core.errors import InvalidInput, NotEnough
from fourfold.core.image import Image
from fourfold.core.machine import memory_available
from fourfold.core.options import UpscaleOptions
from fourfold.imaging import tiling
from fourfold.methods.condition import PROMPTS, Condition, Kind
from fourfold.methods.route import Routes
from fourfold.methods.upscale import Size, Upscaling, memory_needed, target_size
from fourfold.models.recogniser import Recogniser
from fourfold.workflow.presets import suited

_PUTS_BACK = (
    "--consistent puts noise and JPEG damage back that the photo style repairs; --style faithful is made for it"
)


@dataclass(frozen=True)
class Routing:
    """Where a picture went through a big network too, tile by tile as ``rows×columns``.

    Attributes:
        threshold: dB between little and big below which a tile went on; expected: dB that the gate predicted.
        measured: dB between the two networks' answers, None where only the little one was asked; big: who went on.
        seconds_little, seconds_big: inside each network.
    """

    threshold: float
    expected: tuple[tuple[float | None, ...], ...]
    measured: tuple[tuple[float | None, ...], ...]
    big: tuple[tuple[bool, ...], ...]
    seconds_little: float
    seconds_big: float


@dataclass(frozen=True)
class Recognised:
    """The condition that a photo was found in.

    Attributes:
        kind, certainty, noise, blocks: see ``methods.condition.Condition``; name: the kind as the recogniser puts it.
        recogniser: its id, and what it was adapted to.
        workflow: the preset that suits such photos better than enlarging them as they are, empty if there is none.
    """

    kind: Kind
    name: str
    certainty: float
    noise: float
    blocks: float
    recogniser: str
    workflow: str


@dataclass(frozen=True)
class Report:
    """The figures of one upscaled picture; every one is measured in that run or read from its card.

    Attributes:
        input, output: names as given, ``-`` for a pipe, empty for a picture in memory.
        input_size, output_size: ``[width, height]`` in pixels.
        condition: what happened to the photo before.
        model: ids of the networks; engines: by the id of each, its engine and arithmetic, as in ``openvino bf16``.
        style: faithful or photo, style_reason: why, strength: from faithful 0 to photo 1.
        runtime, precision: of the network that every tile goes through.
        seconds: from reading to the finished file; seconds_model: inside the network alone.
        megapixels_per_second: output megapixels over ``seconds``.
        gmacs: thousand millions of multiply-accumulates computed; tiles: by whose answer was kept.
        routing: the tile map, None where every tile went through one network only.
        peak_memory_mb: of the whole process so far.
        consistency_psnr, consistency_worst, added_detail, added_detail_db, bicubic_psnr, phone_psnr: what was kept and
            added, before the file was encoded, see ``imaging.fidelity.Fidelity``; None of a PSNR is an exact match.
        warnings: sentences about anything that was changed on the way.
    """

    input: str
    output: str
    input_size: tuple[int, int]
    output_size: tuple[int, int]
    condition: Recognised
    model: str
    style: Style
    style_reason: str
    strength: float
    runtime: str
    precision: str
    engines: dict[str, str]
    seconds: float
    seconds_model: float
    megapixels_per_second: float
    gmacs: float
    tiles: dict[str, int]
    routing: Routing | None
    peak_memory_mb: int
    consistency_psnr: float | None
    consistency_worst: float
    added_detail: float
    added_detail_db: float
    bicubic_psnr: float | None
    phone_psnr: float | None
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
        networks: the loaded ones.
    """

    options: UpscaleOptions = field(default_factory=UpscaleOptions)
    keeps: int = 8

    def __post_init__(self) -> None:
        self.networks = Networks(self.keeps)

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
        picture, back, held = taken(image)
        prepared = self.prepare(picture, options, keeps_whole=False, held=held)
        work = prepared.work
        large = back(work.target, (work.finish(band) for band in work.bands(lambda _done, _all: None)))
        return Result(large, prepared.report(started, picture.notes))

    def prepare(
        self, image: Image, options: UpscaleOptions, keeps_whole: bool, engines: Mapping[str, str] | None = None,
        held: int = 0,
    ) -> "Prepared":  # fmt: skip
        """Choose and load the networks for a picture and plan its tiles, after making sure that memory suffices.

        Args:
            image, options: what to do; keeps_whole: whether the result is held whole before it is written.
            engines: those of another run, as in ``Report``, to be used where the options leave them open.
            held: bytes of each pixel of a result that is made in memory.
        """
        found = self.networks.condition(image)
        style, reason = choose_style(found, options)
        cards = choose_cards(options, style)
        target = target_size(image.size, options.scale, options.width, options.height)
        channels = image.pixels.shape[2] + (image.alpha is not None)
        require_memory(image.size, target, channels, image.depth, keeps_whole, options.consistent, held)
        plan = tiling.plan(image.size, cards[0].receptive_field, options.tile or cards[0].size.side(tiling.LARGEST))
        runner, used = self.networks.runner(cards[0], plan.shape, options, engines or {})
        routes, more, notes = self.networks.routes(image, plan, cards, options, engines or {})
        work = Upscaling(image, runner, plan, cards[0].scale, target, routes, options.consistent)
        for loaded in work.runners:
            loaded.reruns = 0
        strength = options.strength if style == "photo" else 0.0
        if options.consistent and strength:
            notes += (_PUTS_BACK,)
        notes += self.recogniser.notes
        return Prepared(work, cards, self._recognised(found), used | more, style, reason, strength, notes)

    @property
    def recogniser(self) -> Recogniser:
        """What names the condition of photos; loaded once, so that a session judges all of them alike."""
        return self.networks.recogniser()

    def condition(self, image: Image) -> Recognised:
        """What a picture's pixels say of what happened to it, and the workflow that suits it."""
        return self._recognised(self.networks.condition(image))

    def _recognised(self, found: Condition) -> Recognised:
        return Recognised(
            found.kind, PROMPTS[found.kind], found.certainty, round(found.noise, 2), round(found.blocks, 3),
            self.recogniser.name, suited(TASK, found.kind),
        )  # fmt: skip


@dataclass(frozen=True)
class Prepared:
    """A picture ready to be upscaled.

    Attributes:
        work: iterate its bands and finish each; cards: of the networks it goes through, the little one first.
        condition, engines, style, reason, strength, notes: as in ``Report``.
    """

    work: Upscaling
    cards: tuple[Card, ...]
    condition: Recognised
    engines: dict[str, str]
    style: Style
    reason: str
    strength: float
    notes: tuple[str, ...]

    def report(self, started: float, notes: tuple[str, ...], source: str = "", output: str = "") -> Report:
        """The figures, once the work is finished; ``started`` is the ``time.perf_counter()`` at its beginning."""
        work, seconds = self.work, time.perf_counter() - started
        (height, width), (out_height, out_width) = work.image.size, work.target
        macs = self.cards[0].macs_per_pixel * work.plan.count * math.prod(work.plan.shape)
        tiles = {"total": work.plan.count, "little": 0, "big": 0, self.cards[0].tier: work.plan.count}
        if work.routes is not None:
            total, big = work.routes.chosen.size, int(work.routes.chosen.sum())
            macs += self.cards[1].macs_per_pixel * big * math.prod(work.routes.plan.shape)
            tiles = {"total": total, "little": total - big, "big": big}
        macs *= 1 if self.strength in (0, 1) else 2  # both styles run, to be mixed
        notes += self.notes
        notes += tuple(
            f"{card.id} is a network of others; licence: {card.licence}" for card in self.cards if card.foreign
        )
        reruns = sum(runner.reruns for runner in work.runners)
        if reruns:
            notes += (f"{reruns} tiles came out damaged from {work.runner.runtime} and were computed again",)
        return Report(
            input=source,
            output=output,
            input_size=(width, height),
            output_size=(out_width, out_height),
            condition=self.condition,
            model=" + ".join(card.id for card in self.cards),
            style=self.style,
            style_reason=self.reason,
            strength=self.strength,
            runtime=work.runner.runtime,
            precision=work.runner.precision,
            engines=self.engines,
            seconds=round(seconds, 4),
            seconds_model=round(work.seconds_model, 4),
            megapixels_per_second=round(math.prod(work.target) / 1e6 / seconds, 3),
            gmacs=round(macs / 1e9, 3),
            tiles=tiles,
            routing=None if work.routes is None else _routing(work, work.routes),
            peak_memory_mb=peak_memory_mb(),
            **work.fidelity.figures(),
            warnings=notes + work.notes,
        )


def _routing(work: Upscaling, routes: Routes) -> Routing:
    def decibels(values: NDArray[np.float64]) -> tuple[tuple[float | None, ...], ...]:
        return tuple(tuple(None if math.isnan(v) else round(v, 1) for v in row) for row in values.tolist())

    return Routing(
        threshold=round(routes.threshold, 2),
        expected=decibels(routes.expected),
        measured=decibels(-10 * np.log10(work.difference + 1e-10)),
        big=tuple(map(tuple, routes.chosen.tolist())),
        seconds_little=round(work.seconds_model - work.seconds_big, 4),
        seconds_big=round(work.seconds_big, 4),
    )


def require_memory(
    size: Size, target: Size, channels: int, depth: int, keeps_whole: bool, consistent: bool = False, held: int = 0
) -> None:
    """Make sure that upscaling fits.

    Raises:
        NotEnough: it does not; the message holds both figures.
    """
    require(
        memory_needed(size, target, channels, depth, keeps_whole, consistent, held),
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


def peak_memory_mb() -> int:
    """The most memory this process has held so far; 0 where the system does not tell."""
    with suppress(OSError, StopIteration):  # what a process inherits from the one that started it does not count here
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) >> 10
    try:
        import resource  # not on Windows
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // (1 << 20 if sys.platform == "darwin" else 1 << 10)


def taken(image: Any) -> tuple[Image, Callable[[Size, Iterable[Levels]], Any], int]:
    """A PIL image, turned upright, or an array as an ``Image``, and the way back to the same kind of thing.

    Returns:
        The image; what makes such a thing of its ``(height, width)`` and its bands of levels, top to bottom; and the
        bytes that a pixel of it takes.
    """
    if isinstance(image, Pillow.Image):
        with suppress(SyntaxError):  # EXIF that is damaged states no orientation
            image = ImageOps.exif_transpose(image)
        pixels, profile = _pillow_pixels(image)

        def back_to_pillow(size: Size, bands: Iterable[Levels]) -> Pillow.Image:
            result = Pillow.new(mode, size[::-1])
            row = 0
            for band in bands:
                if len(band):
                    result.paste(Pillow.fromarray(band[..., 0] if band.shape[2] == 1 else band), (0, row))
                row += len(band)
            if profile:
                result.info["icc_profile"] = profile
            return result

        mode = "I;16" if pixels.dtype == np.uint16 else ("L", "LA", "RGB", "RGBA")[pixels[0, 0].size - 1]
        return _from_array(pixels, profile), back_to_pillow, {"L": 1, "I;16": 2}.get(mode, 4)
    array = np.asarray(image)
    if array.ndim not in (2, 3) or 0 in array.shape or (array.ndim == 3 and array.shape[2] not in (1, 2, 3, 4)):
        raise InvalidInput(
            f"expected a path, a PIL image or an H×W, H×W×3 or H×W×4 array; got {type(image).__name__} "
            f"of shape {array.shape}"
        )
    if array.dtype.kind != "f" and array.dtype not in (np.uint8, np.uint16):
        raise InvalidInput(f"expected uint8, uint16 or floating point values, got {array.dtype}")

    def back_to_array(size: Size, bands: Iterable[Levels]) -> NDArray[Any]:
        result = np.empty((*size, *array.shape[2:]), array.dtype)
        row = 0
        for band in bands:
            shaped = band[..., 0] if array.ndim == 2 else band
            result[row : row + len(band)] = shaped if array.dtype == band.dtype else shaped / np.float32(65535)
            row += len(band)
        return result

    return _from_array(array, None), back_to_array, array[0, 0].nbytes


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
