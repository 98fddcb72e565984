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
from fourfold.catalog.card import STYLES
from fourfold.core.contract import Levels, Progress
from fourfold.core.errors import FourfoldError, PictureError, QualityGate, UsageError
from fourfold.core.options import UpscaleOptions
from fourfold.imaging import files
from fourfold.imaging.formats import FORMATS, Format, fitting, format_of, writable_like
from fourfold.imaging.metadata import for_output
from fourfold.methods.upscale import Size, target_size

T = TypeVar("T")

Rows = Callable[[Levels, Size], None]
"""Told of finished rows of a result, from the top, ``rows×W×C``, and of its whole ``(height, width)``."""


@dataclass(frozen=True)
class Failure:
    """One input that gave no picture, and why; the others went on."""

    input: str
    error: FourfoldError


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
    job = _Job(session or Session(), options, output, len(sources) > 1, overwrite, min_consistency, rows, set())
    for source in sources:
        try:
            yield job.run(source, progress(source))
        except FourfoldError as error:
            yield Failure(source, error)


def expanded(inputs: Iterable[str]) -> Iterator[str]:
    """The inputs with the pictures of each folder in its place; a folder without pictures stays."""
    known = {suffix for kind in FORMATS.values() for suffix in kind.suffixes}
    for name in inputs:
        folder = Path(name)
        if name == "-" or not folder.is_dir():
            yield name
            continue
        found = sorted(str(p) for p in folder.iterdir() if p.is_file() and p.suffix.lower() in known)
        yield from found or [name]  # a folder without pictures fails by itself, as a bad file does


@dataclass(frozen=True)
class _Job:
    session: Session
    options: UpscaleOptions
    output: str | None
    many: bool
    overwrite: bool
    min_consistency: float | None
    rows: Rows
    written: set[Path]

    def run(self, source: str, progress: Progress) -> Report:
        started = time.perf_counter()
        data: Path | bytes = sys.stdin.buffer.read() if source == "-" else Path(source)
        header = files.probe(data)
        kind = self._format(header.format)
        size = (header.height, header.width)
        target = target_size(size, self.options.scale, self.options.width, self.options.height)
        files.Spec(kind.name, *target, channels=3)  # refuses what the format cannot hold, before any work
        require_memory(size, target, header.channels, header.depth, not kind.streams, self.options.consistent)
        path = self._path(source, header.format, kind, target[1] / size[1])
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
            self.written.add(path.resolve())
        notes = (*image.notes, *writer.notes)
        if self.options.consistent and kind.lossy and (kind.name, spec.quality) != ("WEBP", 100):
            notes += (f"{kind.name} changes pixels after --consistent made them fit; --format png keeps them",)
        return prepared.report(started, notes, source, "-" if path is None else str(path))

    def _folder(self) -> Path | None:
        """The folder that results go to, if the output is one."""
        if self.output is None or self.output == "-":
            return None
        folder = Path(self.output)
        return folder if self.many or self.output.endswith((os.sep, "/")) or folder.is_dir() else None

    def _format(self, of_input: str) -> Format:
        """As asked for, else as the output's name says, else the input's own, else the nearest that can be written."""
        asked = format_of(self.options.format) if self.options.format else None
        if self.output is not None and self.output != "-" and self._folder() is None:
            named = format_of(Path(self.output))
            if asked is not None and asked is not named:
                raise UsageError(
                    f"{self.output}: expected a name ending in {asked.suffixes[0]} for --format {asked.name}"
                )
            return named
        return asked or writable_like(format_of(of_input))

    def _path(self, source: str, of_input: str, kind: Format, scale: float) -> Path | None:
        """Where the result goes; None is standard output."""
        if self.output == "-" or (source == "-" and self.output is None):
            return None
        folder = self._folder()
        if self.output is not None and folder is None:
            path = Path(self.output)
        else:
            given = Path("stdin" if source == "-" else source)
            suffix = given.suffix if kind.name == of_input and given.suffix else kind.suffixes[0]
            path = (folder or given.parent) / f"{given.stem}_x{scale:.3g}{suffix}"
        if source != "-" and path.exists() and path.samefile(source):
            raise PictureError(f"{source}: the result would replace its own input; give another --output")
        if path.resolve() in self.written:
            raise PictureError(f"{source}: {path} was just written from another input; give the inputs other names")
        if path.exists() and not self.overwrite:
            raise PictureError(f"{source}: {path} exists already; give --overwrite to replace it, or another --output")
        path.parent.mkdir(parents=True, exist_ok=True)
        return path
