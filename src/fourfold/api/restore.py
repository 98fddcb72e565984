"""The pipeline that every photo goes through: header, name, pixels, restorer, file, report."""

import errno
import os
import time
from collections.abc import Callable, Iterable, Iterator
from copy import copy as copy_of
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Literal, ParamSpec, TypeVar

from fourfold.api.session import Session, common_figures
from fourfold.api.targets import Failure, Targets, copy, expanded, given, output_stream
from fourfold.core.contract import Levels, Progress
from fourfold.core.errors import FourfoldError, NotEnough, PictureError, Unexpected, UsageError
from fourfold.core.image import Image
from fourfold.core.options import DeblurOptions, RestoreOptions, UpscaleOptions
from fourfold.core.size import Size
from fourfold.imaging import files
from fourfold.imaging.formats import Format, fitting
from fourfold.imaging.metadata import for_output
from fourfold.methods.restorer import Prepared, Report, Restorer

T = TypeVar("T")
P = ParamSpec("P")

_PASSES = "_passes_every_guard"

Rows = Callable[[Levels, Size], None]
"""Called with finished rows of a result, from the top, ``rows×W×C``, and with its whole ``(height, width)``."""


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
    return restore(image, UpscaleOptions().changed(scale=scale, **options), overwrite=overwrite)


def deblur(image: T, strength: float = 1, *, overwrite: bool = False, **options: Any) -> T:
    """Undo the motion blur of a picture and return the same kind of thing; a sharp one comes back as it is.

    Args:
        image: as for ``upscale``.
        strength: 0 to 1; overwrite: whether a file may be replaced.
        options: other fields of ``DeblurOptions``, for example ``when="always"``.

    Raises:
        InvalidInput, UsageError, PictureError, ModelError, NotEnough: as the names say.
    """
    return restore(image, DeblurOptions().changed(strength=strength, **options), overwrite=overwrite)


def restore(image: T, options: RestoreOptions, *, overwrite: bool = False) -> T:
    """Restore a picture and return the same kind of thing; arguments and errors as of ``upscale``."""
    if not isinstance(image, str | os.PathLike):
        return Session().restore(image, options).image  # type: ignore[no-any-return]
    return type(image)(restored(str(image), options, overwrite=overwrite).output)  # type: ignore[call-arg]


def restored(
    source: str, options: RestoreOptions, session: Session | None = None, output: str | None = None, *,
    overwrite: bool = True,
) -> Report:  # fmt: skip
    """Restore one file, as ``restore_files`` does; an error is raised."""
    (outcome,) = restore_files([source], output, options, overwrite=overwrite, session=session)
    if isinstance(outcome, Failure):
        raise outcome.error
    return outcome


def restore_files(
    inputs: Iterable[str],
    output: str | None = None,
    options: RestoreOptions | None = None,
    *,
    overwrite: bool = False,
    session: Session | None = None,
    progress: Callable[[str], Progress] = lambda _name: lambda _done, _all: None,
    rows: Rows = lambda _levels, _size: None,
    note: Callable[[str], None] = lambda _: None,
) -> Iterator[Report | Failure]:
    """Restore files one after the other; a bad one never stops the rest.

    A photo to which nothing is done is copied byte for byte, unless another format, quality or less metadata is asked
    for.

    Args:
        inputs: paths of pictures or of folders of pictures, or ``-`` for standard input.
        output: a file for one input, a folder for any number (made if it ends with a separator or several inputs are
            given), ``-`` for standard output; by default ``NAME_x4.EXT`` or the like beside each input.
        options: what to do, by default to upscale.
        overwrite: whether a result may replace an existing file; an input is never replaced.
        session: keeps networks loaded for the next call, too.
        progress: called with each input's name, returns what is called after each of its tiles.
        rows: called with the rows of each result as they are written, from another thread.
        note: called with a sentence about what was passed over in a folder.

    Yields:
        A ``Report`` or a ``Failure`` for each input, in order, as soon as it is done.

    Raises:
        ModelError: there is no such network. UsageError: several pages, and ``output`` is one file.
    """
    restorer = (session or Session()).restorer(options or UpscaleOptions())
    restorer.cards()  # what no input can do anything about is said once
    one_file = output is not None and not output.endswith((os.sep, "/")) and not Path(output).is_dir()
    if restorer.options.pages == "all" and one_file:
        raise UsageError(f"{output}: expected a folder for several pages, got one file. Give a name that ends in /")
    sources = list(expanded(inputs, note))
    pipeline = _Pipeline(restorer, Targets(output, restorer.options, sources, overwrite), of_the_caller(rows))
    for source in sources:
        yield from _outcomes(pipeline, source, progress)


def _outcomes(pipeline: "_Pipeline", source: str, progress: Callable[[str], Progress]) -> Iterator[Report | Failure]:
    """The outcomes of an input, page by page; a pipe is read only once."""
    data = guarded(source, lambda: given(source))
    if isinstance(data, Failure):
        yield data
        return
    numbers = guarded(source, lambda: page_numbers(data, pipeline.restorer.options.pages))
    if isinstance(numbers, Failure):
        yield numbers
        return
    for page in numbers:
        yield guarded(source, partial(pipeline.run, source, data, page, of_the_caller(progress(source))))


