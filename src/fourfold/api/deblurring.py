"""Blurry pictures in, less blurry ones out, as files and in memory. Sharp ones are left alone, and that is said."""

import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from fourfold.api.session import Session, peak_memory_mb, require, taken
from fourfold.api.targets import Failure, Targets, copy, expanded, given
from fourfold.catalog import load as catalog
from fourfold.catalog.card import Card, Task
from fourfold.core.contract import Progress
from fourfold.core.errors import FourfoldError
from fourfold.core.image import Image
from fourfold.core.options import DeblurOptions
from fourfold.imaging import files
from fourfold.imaging.blur import Blur, estimate
from fourfold.imaging.formats import fitting
from fourfold.imaging.metadata import for_output
from fourfold.methods import deblur as method

T = TypeVar("T")

TASK: Task = "image-to-image/deblurring"


@dataclass(frozen=True)
class DeblurReport:
    """The figures of one picture, measured in that run or read from its card.

    Attributes:
        input, output: names as given, ``-`` for a pipe, empty for a picture in memory.
        size: ``[width, height]`` in pixels; changed: False if the picture was left alone, pixel for pixel.
        blur: what was found, see ``imaging.blur.Blur``; strength: that was asked for.
        model, runtime, precision: what computed, empty if nothing did.
        seconds: from reading to the finished file; seconds_model: inside the network alone.
        megapixels_per_second: over ``seconds``; gmacs: thousand millions of multiply-accumulates; tiles: how many.
        peak_memory_mb: of the whole process so far.
        warnings: sentences about what was found, left alone or changed on the way.
    """

    input: str
    output: str
    size: tuple[int, int]
    changed: bool
    blur: Blur
    strength: float
    model: str
    runtime: str
    precision: str
    seconds: float
    seconds_model: float
    megapixels_per_second: float
    gmacs: float
    tiles: int
    peak_memory_mb: int
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class DeblurResult:
    """A picture in memory and its figures."""

    image: Any
    report: DeblurReport


def deblur(image: T, strength: float = 1, *, overwrite: bool = False, **options: Any) -> T:
    """Undo the motion blur of a picture and return the same kind of thing; a sharp one comes back as it is.

    Args:
        image: a path (the result is a new file beside it, whose path is returned), a PIL image, or an ``H×W``,
            ``H×W×3`` or ``H×W×4`` array of ``uint8``, ``uint16`` or floats in 0..1.
        strength: 0 to 1; overwrite: whether a file may be replaced.
        options: other fields of ``DeblurOptions``, for example ``when="always"``.

    Raises:
        InvalidInput, UsageError, PictureError, ModelError, NotEnough: as the names say.
    """
    chosen = DeblurOptions().changed(strength=strength, **options)
    if not isinstance(image, str | os.PathLike):
        return deblur_picture(image, chosen).image  # type: ignore[no-any-return]
    (outcome,) = deblur_files([str(image)], options=chosen, overwrite=overwrite)
    if isinstance(outcome, Failure):
        raise outcome.error
    return type(image)(outcome.output)  # type: ignore[call-arg]


def deblur_picture(image: Any, options: DeblurOptions | None = None, session: Session | None = None) -> DeblurResult:
    """Deblur one picture in memory, see ``deblur``; a picture that is left alone comes back as the very same object.

    Raises:
        InvalidInput: the value is not such a picture. UsageError, ModelError, NotEnough: as the names say.
    """
    started = time.perf_counter()
    picture, back = taken(image)
    options = options or DeblurOptions()
    done = restored(picture, options, session or Session(), lambda _done, _all: None)
    return DeblurResult(back(done.image.levels()) if done.work else image, done.report(options, started))


def deblur_files(
    inputs: Iterable[str],
    output: str | None = None,
    options: DeblurOptions | None = None,
    *,
    overwrite: bool = False,
    session: Session | None = None,
    progress: Callable[[str], Progress] = lambda _name: lambda _done, _all: None,
) -> Iterator[DeblurReport | Failure]:
    """Deblur files one after the other; a bad one never stops the rest.

    A photo that is left alone is copied byte for byte, unless another format, quality or less metadata is asked for.

    Args:
        inputs: paths of pictures or of folders of pictures, or ``-`` for standard input.
        output: a file for one input, a folder for any number, ``-`` for standard output; by default
            ``NAME_deblurred.EXT`` beside each input.
        overwrite: whether a result may replace an existing file; an input is never replaced.
        session: keeps networks loaded for the next call, too.
        progress: called with each input's name, returns what is called after each of its tiles.

    Yields:
        A ``DeblurReport`` or a ``Failure`` for each input, in order, as soon as it is done.

    Raises:
        ModelError: there is no such network.
    """
    options = options or DeblurOptions()
    choose_card(options)  # what no input can do anything about is said once
    sources = list(expanded(inputs))
    job = _Job(session or Session(), options, Targets(output, options.format, sources, overwrite))
    for source in sources:
        try:
            yield job.run(source, progress(source))
        except FourfoldError as error:
            yield Failure(source, error)


