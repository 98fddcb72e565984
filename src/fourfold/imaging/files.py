"""Picture files in and out: probe, read, write. Codecs are used through this module alone."""

import errno
import hashlib
import io
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import IO, BinaryIO, Protocol, Self, cast

import numpy as np

from fourfold.core.atomic import replacing
from fourfold.core.contract import Levels
from fourfold.core.errors import Damaged, FourfoldError, InvalidInput, NotEnough, PictureError, UsageError, near
from fourfold.core.image import Image, Metadata
from fourfold.core.size import Size
from fourfold.imaging import color, metadata
from fourfold.imaging.codecs import damage, encode
from fourfold.imaging.codecs.decode import open_stream
from fourfold.imaging.codecs.opened import Opened
from fourfold.imaging.formats import FORMATS, Format, format_of
from fourfold.imaging.source import open_file, recognised, taken, unwritable

__all__ = [
    "FORMATS", "Format", "Header", "Spec", "Writer", "digest", "format_of", "open_writer", "probe", "read", "write",
]  # fmt: skip

MAX_PIXELS = 300_000_000
"""Default limit for pictures that are read; far above any camera, far below what fills a computer's memory."""

DAMAGED = damage.NOTED  # how every note about damaged pixels begins
_SPOOL_BYTES = 64 << 20
_HDR = (
    "The picture is meant for HDR screens ({}). Its values are taken as they are and keep that colour space, but the "
    "networks were not trained on such; check the result."
)


@dataclass(frozen=True)
class Header:
    """What a file's header says about its picture.

    Attributes:
        format: as ``FORMATS`` names it.
        height, width: in pixels, of the upright picture.
        channels: 1 grey, 2 grey with alpha, 3 RGB, 4 RGB with alpha; palettes count as RGB.
        alpha: whether one of the channels is alpha.
        depth: 8 or 16, the bits a channel ``read`` would give.
        lossy: whether the file is compressed with loss.
        pages: how many pictures the file holds; of a GIF 1 unless a page was asked for.
        raw: whether it is a camera raw, which is developed and then held to be a TIFF.
    """

    format: str
    height: int
    width: int
    channels: int
    alpha: bool
    depth: int
    lossy: bool
    pages: int = 1
    raw: bool = False


def probe(source: Path | bytes, max_pixels: int = MAX_PIXELS, page: int | None = None) -> Header:
    """Read the header of a picture file, without decoding pixels; ``page`` as for ``read``.

    Raises:
        PictureError: no file, not a picture, damaged, or more than ``max_pixels``.
        MissingExtra: a HEIC file, and its reader is not installed.
    """
    with _opened(source, max_pixels, page) as (name, opened):
        channels, size = opened.channels, (opened.height, opened.width)
        return Header(name, *size, channels, channels % 2 == 0, opened.depth, opened.lossy, opened.pages, opened.raw)


def read(
    source: Path | bytes, max_pixels: int = MAX_PIXELS, page: int | None = None, *, damaged: bool = False
) -> Image:  # fmt: skip
    """Read a picture: upright, at its full depth, in its own colour space; the file is closed again.

    CMYK and L*a*b* are converted to sRGB, of several pictures the first is taken; ``Image.notes`` says so.

    Args:
        source: a file, or the bytes of one.
        max_pixels: height times width above which the file is refused before anything is decoded.
        page: which of several pictures, from 1; None takes the first, and notes that there are more.
        damaged: whether to take a picture of which much is missing or wrong; a note says how much. Of a JPEG or HEIC up
            to half of the pixels may be, without being asked to. See ``docs/reference/formats.md``.

    Raises:
        PictureError: no file, not a picture, damaged or cut short, no such page, or more than ``max_pixels``.
        MissingExtra: a HEIC file, and its reader is not installed.
        NotEnough: the picture does not fit into memory.
    """
    with _opened(source, max_pixels, page, damaged=damaged) as (name, opened):
        found = opened.decode()
        notes = list(found.notes)
        grey = opened.channels < 3
        profile = color.consistent(found.profile) if found.profile is not None else None
        if profile is not None and (reason := color.usable(profile, 1 if grey else 3)):
            notes.append(f"The colour profile was dropped: {reason}.")
            profile = None
        kind: color.Transfer = color.transfer(profile) if profile else "sdr"
        if found.profile is None and found.code is not None:
            profile, kind = color.from_code_points(found.code, grey=grey)
        if kind in ("pq", "hlg"):
            notes.append(_HDR.format(kind.upper()))
        elif kind == "linear":
            notes.append("The picture's values are linear in light, which the networks were not trained on.")
        carried, more = metadata.received(found.exif, found.xmp, found.dpi, found.iptc, found.texts, found.aspect)
        return Image.of_levels(
            found.levels, depth=opened.depth, profile=profile, metadata=carried, format=name, lossy=opened.lossy,
            notes=(*notes, *more),
        )  # fmt: skip


