"""Picture files in, four times as large out: names, the pipeline of one file, and many files one after the other."""

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from fourfold.api.networks import choose_cards
from fourfold.api.session import Report, Session, require_memory
from fourfold.api.targets import Failure, Targets, expanded, given
from fourfold.catalog.card import STYLES
from fourfold.core.contract import Levels, Progress
from fourfold.core.errors import FourfoldError, QualityGate
from fourfold.core.options import UpscaleOptions
from fourfold.imaging import files
from fourfold.imaging.formats import fitting
from fourfold.imaging.metadata import for_output
from fourfold.methods.upscale import Size, target_size

T = TypeVar("T")

Rows = Callable[[Levels, Size], None]
"""Told of finished rows of a result, from the top, ``rows×W×C``, and of its whole ``(height, width)``."""


def upscale(image: T, scale: float = 4, *, overwrite: bool = False, **options: Any) -> T:
    """Upscale a picture and return the same kind of thing.

    Args:
        image: a path (the result is a new file beside it, whose path is returned), a PIL image, or an ``H×W``,
            ``H×W×3`` or ``H×W×4`` array of ``uint8``, ``uint16`` or floats in 0..1.
        scale: 1 to 8; overwrite: whether a file may be replaced.
        options: other fields of ``UpscaleOptions``, for example ``model="auto"``.

    Raises:
        InvalidInput, UsageError, PictureError, ModelError, NotEnough: as the names say.
    """
    chosen = UpscaleOptions().changed(scale=scale, **options)
    if not isinstance(image, str | os.PathLike):
        return Session(chosen).upscale(image).image  # type: ignore[no-any-return]
    (outcome,) = upscale_files([str(image)], options=chosen, overwrite=overwrite)
    if isinstance(outcome, Failure):
        raise outcome.error
    return type(image)(outcome.output)  # type: ignore[call-arg]


def upscale_files(
    inputs: Iterable[str],
    output: str | None = None,
    options: UpscaleOptions | None = None,
    *,
    overwrite: bool = False,
    min_consistency: float | None = None,
    session: Session | None = None,
    progress: Callable[[str], Progress] = lambda _name: lambda _done, _all: None,
    rows: Rows = lambda _levels, _size: None,
) -> Iterator[Report | Failure]:
    """Upscale files one after the other; a bad one never stops the rest.

    Args:
        inputs: paths of pictures or of folders of pictures, or ``-`` for standard input.
        output: a file for one input, a folder for any number (made if it ends with a separator or several inputs are
            given), ``-`` for standard output; by default ``NAME_x4.EXT`` beside each input.
        overwrite: whether a result may replace an existing file; an input is never replaced.
        min_consistency: dB below which a result is refused and not kept.
        session: keeps networks loaded for the next call, too.
        progress: called with each input's name, returns what is called after each of its tiles.
        rows: called with the rows of each result as they are written, from another thread.

    Yields:
        A ``Report`` or a ``Failure`` for each input, in order, as soon as it is done.

    Raises:
        ModelError: there is no such network.
    """
    options = options or UpscaleOptions()
    for style in (options.style,) if options.style else STYLES:
        choose_cards(options, style)  # what no input can do anything about is said once
    sources = list(expanded(inputs))
    targets = Targets(output, options.format, sources, overwrite)
    job = _Job(session or Session(), options, targets, min_consistency, rows)
    for source in sources:
        try:
            yield job.run(source, progress(source))
        except FourfoldError as error:
            yield Failure(source, error)


@dataclass(frozen=True)
class _Job:
    session: Session
    options: UpscaleOptions
    targets: Targets
    min_consistency: float | None
    rows: Rows

    def run(self, source: str, progress: Progress) -> Report:
        started = time.perf_counter()
        data = given(source)
        header = files.probe(data)
        kind = self.targets.format_for(header.format)
        size = (header.height, header.width)
        target = target_size(size, self.options.scale, self.options.width, self.options.height)
        files.Spec(kind.name, *target, channels=3)  # refuses what the format cannot hold, before any work
        require_memory(size, target, header.channels, header.depth, not kind.streams, self.options.consistent)
        path = self.targets.path_for(source, header.format, kind, f"x{target[1] / size[1]:.3g}")
        image = fitting(files.read(data), kind)
        prepared = self.session.prepare(image, self.options, not kind.streams)
        spec = files.Spec(
            format=kind.name,
            height=target[0],
            width=target[1],
            channels=image.pixels.shape[2] + (image.alpha is not None),
            depth=image.depth,
            profile=image.profile,
            metadata=for_output(image.metadata, self.options.metadata, target),
            quality=self.options.quality or files.default_quality(kind.name, image.format, lossy=image.lossy),
        )
        to: Path | BinaryIO = sys.stdout.buffer if path is None else path

        def write(band: Levels) -> None:
            writer.write(band)
            self.rows(band, target)

        with files.open_writer(to, spec) as writer:
            prepared.work.pour(write, progress)
            kept = prepared.work.fidelity.consistency
            if self.min_consistency is not None and kept < self.min_consistency:
                raise QualityGate(
                    f"{source}: expected a consistency of at least {self.min_consistency:g} dB, "
                    f"measured {kept:.2f} dB; the result was not kept"
                )
        if path is not None:
            self.targets.wrote(path)
        notes = (*image.notes, *writer.notes)
        if self.options.consistent and kind.lossy and (kind.name, spec.quality) != ("WEBP", 100):
            notes += (f"{kind.name} changes pixels after --consistent made them fit; --format png keeps them",)
        return prepared.report(started, notes, source, "-" if path is None else str(path))
