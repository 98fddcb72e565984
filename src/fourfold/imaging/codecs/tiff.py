"""TIFF: samples in at their full depth, and a streaming writer out.

Pillow reads most TIFF pictures, but 16-bit colour as 8-bit, and some planar, inverted and big-endian ones wrongly.
Everything made of whole bytes is therefore laid out here; Pillow only unpacks the compressed segments.

Source: TIFF 6.0 with technical notes 1 to 3; the BigTIFF proposal.
"""

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import TiffImagePlugin

from fourfold.core.contract import Levels
from fourfold.core.errors import Damaged, PictureError
from fourfold.core.image import Metadata
from fourfold.imaging.codecs import ifd
from fourfold.imaging.color import straight
from fourfold.imaging.metadata import descriptive

PROFILE, XMP, ORIENTATION, IPTC = 34675, 700, 274, 33723
_DEFLATE, _OTHERS = (8, 32946), {5: "LZW", 32773: "PackBits", 34925: "LZMA", 50000: "Zstandard"}
_COLOURS = {0: 1, 1: 1, 2: 3, 3: 1, 5: 4}
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_BAND_ROWS = 256
_MOST_SAMPLES, _SPARE = 1024, 1 << 26
_STRIP_BYTES = 1 << 19
_CLASSIC_LIMIT = 0xF0000000


@dataclass(frozen=True)
class Layout:
    """How the samples of a TIFF page are stored.

    Attributes:
        height, width, samples: of the picture as stored; samples per pixel, colours first.
        kind: NumPy type of a sample, or None where it is none that is read here.
        bits: of a sample; fewer than ``kind`` has where samples are packed.
        reversed: whether the lowest bit of each byte comes first.
        photometric: TIFF's number of the colour space; 0 and 1 grey, 2 RGB, 3 palette, 5 CMYK.
        separate: whether each sample has a plane of its own.
        compression, predictor: TIFF's numbers.
        extra: meanings of the samples after the colours; 1 associated alpha, 2 alpha, 0 unknown.
        segment: height and width of a tile, or of a strip.
        offsets, counts: where the segments stand, and their lengths in bytes.
        palette: ``N×3`` colours in 0..255, empty if there is none.
    """

    height: int
    width: int
    samples: int
    kind: str | None
    bits: int
    reversed: bool
    photometric: int
    separate: bool
    compression: int
    predictor: int
    extra: tuple[int, ...]
    segment: tuple[int, int]
    offsets: tuple[int, ...]
    counts: tuple[int, ...]
    palette: NDArray[np.uint8]

    @property
    def plain(self) -> bool:
        """Whether ``read_samples`` can read it."""
        known = self.compression in (1, *_DEFLATE, *_OTHERS) and self.photometric in _COLOURS
        known &= self.photometric != 3 or (self.bits <= 8 and len(self.palette) > 0)
        known &= not self.packed or self.predictor == 1
        return known and self.kind is not None and self.samples >= _COLOURS[self.photometric]

    @property
    def packed(self) -> bool:
        """Whether samples share bytes."""
        return self.kind is not None and self.bits < 8 * np.dtype(self.kind).itemsize

    @property
    def alpha(self) -> bool:
        """Whether the first sample after the colours of a plain picture is alpha."""
        return self.samples > _COLOURS[self.photometric] and self.extra[:1] in ((1,), (2,))

    @property
    def channels(self) -> int:
        """Of the levels of a plain picture, once inks are converted: 1 grey, 2 grey with alpha, 3 RGB, 4 with alpha."""
        return (3 if self.photometric > 1 else 1) + self.alpha

    @property
    def depth(self) -> int:
        """8 or 16, the bits of the levels of a plain picture."""
        assert self.kind is not None
        return 8 if np.dtype(self.kind).itemsize == 1 or self.photometric == 5 else 16