@contextmanager
def _opened(
    source: Path | bytes, max_pixels: int, page: int | None, *, damaged: bool = False
) -> Iterator[tuple[str, Opened]]:
    """The format's name and the opened picture; whatever goes wrong inside becomes an error that names the file."""
    label = "the picture" if isinstance(source, bytes) else str(source)
    with ExitStack() as stack:
        stream = io.BytesIO(source) if isinstance(source, bytes) else stack.enter_context(open_file(source))
        name = recognised(stream, label)
        try:
            opened = open_stream(stream, name, page, damaged=damaged)
            if opened.height * opened.width > max_pixels:
                raise PictureError(
                    f"expected at most {max_pixels / 1e6:.0f} megapixels, got {opened.width}×{opened.height} "
                    f"({opened.height * opened.width / 1e6:.0f}). If you trust the file, raise max_pixels"
                )
            yield "TIFF" if opened.raw else name, opened
        except PictureError as error:
            raise PictureError(f"{label}: {error}") from error
        except FourfoldError:
            raise
        except MemoryError as error:
            raise NotEnough(
                f"{label}: expected memory to decode it, there is none left. Close other programs"
            ) from error
        except Exception as error:  # decoders raise anything on damaged files
            reason = f" ({error})" if isinstance(error, Damaged) else ""
            raise PictureError(
                f"{label}: expected a whole {name} file, but it is damaged or cut short{reason}. "
                "Copy it again from where it comes from"
            ) from error


