"""Read what is left of damaged files in formats other than JPEG and HEIF, and find how much that is.

Of a PNG the compressed data is read as far as it goes. Pillow keeps what it decoded of a GIF or a BMP before the end
of the file. The libraries for WebP and AVIF refuse a file that ends early: it is filled up to its stated length in
several ways, and what comes out the same each time is in the file.

Source: Portable Network Graphics (third edition), sections 8 and 10; WebP Container Specification, RIFF header.
"""

import io
import zlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from PIL import Image as Pillow
from PIL import ImageFile

from fourfold.core.contract import Levels
from fourfold.core.errors import Damaged
from fourfold.imaging.codecs import bmff
from fourfold.imaging.codecs.damage import Damage

if TYPE_CHECKING:
    from fourfold.imaging.codecs import png

FAILURES = (ValueError, OSError, SyntaxError, EOFError, IndexError, zlib.error)
"""What decoders raise of damaged files."""

_ENDS_EARLY = "it ends early"
_PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
_GRIDS = ((8, 8), (8, 4), (4, 4), (4, 2), (2, 2), (2, 1), (1, 1))
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_STEP = 4096
_FILLS = (0x00, 0x55, 0xA5, 0xFF, 0x01, 0x92, 0x49, 0x3C)
_ALIKE, _LEAST = 3, 16


def read_png(stream: BinaryIO, start: "png.Start", flaw: Exception) -> tuple[Levels, Damage]:
    """The pixels of a PNG that reading failed on with ``flaw``, and what is wrong with them.

    Rows that are missing are black, or transparent; of an interlaced picture the last whole pass is enlarged.

    Raises:
        Exception: the flaw, if nothing can be read of it.
    """
    from fourfold.imaging.codecs import png  # only when there is one, as in decode

    what = str(flaw) if isinstance(flaw, Damaged) else "its compressed data is not consistent"
    interlaced = start.chunks[b"IHDR"][12] == 1
    sizes = list(_pass_sizes(start, _PASSES if interlaced else ((0, 0, 1, 1),)))
    ends = np.cumsum([rows * size for rows, size in sizes])
    raw, sound = _inflated(stream, int(ends[-1]))
    done, rows = int((ends <= len(raw)).sum()), len(raw) // sizes[0][1]
    if done == 0 and (interlaced or rows == 0):
        raise flaw
    if done == 0:
        raw = raw[: rows * sizes[0][1]]
    levels = png.unpacked(start, [zlib.compress(raw.ljust(int(ends[-1]), b"\0"), 1)])
    if done == len(sizes):
        return levels, Damage(0 if sound else None, what)
    if not interlaced:
        return levels, Damage(1 - rows / start.height, what)
    down, across = _GRIDS[done - 1]
    coarse = levels[::down, ::across].repeat(down, 0).repeat(across, 1)
    return coarse[: start.height, : start.width], Damage(1 - 1 / (down * across), what)