def page_numbers(data: Path | bytes, pages: int | Literal["all"] | None) -> list[int | None]:
    """Which pages of a file to restore, each into a file of its own; None where none is asked for.

    Raises:
        PictureError: all are asked for, and the file cannot be read.
    """
    if pages != "all":
        return [pages]
    count = files.probe(data, page=1).pages
    return [None] if count == 1 else [*range(1, count + 1)]


def guarded(source: str, run: Callable[[], T]) -> T | Failure:
    """The outcomes of an input, or why it failed: neither a bad file nor a bug ends the run.

    The reason names the input. A ``KeyboardInterrupt`` passes, and so does what a function ``of_the_caller`` raises.
    """
    try:
        return run()
    except FourfoldError as error:
        message = str(error).removeprefix("the picture: ")
        if source in message:
            return Failure(source, error)
        named = copy_of(error)
        named.args = (f"{'standard input' if source == '-' else source}: {message}",)
        named.__cause__ = error.__cause__
        return Failure(source, named)
    except MemoryError as error:
        full = NotEnough(f"{source}: expected enough memory, there is too little. Close other programs")
        full.__cause__ = error
        return Failure(source, full)
    except BrokenPipeError:
        raise  # whoever reads standard output went away
    except Exception as error:  # whatever it is, the other files go on
        if getattr(error, _PASSES, False):
            raise
        return Failure(source, _reason(source, error))


def _reason(source: str, error: Exception) -> FourfoldError:
    """What an error that nobody expected means for an input: the system refused, or fourfold has a bug."""
    if isinstance(error, OSError):
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        kind = NotEnough if full else PictureError
        reason: FourfoldError = kind(
            f"{source}: expected to read and write files, the system refused ({error.strerror or error}). Check its "
            "name, the folder, permissions and room"
        )
    else:
        reason = Unexpected(source, error)
    reason.__cause__ = error
    return reason


def of_the_caller(function: Callable[P, T]) -> Callable[P, T]:
    """The function, of whose errors ``guarded`` knows that they are not about a file."""

    def called(*args: P.args, **options: P.kwargs) -> T:
        try:
            return function(*args, **options)
        except Exception as error:
            setattr(error, _PASSES, True)
            raise

    return called


@dataclass(frozen=True)
class _Pipeline:
    """From file to file: ``restorer`` does the work, ``targets`` says where results go."""

    restorer: Restorer
    targets: Targets
    rows: Rows

    def run(self, source: str, data: Path | bytes, page: int | None, progress: Progress) -> Report:
        started = time.perf_counter()
        header = files.probe(data, page=page)
        kind = self.targets.format_for(header.format)
        size = (header.height, header.width)
        files.Spec(kind.name, *self.restorer.options.target(size), channels=3)  # refuses what the format cannot hold
        keeps_whole = not kind.streams
        self.restorer.require_memory(size, header.channels, header.depth, keeps_whole=keeps_whole, held=0)
        path = self.targets.path_for(source, header.format, kind, page)
        accept = self.restorer.options.damaged == "accept"
        image = fitting(files.read(data, page=page, damaged=accept), kind)
        prepared = self.restorer.prepare(image, keeps_whole=keeps_whole)
        spec = self._spec(prepared, image, kind)
        to: Path | BinaryIO = output_stream() if path is None else path
        notes = self.targets.shortened(source, path)
        whole = page is None and kind.name == header.format and not header.raw and self._as_it_is
        if prepared.unchanged is not None and whole:
            copy(data, to, overwrite=self.targets.overwrite)
            notes += tuple(note for note in image.notes if note.startswith(files.DAMAGED))
        else:
            notes += image.notes + self._write(prepared, spec, to, progress)
        if path is not None:
            notes += self.targets.wrote(path, source)
        notes += prepared.notes(kind.name if kind.lossy and (kind.name, spec.quality) != ("WEBP", 100) else "")
        names = {"input": source, "output": "-" if path is None else str(path)}
        return prepared.report(names | common_figures(image, prepared, started, notes))

    @property
    def _as_it_is(self) -> bool:
        """Whether a file to which nothing is done may be handed on as it is."""
        return self.restorer.options.quality is None and self.restorer.options.metadata == "keep"

    def _spec(self, prepared: Prepared, image: Image, kind: Format) -> files.Spec:
        options = self.restorer.options
        carried = for_output(image.metadata, options.metadata, prepared.target)
        return files.Spec.of(image, kind, prepared.target, carried, options.quality)

    def _write(self, prepared: Prepared, spec: files.Spec, to: Path | BinaryIO, progress: Progress) -> tuple[str, ...]:
        """The result as a file, whole or not at all; notes on what its format could not hold."""

        def write(band: Levels) -> None:
            writer.write(band)
            self.rows(band, prepared.target)

        with files.open_writer(to, spec, overwrite=self.targets.overwrite) as writer:
            prepared.run(write, progress)
        return writer.notes