def digest(path: Path) -> str:
    """The SHA-256 of a file in hex; raises ``PictureError`` as ``read`` does for a file that cannot be opened."""
    with open_file(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@dataclass(frozen=True)
class Spec:
    """What a picture file is to hold.

    Attributes:
        format: as ``FORMATS`` names it.
        height, width: in pixels.
        channels: 1 grey, 2 grey with alpha, 3 RGB, 4 RGB with alpha; alpha is straight.
        depth: 8 or 16 bits a channel.
        profile: ICC profile of the pixels, None for sRGB.
        metadata: as ``metadata.for_output`` gives it.
        quality: 1 to 100, None for the format's default; 100 makes a WebP lossless.

    Raises:
        UsageError: the format cannot hold this; the message says which one can.
    """

    format: str
    height: int
    width: int
    channels: int
    depth: int = 8
    profile: bytes | None = None
    metadata: Metadata = field(default_factory=Metadata)
    quality: int | None = None

    @classmethod
    def of(cls, image: Image, kind: Format, size: Size, metadata: Metadata, quality: int | None) -> Self:
        """For an image that the format can hold, in another ``(height, width)``; without a quality the usual one."""
        channels = image.pixels.shape[2] + (image.alpha is not None)
        if quality is None:  # a lossless WebP stays so
            stays = kind.name == image.format == "WEBP" and not image.lossy
            quality = 100 if stays else kind.quality
        return cls(kind.name, *size, channels, image.depth, image.profile, metadata, quality)

    def __post_init__(self) -> None:
        row = FORMATS.get(self.format)
        if row is None:
            raise UsageError(
                f"expected a format as FORMATS names it, got {self.format!r}. Give one of them."
                f"{near(self.format, [*FORMATS])}"
            )
        if self.channels not in (1, 2, 3, 4) or self.depth not in (8, 16) or min(self.height, self.width) < 1:
            raise InvalidInput(
                f"expected 1 to 4 channels of 8 or 16 bits and at least one pixel, got {self.channels} of {self.depth} "
                f"bits, {self.width}×{self.height}"
            )
        if not row.writable:
            raise UsageError(
                f"{row.name} files can be read but not written, expected another format: use --format png or jpg"
            )
        if self.channels in (2, 4) and not row.alpha:
            raise UsageError(f"{row.name} holds no transparency: use --format png")
        if self.depth == 16 and not row.sixteen:
            raise UsageError(f"{row.name} holds 8 bits a channel, not 16: use --format png")
        if max(self.height, self.width) > row.longest:
            raise UsageError(
                f"{row.name} pictures are at most {row.longest} pixels wide or high, this one is "
                f"{self.width}×{self.height}: use --format png"
            )
        if row.area and self.height * self.width > row.area:
            raise UsageError(
                f"{row.name} pictures have at most {row.area / 1e6:.0f} megapixels, this one has "
                f"{self.height * self.width / 1e6:.0f}: use --format png"
            )
        if self.quality is not None and not 1 <= self.quality <= 100:
            raise UsageError(f"expected a quality from 1 to 100, got {self.quality}. Give one of these")
        if self.profile and (reason := color.usable(self.profile, 1 if self.channels < 3 else 3)):
            raise InvalidInput(f"expected a colour profile that fits the pixels: {reason}")


class _Encoder(Protocol):
    def write(self, band: Levels) -> None: ...
    def finish(self) -> None: ...


class Writer:
    """Writes one picture band by band; a context manager, see ``open_writer``.

    Attributes:
        notes: sentences about what the format could not hold, complete after the block.
    """

    def __init__(self, target: Path | BinaryIO, spec: Spec, *, overwrite: bool = True) -> None:
        held = metadata.held(spec.metadata, FORMATS[spec.format])
        self.notes = held.notes
        self._target, self._spec, self._overwrite = target, replace(spec, metadata=held), overwrite
        self._stack = ExitStack()
        self._rows = 0
        self._pipe: BinaryIO | None = None
        self._copied: IO[bytes] | None = None

    def __enter__(self) -> Self:
        with self._failures(), ExitStack() as stack:
            target = self._target
            special = isinstance(target, Path) and target.exists() and not target.is_file()
            if isinstance(target, Path) and not special:
                stream = stack.enter_context(replacing(target, overwrite=self._overwrite))
            else:
                stream = stack.enter_context(target.open("wb")) if isinstance(target, Path) else target
                self._pipe = stream
                if self._spec.format != "PNG":
                    self._copied = stack.enter_context(tempfile.SpooledTemporaryFile(_SPOOL_BYTES))
                    stream = cast("BinaryIO", self._copied)
            self._encoder = _encoder(stream, self._spec)
            self._stack = stack.pop_all()
        return self

    def write(self, band: Levels) -> None:
        """Add the next rows from the top, ``h×W×C`` ``uint8`` or ``uint16`` as the depth says.

        Raises:
            InvalidInput: the band does not fit the specification, or there are too many rows.
            NotEnough: the disk is full.
            PictureError: the file cannot be written.
        """
        spec = self._spec
        expected = np.uint8 if spec.depth == 8 else np.uint16
        if band.shape[1:] != (spec.width, spec.channels) or band.dtype != expected:
            raise InvalidInput(
                f"expected bands of rows×{spec.width}×{spec.channels} {np.dtype(expected)}, "
                f"got {'×'.join(map(str, band.shape))} {band.dtype}"
            )
        self._rows += len(band)
        if self._rows > spec.height:
            raise InvalidInput(f"expected {spec.height} rows in all, got {self._rows} or more")
        if len(band):
            with self._failures():
                self._encoder.write(band)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            with suppress(OSError):  # a file that cannot even be closed; the first error says more
                self._stack.__exit__(kind, error, trace)
            return
        with self._failures(), self._stack:
            if self._rows != self._spec.height:
                raise InvalidInput(f"expected {self._spec.height} rows in all, got {self._rows}")
            self._encoder.finish()
            if isinstance(self._encoder, encode.Encoder | encode.JpegEncoder):
                self.notes += self._encoder.notes
            if self._pipe is not None:
                if self._copied is not None:
                    self._copied.seek(0)
                    shutil.copyfileobj(self._copied, self._pipe)
                self._pipe.flush()

    @contextmanager
    def _failures(self) -> Iterator[None]:
        label = str(self._target) if isinstance(self._target, Path) else "the output"
        try:
            yield
        except FourfoldError:
            raise
        except MemoryError as error:
            raise NotEnough(
                f"{label}: expected memory for {self._spec.width}×{self._spec.height} pixels. Close other programs"
            ) from error
        except FileExistsError as error:
            raise taken(label) from error
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise NotEnough(f"{label}: {_space(self._target, self._spec)}") from error
            raise unwritable(label, error) from error
        except (RuntimeError, ValueError) as error:
            raise PictureError(
                f"{label}: the {self._spec.format} encoder failed ({error}). Give another --format"
            ) from error


def _space(target: Path | BinaryIO, spec: Spec) -> str:
    raw = spec.height * spec.width * spec.channels * spec.depth / 8e6
    free = f", {shutil.disk_usage(target.parent).free / 1e6:.0f} MB are free" if isinstance(target, Path) else ""
    return (
        f"the disk is full: the picture has {raw:.0f} MB before compression{free}. Make room or choose another folder"
    )


def _encoder(stream: BinaryIO, spec: Spec) -> _Encoder:
    shape = (spec.height, spec.width, spec.channels)
    if spec.format == "PNG":
        from fourfold.imaging.codecs import png  # as in decode

        return png.Encoder(stream, shape, spec.depth, spec.profile, spec.metadata)
    if spec.format == "TIFF":
        from fourfold.imaging.codecs import tiff

        return tiff.Encoder(stream, shape, spec.depth, spec.profile, spec.metadata)
    quality = spec.quality or FORMATS[spec.format].quality or 0
    if spec.format == "JPEG":
        return encode.JpegEncoder(stream, shape, quality, spec.profile, spec.metadata)
    return encode.Encoder(stream, spec.format, shape, quality, spec.profile, spec.metadata)


def open_writer(target: Path | BinaryIO, spec: Spec, *, overwrite: bool = True) -> Writer:
    """A writer for ``with``: bands go in from top to bottom, the file appears when the block ends well.

    JPEG, PNG and TIFF are compressed as bands come; the others collect the picture, up to four bytes a pixel. A file
    replaces what is at its place only when it is complete, and nothing is left behind otherwise; without ``overwrite``
    it replaces nothing, whenever that came. A stream need not be seekable: a PNG flows into it, the rest at the end.

    Raises:
        PictureError: the file cannot be made there.
        NotEnough: disk or memory do not suffice.
    """
    return Writer(target, spec, overwrite=overwrite)


def write(
    image: Image,
    target: Path | BinaryIO,
    format: str | None = None,  # noqa: A002
    quality: int | None = None,
) -> tuple[str, ...]:
    """Write a picture with all its metadata.

    Args:
        image: pixels outside 0..1 are clipped.
        target: a file, or a stream open for writing.
        format: as ``FORMATS`` names it; by default what the file's name says, for a stream the picture's own.
        quality: 1 to 100, None for the default.

    Returns:
        Sentences about what the format could not hold.

    Raises:
        UsageError, PictureError, NotEnough: as ``Spec`` and ``open_writer``.
    """
    if format is None:
        format = format_of(target).name if isinstance(target, Path) else image.format  # noqa: A001
    row = format_of(format)
    image = image if row.sixteen else replace(image, depth=8)
    carried = metadata.for_output(image.metadata, "keep", image.size)
    with open_writer(target, Spec.of(image, row, image.size, carried, quality)) as writer:
        for band in image.bands():
            writer.write(band)
    return writer.notes