def _pass_sizes(start: "png.Start", passes: tuple[tuple[int, int, int, int], ...]) -> Iterator[tuple[int, int]]:
    """Rows of each pass, and bytes of one of its rows with the byte that names its filter."""
    bits = start.bits * _SAMPLES[start.colour]
    for top, left, down, across in passes:
        rows, columns = -(-(start.height - top) // down), -(-(start.width - left) // across)
        yield (rows, 1 + -(-columns * bits // 8)) if min(rows, columns) > 0 else (0, 1)


def _inflated(stream: BinaryIO, whole: int) -> tuple[bytes, bool]:
    """What can be unpacked of the pixels, at most ``whole`` bytes; whether that is all, and the checksum right."""
    packed = b"".join(_pixel_data(stream))
    unpacker, raw, at = zlib.decompressobj(-15), bytearray(), 2  # after the header of the compressed data
    try:
        while at < len(packed) and len(raw) <= whole and not unpacker.eof:
            raw += unpacker.decompress(packed[at : at + _STEP], whole + 1 - len(raw))
            at += _STEP
    except zlib.error:
        return bytes(raw[:whole]), False
    check = (unpacker.unused_data + packed[at:])[:4] == zlib.adler32(raw).to_bytes(4, "big")
    return bytes(raw[:whole]), unpacker.eof and len(raw) == whole and check


def _pixel_data(stream: BinaryIO) -> Iterator[bytes]:
    """The contents of the chunks that hold pixels, also of those that are cut off or have a wrong checksum."""
    end, begun = stream.seek(0, io.SEEK_END), False
    stream.seek(8)  # after the signature
    while len(head := stream.read(8)) == 8:
        size, pixels = min(int.from_bytes(head[:4], "big"), end), head[4:] == b"IDAT"
        if begun and not pixels:
            return
        begun = pixels
        data = stream.read(size)
        stream.seek(4, io.SEEK_CUR)
        if pixels:
            yield data


def filled(stream: BinaryIO, name: str, byte: int = 0) -> BinaryIO | None:
    """A WebP or AVIF that is shorter than it says, filled up with a byte; None if it is not, or by far too short.

    Raises:
        ValueError: the boxes of an AVIF are damaged.
    """
    stream.seek(0)
    data = bytearray(stream.read())
    length = 8 + int.from_bytes(data[4:8], "little") if name == "WEBP" else bmff.length(stream)
    if not len(data) < length < _LEAST * len(data):
        return None
    if name == "WEBP":
        length += _lengthened(data, length)
    return io.BytesIO(data.ljust(length, bytes([byte])))


def _lengthened(data: bytearray, length: int) -> int:
    """Make the last chunk of a WebP longer, so that what it is filled with suffices for the pixels; by how much."""
    at = 12
    while at + 8 <= len(data) and (end := at + 8 + int.from_bytes(data[at + 4 : at + 8], "little")) <= len(data):
        at = end + end % 2
    if bytes(data[at : at + 4]) not in (b"VP8 ", b"VP8L"):
        return 0
    more = 2 * (length - at)
    for place in (4, at + 4):
        data[place : place + 4] = (int.from_bytes(data[place : place + 4], "little") + more).to_bytes(4, "little")
    return more


def read_filled(
    stream: BinaryIO, name: str, opened: Callable[[BinaryIO], Pillow.Image]
) -> tuple[Pillow.Image, Damage]:  # fmt: skip
    """The picture of a file that is shorter than it says, black where it is missing, and what is wrong with it.

    Args:
        stream: the file; name: its format.
        opened: gives the picture of a file that is filled up.

    Raises:
        Damaged: nothing can be read of it.
    """
    found: list[Levels] = []
    for byte in _FILLS:
        try:
            picture = opened(filled(stream, name, byte) or stream)
            found.append(np.asarray(picture.convert("RGBA" if picture.has_transparency_data else "RGB")))
        except FAILURES:
            continue
        if len(found) == _ALIKE:
            break
    if len(found) < 2:
        raise Damaged(_ENDS_EARLY)
    differ = np.any([(found[0] != other).any(axis=(1, 2)) for other in found[1:]], axis=0)
    rows = int(differ.argmax()) if differ.any() else len(differ)
    if rows == 0:
        raise Damaged("none of its pixels can be read")
    levels = found[0].copy()
    levels[rows:, :, :3] = 0
    levels[rows:, :, 3:] = 255
    return Pillow.fromarray(levels), Damage(1 - rows / len(differ), _ENDS_EARLY)


def read_partly(picture: ImageFile.ImageFile) -> Damage:
    """What is wrong with a GIF or BMP of which Pillow could read a part, which it shows from now on.

    Raises:
        Damaged: nothing can be read of it.
    """
    picture.tile = []
    levels = np.asarray(picture)
    untouched = (levels == picture.info.get("transparency", 0)).reshape(len(levels), -1).all(axis=1)
    if untouched.all():
        raise Damaged("none of its pixels can be read")
    return Damage(max(float(untouched.mean()), 1 / len(levels)), _ENDS_EARLY)