def layout_of(reader: ifd.Reader, page: ifd.Directory) -> Layout:
    """The storage of a page.

    Raises:
        Damaged: its size is missing.
    """
    height, width = page.number(257, 0), page.number(256, 0)
    samples, photometric = page.number(277, 1), page.number(262, -1)
    tiled = 322 in page.entries
    rows = min(page.number(323, 0) if tiled else page.number(278, height), 2**31)
    segment = (rows, page.number(322, 0)) if tiled else (min(rows, height), width)
    if min(height, width, samples, *segment) < 1:
        raise Damaged("its size is missing")
    if samples > _MOST_SAMPLES:
        raise Damaged(f"it claims to have {samples} samples a pixel")
    places = [page.entries.get(tag) for tag in ((324, 325) if tiled else (273, 279))]
    offsets, counts = ((entry.numbers if entry else ()) for entry in places)
    bits = (page.entries[258].numbers if 258 in page.entries else ()) or (1,)
    formats = (page.entries[339].numbers if 339 in page.entries else ()) or (1,)
    alike = len({*bits}) == len({*formats}) == 1
    return Layout(
        height,
        width,
        samples,
        _kind(bits[0], formats[0], reader.order) if alike else None,
        bits[0],
        page.number(266, 1) == 2,
        photometric,
        page.number(284, 1) == 2 and samples > 1,
        page.number(259, 1),
        page.number(317, 1),
        page.entries[338].numbers if 338 in page.entries else (),
        segment,
        offsets,
        _lengths(offsets, counts, reader.end),
        _palette(page),
    )


def _kind(bits: int, form: int, order: str) -> str | None:
    """NumPy's type for samples of so many bits in a TIFF sample format; 4, undefined, is read as unsigned."""
    if form in (1, 4) and 1 <= bits <= 16:
        return ("=" if bits % 8 else order) + ("u1" if bits <= 8 else "u2")
    codes = {(32, 1): "u4", (32, 4): "u4", (16, 3): "f2", (32, 3): "f4", (64, 3): "f8"}
    return order + codes[bits, form] if (bits, form) in codes else None


def _lengths(offsets: tuple[int, ...], counts: tuple[int, ...], end: int) -> tuple[int, ...]:
    """The lengths of segments; where one is missing or 0, up to the next segment or the end of the file."""
    known = [*counts[: len(offsets)], *[0] * (len(offsets) - len(counts))]
    if all(known):
        return tuple(known)
    starts = sorted({*offsets, end})
    after = dict(pairwise(starts))
    return tuple(count or after.get(offset, offset) - offset for offset, count in zip(offsets, known, strict=True))