def choose_card(options: DeblurOptions) -> Card:
    """The network that the options ask for.

    Raises:
        ModelError: there is none such.
    """
    if options.model is not None:
        return catalog.card(options.model, TASK)
    return catalog.find(task=TASK, scale=1, tier="little", style="faithful")


@dataclass(frozen=True)
class Restored:
    """A picture, what was seen of its blur, and the work that was done on it, if any."""

    image: Image
    blur: Blur
    card: Card | None = None
    work: method.Deblurring | None = None

    def report(
        self,
        options: DeblurOptions,
        started: float,
        source: str = "",
        output: str = "",
        notes: tuple[str, ...] = (),
    ) -> DeblurReport:
        """The figures; ``started`` is the ``time.perf_counter()`` at the beginning."""
        seconds = time.perf_counter() - started
        (height, width), work = self.image.size, self.work
        computed = work.windows.count * math.prod(work.windows.shape) if work else 0
        return DeblurReport(
            input=source,
            output=output,
            size=(width, height),
            changed=work is not None,
            blur=self.blur,
            strength=options.strength,
            model=self.card.id if self.card else "",
            runtime=work.runner.runtime if work else "",
            precision=work.runner.precision if work else "",
            seconds=round(seconds, 4),
            seconds_model=round(work.seconds_model, 4) if work else 0.0,
            megapixels_per_second=round(height * width / 1e6 / seconds, 3),
            gmacs=round(computed * self.card.macs_per_pixel / 1e9, 3) if self.card else 0.0,
            tiles=work.windows.count if work else 0,
            peak_memory_mb=peak_memory_mb(),
            warnings=(*self.image.notes, *notes),
        )


def restored(
    image: Image, options: DeblurOptions, session: Session, progress: Progress, engines: Mapping[str, str] | None = None
) -> Restored:
    """The picture deblurred, or left alone where there is nothing to do; its notes say which and why."""
    seen = estimate(image.pixels)
    if options.strength == 0 or (seen.kind == "sharp" and options.when == "blurred"):
        reason = "a strength of 0 changes nothing" if options.strength == 0 else f"{seen}: it was left as it is"
        if seen.doubtful and options.strength > 0:
            reason += "; --when always deblurs it all the same"
        return Restored(replace(image, notes=(*image.notes, reason)), seen)
    card = choose_card(options)
    (height, width), channels = image.size, image.pixels.shape[2]
    needed = method.memory_needed(image.size, channels, card, options.tile)
    require(needed, f"deblurring {width}×{height} pixels", "or use a smaller --tile")
    windows = method.windows(image.size, card, options.tile)
    work = method.Deblurring(
        image, session.networks.loaded(card, windows.shape, options, engines or {}), windows, options.strength
    )
    result = work.result(progress)
    notes = image.notes if seen.kind == "motion" else (*image.notes, f"{seen}, and the network knows motion only")
    return Restored(replace(result, notes=notes), seen, card, work)


@dataclass(frozen=True)
class _Job:
    session: Session
    options: DeblurOptions
    targets: Targets

    def run(self, source: str, progress: Progress) -> DeblurReport:
        started = time.perf_counter()
        data = given(source)
        header = files.probe(data)
        kind = self.targets.format_for(header.format)
        files.Spec(kind.name, header.height, header.width, channels=3)  # refuses what the format cannot hold
        path = self.targets.path_for(source, header.format, kind, "deblurred")
        image = fitting(files.read(data), kind)
        done = restored(image, self.options, self.session, progress)
        to: Path | BinaryIO = sys.stdout.buffer if path is None else path
        asked = self.options.quality is not None or self.options.metadata != "keep"
        if done.work is None and kind.name == header.format and not asked:
            copy(data, to)
            notes: tuple[str, ...] = ()
        else:
            carried = for_output(image.metadata, self.options.metadata, image.size)
            notes = files.write(replace(done.image, metadata=carried), to, kind.name, self.options.quality)
        if path is not None:
            self.targets.wrote(path)
        return done.report(self.options, started, source, "-" if path is None else str(path), notes)