def _palette(page: ifd.Directory) -> NDArray[np.uint8]:
    """The colours of a palette; those of writers that use 8 of the 16 bits are taken as they are meant."""
    numbers = page.entries[320].numbers if 320 in page.entries else ()
    colours = np.array(numbers[: len(numbers) // 3 * 3], np.uint16).reshape(3, -1).T
    return (colours if colours.size and colours.max() < 256 else colours >> 8).astype(np.uint8)


def read_samples(stream: BinaryIO, layout: Layout) -> tuple[NDArray[Any], float]:
    """``H×W×S`` samples as they are stored, in the byte order of this machine, and the fraction that is missing.

    What is missing is 0.
    """
    assert layout.kind is not None
    out = np.zeros((layout.height, layout.width, layout.samples), np.dtype(layout.kind).newbyteorder("="))
    tall, wide = layout.segment
    deep = 1 if layout.separate else layout.samples
    corners = product(
        range(layout.samples if layout.separate else 1),
        range(0, layout.height, tall),
        range(0, layout.width, wide),
    )
    there = 0.0
    for (plane, top, left), offset, count in zip(corners, layout.offsets, layout.counts, strict=False):
        rows = tall if wide != layout.width or 0 < layout.height - top >= tall else layout.height - top
        stream.seek(offset)
        shape = (rows, wide, deep)
        data, size = stream.read(min(count, 2**31)), _size(shape, layout)
        if size > out.nbytes + _SPARE:  # no tile is so much larger than its picture
            continue
        data = _bytes_of(data, shape, layout)
        target = out[top : top + tall, left : left + wide, plane : plane + deep]
        target[:] = _segment(data.ljust(size, b"\0"), shape, layout)[: target.shape[0], : target.shape[1]]
        there += target.size * min(len(data) / size, 1)
    return out, 1 - there / out.size


def _size(shape: tuple[int, int, int], layout: Layout) -> int:
    return shape[0] * -(-shape[1] * shape[2] * layout.bits // 8)


def _bytes_of(data: bytes, shape: tuple[int, int, int], layout: Layout) -> bytes:
    """The bytes of a segment as far as they can be unpacked."""
    size = _size(shape, layout)
    if layout.reversed:
        data = data.translate(_REVERSED)
    try:
        if layout.compression in _DEFLATE:
            return zlib.decompressobj().decompress(data, size)
        if layout.compression in _OTHERS:
            return _unpacked(data, (shape[0], size // shape[0]), layout.compression)
    except (zlib.error, OSError, ValueError, SyntaxError):
        return b""
    return data


def _segment(data: bytes, shape: tuple[int, int, int], layout: Layout) -> NDArray[Any]:
    kind, size = np.dtype(layout.kind), _size(shape, layout)
    if layout.packed:
        rows = _spread(np.frombuffer(data, np.uint8, size).reshape(shape[0], -1), layout)
        return rows[:, : shape[1] * shape[2]].reshape(shape)
    if layout.predictor == 3:
        spread = np.frombuffer(data, np.uint8, size).reshape(shape[0], -1)
        spread = np.cumsum(spread.reshape(shape[0], -1, shape[2]), axis=1, dtype=np.uint8)
        planes = spread.reshape(shape[0], kind.itemsize, -1).swapaxes(1, 2)
        return np.ascontiguousarray(planes).view(kind.newbyteorder(">")).reshape(shape)
    part = np.frombuffer(data, kind, size // kind.itemsize).reshape(shape)
    return np.cumsum(part, axis=1, dtype=kind.newbyteorder("=")) if layout.predictor == 2 else part


def _spread(rows: NDArray[np.uint8], layout: Layout) -> NDArray[Any]:
    """Samples that share bytes, highest bit first, one by one; what pads a row to whole bytes goes."""
    count = rows.shape[1] * 8 // layout.bits
    out = np.empty((len(rows), count), layout.kind)
    weights = 1 << np.arange(layout.bits - 1, -1, -1, dtype=out.dtype)
    for top in range(0, len(rows), _BAND_ROWS):
        bits = np.unpackbits(rows[top : top + _BAND_ROWS], axis=1)[:, : count * layout.bits]
        out[top : top + _BAND_ROWS] = bits.reshape(len(bits), count, layout.bits) @ weights
    return out


def _unpacked(data: bytes, shape: tuple[int, int], compression: int) -> bytes:
    """The bytes of a segment, read as if it were the only strip of an 8-bit grey picture."""
    fields = {256: shape[1], 257: shape[0], 258: 8, 259: compression, 262: 1, 277: 1, 278: shape[0], 279: len(data)}
    page = ifd.Directory({tag: ifd.long(value) for tag, value in fields.items()})
    page.entries[273] = ifd.long(0)
    page.entries[273] = ifd.long(8 + len(ifd.encode(page, 8)))
    head = b"II*\0" + struct.pack("<I", 8) + ifd.encode(page, 8)
    return TiffImagePlugin.TiffImageFile(io.BytesIO(head + data)).tobytes()


def to_levels(samples: NDArray[Any], layout: Layout) -> tuple[Levels, tuple[str, ...]]:
    """Samples of a plain layout as ``H×W×C`` levels: white is the largest, alpha straight, C = 1 to 4 or CMYK.

    Returns:
        The levels, and a note about everything that was left out or rounded.

    Raises:
        PictureError: the samples have no stated brightness range that 16 bits could stand for.
    """
    notes = []
    kept = _COLOURS[layout.photometric] + layout.alpha
    if layout.samples > kept:
        notes.append("Extra channels that are not transparency were left out.")
        samples = samples[..., :kept]
    levels = _scaled(samples, layout)
    if samples.dtype not in (np.uint8, np.uint16):
        notes.append(f"Samples of {samples.dtype.itemsize * 8} bits were rounded to 16.")
    if layout.photometric == 0:
        levels = np.concatenate([~levels[..., :1], levels[..., 1:]], axis=2)
    if layout.alpha and layout.extra[0] == 1:
        levels = straight(levels)
    if layout.photometric == 5 and levels.dtype == np.uint16:
        levels = ((levels.astype(np.uint32) + 128) // 257).astype(np.uint8)
        notes.append("16-bit CMYK was rounded to 8 bits.")
    return levels, tuple(notes)


def _scaled(samples: NDArray[Any], layout: Layout) -> Levels:
    """Samples so that white is the largest level; numbers of a palette become its colours."""
    if samples.dtype not in (np.uint8, np.uint16):
        return _sixteen(samples)
    levels: Levels = samples
    top, most = np.iinfo(samples.dtype).max, 2**layout.bits - 1
    if layout.photometric == 3:
        if samples[..., 0].max() >= len(layout.palette):
            raise Damaged("its palette is too short")
        rest = samples[..., 1:].astype(np.uint32) * top // most
        return np.concatenate([layout.palette[samples[..., 0]], rest.astype(np.uint8)], axis=2)
    if most < top:
        levels = ((samples.astype(np.uint32) * top + most // 2) // most).astype(samples.dtype)
    return levels


def _sixteen(samples: NDArray[Any]) -> NDArray[np.uint16]:
    low, high = float(samples.min()), float(samples.max())
    top = 1.0 if samples.dtype.kind == "f" else float(np.iinfo(samples.dtype).max)
    if not 0 <= low <= high <= top:
        raise PictureError(
            f"expected samples from 0 to {top:g}, got {low:g} to {high:g}. Which of them is white is not stated: "
            "save it as a 16-bit TIFF with the program it comes from"
        )
    return np.rint(samples.astype(np.float64) * (65535 / top)).astype(np.uint16)


class Encoder:
    """Writes a TIFF band by band: deflated strips with horizontal prediction; BigTIFF where 4 GiB may not suffice.

    The stream must be seekable, because the place of the directory is known last.
    """

    def __init__(
        self,
        stream: BinaryIO,
        shape: tuple[int, int, int],
        depth: int,
        profile: bytes | None,
        metadata: Metadata,
    ) -> None:
        self._stream, self._shape = stream, shape
        self._kind = np.dtype("u1" if depth == 8 else "<u2")
        row = shape[1] * shape[2] * self._kind.itemsize
        self._big = row * shape[0] > _CLASSIC_LIMIT
        self._rows = min(shape[0], max(1, _STRIP_BYTES // row))
        self._waiting: Levels = np.zeros((0, shape[1], shape[2]), self._kind)
        self._offsets: list[int] = []
        self._counts: list[int] = []
        self._page = self._directory(profile, metadata)
        self._at = stream.write(b"II+\0\x08\0\0\0" + bytes(8) if self._big else b"II*\0" + bytes(4))

    def _directory(self, profile: bytes | None, metadata: Metadata) -> ifd.Directory:
        height, width, channels = self._shape
        page = ifd.Directory()
        if metadata.exif:
            page = descriptive(ifd.Reader(io.BytesIO(metadata.exif)).directory())
        page.entries |= {
            256: ifd.long(width),
            257: ifd.long(height),
            258: ifd.short(*[self._kind.itemsize * 8] * channels),
            259: ifd.short(8),
            262: ifd.short(2 if channels > 2 else 1),
            ORIENTATION: ifd.short(1),
            277: ifd.short(channels),
            278: ifd.long(self._rows),
            284: ifd.short(1),
            317: ifd.short(2),
            339: ifd.short(*[1] * channels),
        }
        if channels in (2, 4):
            page.entries[338] = ifd.short(2)
        if metadata.dpi:
            page.entries |= {282: ifd.rational(metadata.dpi[0]), 283: ifd.rational(metadata.dpi[1]), 296: ifd.short(2)}
        elif metadata.aspect:
            x, y = metadata.aspect
            page.entries |= {282: ifd.rational(x), 283: ifd.rational(y), 296: ifd.short(1)}
        if metadata.iptc:
            page.entries[IPTC] = ifd.block(metadata.iptc)
        if metadata.xmp:
            page.entries[XMP] = ifd.Entry(1, len(metadata.xmp), metadata.xmp)
        if profile:
            page.entries[PROFILE] = ifd.block(profile)
        return page

    def write(self, band: Levels) -> None:
        """Add rows, ``h×W×C`` of the depth the file was begun with."""
        rows = np.concatenate([self._waiting, band]) if len(self._waiting) else band
        whole = len(rows) - len(rows) % self._rows
        self._strips(rows[:whole])
        self._waiting = rows[whole:].copy()

    def finish(self) -> None:
        """Write what is left, the directory, and its place into the header."""
        self._strips(self._waiting)
        self._put(bytes(self._at % 2))
        self._page.entries[279] = ifd.long(*self._counts, wide=self._big)
        self._page.entries[273] = ifd.long(*self._offsets, wide=self._big)
        where = self._at
        self._put(ifd.encode(self._page, where, big=self._big))
        self._stream.seek(8 if self._big else 4)
        self._stream.write(struct.pack("<Q" if self._big else "<I", where))
        self._stream.seek(0, io.SEEK_END)

    def _strips(self, rows: Levels) -> None:
        for strip in _split(rows, self._rows):
            differences = strip.astype(self._kind)
            differences[:, 1:] -= strip[:, :-1]
            packer = zlib.compressobj(1, zlib.DEFLATED, 15, 9, zlib.Z_RLE)
            data = packer.compress(differences.data) + packer.flush()
            self._offsets.append(self._at)
            self._counts.append(len(data))
            self._put(data)

    def _put(self, data: bytes) -> None:
        self._at += self._stream.write(data)


def _split(rows: Levels, step: int) -> Iterator[Levels]:
    for top in range(0, len(rows), step):
        yield rows[top : top + step]
