"""Decode an open file to upright samples and their metadata: one function per file format.

Plugins of Pillow are called by name instead of through ``PIL.Image.open``: that leaves the host's pixel limit and
its set of plugins alone, and nothing but these eight decoders ever sees a file.
"""

import io
import struct
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    ImageFile,
    JpegImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)
from PIL import Image as Pillow

from fourfold.core.contract import Levels
from fourfold.core.errors import MissingExtra, PictureError
from fourfold.core.image import Text
from fourfold.imaging import color
from fourfold.imaging.codecs import bmff, damage, extras, ifd, jpeg, png, tiff, tiff_pages
from fourfold.imaging.metadata import aspect_of, block_of, dpi_of, orientation

_PLUGINS: dict[str, Callable[[BinaryIO], ImageFile.ImageFile]] = {
    "AVIF": AvifImagePlugin.AvifImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "JPEG": JpegImagePlugin.JpegImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
}
_LOSSY_TIFF = (6, 7, 34712, 50001)
_FRAMES = "The file holds more than one picture; the first was taken."
_RARE = (
    "expected a {} file of a usual kind, got a rare one, which is not read here. Convert it to PNG or TIFF, for "
    "example with ImageMagick or the program it comes from"
)
_WARNINGS = threading.Lock()


@dataclass(frozen=True)
class Decoded:
    """A picture as its file has it, but upright.

    Attributes:
        levels: ``H×W×C``, C = 1 grey, 2 grey with alpha, 3 RGB, 4 RGB with alpha.
        profile: ICC profile as found, empty if it could not be unpacked, None if there is none.
        code: code points of the colour space, where the file gives those instead of a profile.
        exif, xmp: as found; empty if none.
        dpi: as found.
        notes: sentences about what had to be changed.
        iptc: an IPTC-IIM stream as found; empty if none.
        texts: text chunks and comments.
        aspect: pixels on the same length across and down, as found.
    """

    levels: Levels
    profile: bytes | None = None
    code: color.CodePoints | None = None
    exif: bytes = b""
    xmp: bytes = b""
    dpi: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()
    iptc: bytes = b""
    texts: tuple[Text, ...] = ()
    aspect: tuple[float, float] | None = None


@dataclass(frozen=True)
class Opened:
    """A file whose header has been read.

    Attributes:
        height, width: of the upright picture.
        channels: 1 grey, 2 grey with alpha, 3 RGB, 4 RGB with alpha.
        depth: 8 or 16, what ``decode`` will give.
        lossy: whether its compression loses detail.
        decode: reads the pixels; the stream must still be open.
        pages: how many pictures the file holds.
    """

    height: int
    width: int
    channels: int
    depth: int
    lossy: bool
    decode: Callable[[], Decoded]
    pages: int = 1


def open_stream(stream: BinaryIO, name: str, page: int | None = None, *, damaged: bool = False) -> Opened:
    """Read the header of a seekable stream in the format of that name.

    Args:
        stream: at any place; name: as ``FORMATS`` has it.
        page: which of several pictures, from 1; None takes the first and notes that there are more.
        damaged: whether to take a picture most of whose pixels are missing or wrong.

    Raises:
        PictureError: a kind of this format that cannot be read faithfully, or no such page; the message lacks the
            file's name.
        MissingExtra: HEIF, and its reader is not installed.
        Exception: the file is damaged. Decoders raise whatever they like.
    """
    if name == "PNG":
        _number(page, 1)
        return _png(stream)
    if name == "TIFF":
        return _tiff(stream, page)
    if name == "HEIF":
        return _heif(stream, page, damaged)
    return _pillow(stream, name, page, damaged)


def _number(page: int | None, pages: int) -> int:
    """The page to take, from 0; raises ``PictureError`` if there is none of that number."""
    if page is not None and not 1 <= page <= pages:
        raise PictureError(f"expected a page from 1 to {pages}, got {page}. Ask for one that the file has")
    return 0 if page is None else page - 1


def upright(levels: Levels, turned: int) -> Levels:
    """Undo an EXIF orientation, 1 to 8; the result is contiguous."""
    if turned >= 5:
        levels = levels.swapaxes(0, 1)
    rows = slice(None, None, -1) if turned in (3, 4, 7, 8) else slice(None)
    columns = slice(None, None, -1) if turned in (2, 3, 6, 7) else slice(None)
    flipped: Levels = levels[rows, columns]
    return flipped if flipped.flags.c_contiguous else flipped.copy()


def _turned(pair: tuple[float, float] | None, turned: int) -> tuple[float, float] | None:
    """Values across and down, of a picture that an EXIF orientation turns upright."""
    return pair[::-1] if pair and turned >= 5 else pair


def _png(stream: BinaryIO) -> Opened:
    start = png.read_start(stream)
    turned = orientation(start.exif, start.xmp)
    size = (start.height, start.width) if turned < 5 else (start.width, start.height)

    def decode() -> Decoded:
        levels = upright(png.read_pixels(stream, start), turned)
        profile, code = png.profile_of(start.chunks, grey=start.channels < 3)
        notes = (*((_FRAMES,) if b"acTL" in start.chunks else ()), *start.not_carried)
        dpi, aspect = (_turned(pair(start.chunks), turned) for pair in (png.dpi_of, png.aspect_of))
        return Decoded(levels, profile, code, start.exif, start.xmp, dpi, notes, start.iptc, start.texts, aspect)

    return Opened(*size, start.channels, 16 if start.bits == 16 else 8, False, decode)


def _tiff(stream: BinaryIO, page: int | None) -> Opened:
    reader = ifd.Reader(stream)
    pages = tiff_pages.pages(reader)
    chosen = pages[_number(page, len(pages))]
    layout = tiff.layout_of(reader, chosen)
    profile = chosen.entries[tiff.PROFILE].data if tiff.PROFILE in chosen.entries else None
    xmp = chosen.entries[tiff.XMP].data if tiff.XMP in chosen.entries else b""
    turned = chosen.number(tiff.ORIENTATION, 0)
    turned = turned if 1 <= turned <= 8 else orientation(b"", xmp)
    size = (layout.height, layout.width) if turned < 5 else (layout.width, layout.height)
    fields, beside = extras.of_page(chosen)
    notes = [*([_FRAMES] if page is None and len(pages) > 1 else []), *beside]

    def decoded(profile: bytes | None, levels: Levels, more: tuple[str, ...]) -> Decoded:
        dpi, aspect = (_turned(pair(chosen), turned) for pair in (dpi_of, aspect_of))
        return Decoded(levels, profile, None, block_of(chosen), xmp, dpi, (*notes, *more), fields, (), aspect)

    def plain() -> Decoded:
        levels, more = tiff.to_levels(tiff.read_samples(stream, layout), layout)
        kept = profile
        if layout.photometric == 5:
            kept, levels, also = _inks(levels, profile)
            more = (*more, *also)
        return decoded(kept, upright(levels, turned), more)

    if layout.plain:
        return Opened(*size, layout.channels, layout.depth, False, plain, len(pages))
    tiff_pages.check_kind(chosen, layout)
    picture = _tiff_picture(stream, reader, chosen)
    lossy = layout.compression in _LOSSY_TIFF

    def through_pillow() -> Decoded:
        try:
            return decoded(*_rgb(picture, profile))
        except OSError as error:
            if layout.compression not in tiff_pages.OPTIONAL:
                raise
            raise PictureError(tiff_pages.packed_otherwise(layout.compression)) from error

    return Opened(picture.height, picture.width, _channels(picture), 8, lossy, through_pillow, len(pages))


def _tiff_picture(stream: BinaryIO, reader: ifd.Reader, page: ifd.Directory) -> ImageFile.ImageFile:
    """Pillow's picture of a page, which it finds as the first one of a copy of the file."""
    if page.offset != reader.first:
        stream.seek(0)
        data = bytearray(stream.read())
        place = slice(8, 16) if reader.big else slice(4, 8)
        data[place] = page.offset.to_bytes(place.stop - place.start, "little" if reader.order == "<" else "big")
        stream = io.BytesIO(data)
    try:
        return _opened(stream, "TIFF")
    except (SyntaxError, KeyError) as error:  # the directory itself is sound by now
        raise PictureError(tiff_pages.RARE) from error


def _inks(levels: Levels, profile: bytes | None) -> tuple[bytes | None, Levels, tuple[str, ...]]:
    """8-bit CMYK levels, and alpha if there is a fifth channel, as ``_rgb`` gives them."""
    inks = Pillow.frombuffer("CMYK", levels.shape[1::-1], levels[..., :4].tobytes(), "raw", "CMYK", 0, 1)
    kept, colours, notes = _rgb(inks, profile)
    return kept, np.concatenate([colours, levels[..., 4:]], axis=2), notes


def _heif(stream: BinaryIO, page: int | None, damaged: bool) -> Opened:
    try:
        import pi_heif
    except ImportError:
        raise MissingExtra("reading HEIC pictures", "heif") from None
    properties = bmff.properties(stream)
    extras.check_codec(stream)
    beside = extras.of_boxes(stream, properties)
    stream.seek(0)
    try:
        file = pi_heif.open_heif(stream, convert_hdr_to_8bit=False)
    except (RuntimeError, ValueError) as error:
        if "unsupported" not in str(error).lower():
            raise
        raise PictureError(_RARE.format("HEIF")) from error
    number = file.primary_index if page is None else _number(page, len(file))
    picture = file[number]
    info = picture.info
    bits = int(info.get("bit_depth", 8))
    bands = picture.mode.split(";")[0]
    channels = {"L": 1, "I": 1, "LA": 2, "La": 2, "RGB": 3, "RGBA": 4, "RGBa": 4}[bands]

    def decode() -> Decoded:
        levels: Levels = np.asarray(picture).reshape(picture.size[1], picture.size[0], channels)
        found = damage.find_in_heif(stream, properties) if number == file.primary_index else None
        flaws = [damage.judged(found, "HEIF", accept=damaged)] if found else []
        if levels.dtype == np.uint16:
            top = 2**bits - 1
            levels = ((levels >> (16 - bits)).astype(np.uint32) * 65535 // top).astype(np.uint16)
        if bands.endswith("a"):
            levels = color.straight(levels)
        nclx = info.get("nclx_profile") or {}
        code = color.CodePoints(nclx.get("color_primaries", 1), nclx.get("transfer_characteristics", 13))
        exif = info.get("exif") or b""
        live = extras.of_exif(exif)
        notes = [*([_FRAMES] if page is None and len(file) > 1 else []), *flaws, *beside, *live]
        return Decoded(levels, info.get("icc_profile") or None, code, exif, info.get("xmp") or b"", None, tuple(notes))

    return Opened(picture.size[1], picture.size[0], channels, 8 if bits <= 8 else 16, True, decode, len(file))


def _pillow(stream: BinaryIO, name: str, page: int | None, damaged: bool) -> Opened:
    if name == "JPEG":
        stream.seek(0)
        damage.check_kind(stream)
    picture = _opened(stream, name)
    pages = getattr(picture, "n_frames", 1) if page is not None or name != "GIF" else 1  # counting reads a whole GIF
    if number := _number(page, pages):
        picture.seek(number)
    info = picture.info
    boxes = bmff.properties(stream) if name == "AVIF" else []
    beside = _beside(stream, name, info, boxes)
    exif, packet = beside.exif, beside.xmp
    turned = orientation(exif, b"" if name == "AVIF" else packet)  # where a property of the item has the last word
    size = picture.size if turned >= 5 else picture.size[::-1]

    def decode() -> Decoded:
        several, more_notes = jpeg.around(stream, beside) if name == "JPEG" else (False, [])
        several |= getattr(picture, "is_animated", False)
        notes = [_FRAMES] if page is None and several else []
        whole, found = _whole(stream, picture, damaged) if name == "JPEG" else (picture, ())
        kept, levels, more = _rgb(whole, beside.profile)
        if name == "BMP" and levels.shape[2] == 4 and not levels[..., 3].any():
            levels = np.concatenate([levels[..., :3], np.full_like(levels[..., 3:], 255)], axis=2)
            notes.append("The picture would be transparent everywhere, as its file says; it was taken as opaque.")
        if any(kind == b"av1C" and len(content) > 2 and content[2] & 0x40 for kind, content in boxes):
            notes.append("The file holds more than 8 bits a channel; 8 were read.")
        square = info.get("jfif_unit") or name != "JPEG"
        dpi, aspect = (info.get("dpi"), None) if square else (None, info.get("jfif_density"))
        notes += [*found, *more, *beside.notes, *more_notes]
        return Decoded(
            upright(levels, turned), kept, _nclx(boxes), exif, packet, _turned(dpi, turned), tuple(notes),
            beside.iptc, beside.texts, _turned(aspect, turned),
        )  # fmt: skip

    lossy = name in ("JPEG", "AVIF") or (name == "WEBP" and _lossy(stream))
    return Opened(*size, _channels(picture), 8, lossy, decode, pages)


def _whole(
    stream: BinaryIO, picture: ImageFile.ImageFile, accept: bool
) -> tuple[ImageFile.ImageFile, tuple[str, ...]]:  # fmt: skip
    """A JPEG as it can be decoded to its end, and a note about damage, if there is any."""
    stream.seek(0)
    data = stream.read()
    found = damage.find(data)
    if found is None:
        return picture, ()
    note = damage.judged(found, "JPEG", accept=accept)
    whole = _opened(io.BytesIO(data + damage.END), "JPEG")
    try:
        whole.load()
    except (OSError, SyntaxError):  # what stands in the place of pixels looks like something else to libjpeg
        whole = _opened(io.BytesIO(found.sound), "JPEG")
    return whole, (note,)


def _beside(stream: BinaryIO, name: str, info: dict[Any, Any], boxes: list[tuple[bytes, bytes]]) -> jpeg.Parts:
    """What a file that Pillow decodes holds beside its picture."""
    if name == "JPEG":
        return jpeg.parts(stream)
    exif, packet = info.get("exif") or b"", info.get("xmp") or b""
    notes = extras.of_boxes(stream, boxes) if name == "AVIF" else extras.of_riff(stream) if name == "WEBP" else []
    texts = (jpeg.comment(info["comment"]),) if name == "GIF" and info.get("comment") else ()
    if name == "GIF":
        packet = extras.xmp_of_gif(stream)
    return jpeg.Parts(exif, packet, b"", texts, info.get("icc_profile"), tuple(notes))


def _opened(stream: BinaryIO, name: str) -> ImageFile.ImageFile:
    """Pillow's picture, header read. Its warnings are about what is checked here anyway."""
    stream.seek(0)
    with _WARNINGS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _PLUGINS[name](stream)
        except OSError as error:
            if "unsupported" not in str(error).lower():
                raise
            raise PictureError(_RARE.format(name)) from error
        except Pillow.DecompressionBombError as error:  # the WebP plugin checks by itself
            raise PictureError(
                f"expected a smaller picture: {error}. If you trust the file, raise PIL.Image.MAX_IMAGE_PIXELS"
            ) from error


def _channels(picture: Pillow.Image) -> int:
    return (1 if picture.mode in ("1", "L", "LA", "La") else 3) + picture.has_transparency_data


def _rgb(picture: Pillow.Image, profile: bytes | None) -> tuple[bytes | None, Levels, tuple[str, ...]]:
    """The profile that still holds, ``H×W×C`` levels of a picture in any of Pillow's 8-bit modes, and notes."""
    notes: tuple[str, ...] = ()
    if picture.mode in ("CMYK", "LAB"):
        usable = profile if picture.mode == "CMYK" and profile and not color.usable(profile, 4) else None
        picture, note = color.to_srgb(picture, usable)
        profile, notes = None, (note,)
    mode = ("L", "LA", "RGB", "RGBA")[_channels(picture) - 1]
    picture.load()
    levels: Levels = np.asarray(picture if picture.mode == mode else picture.convert(mode))
    return profile, levels.reshape(picture.height, picture.width, -1), notes


def _nclx(boxes: list[tuple[bytes, bytes]]) -> color.CodePoints | None:
    for kind, content in boxes:
        if kind == b"colr" and content[:4] == b"nclx" and len(content) >= 8:
            return color.CodePoints(*struct.unpack(">HH", content[4:8]))
    return None


def _lossy(stream: BinaryIO) -> bool:
    """Whether the first picture of a WebP file is stored with loss."""
    stream.seek(12)
    while len(head := stream.read(8)) == 8:
        if head[:4] in (b"VP8 ", b"VP8L"):
            return head[:4] == b"VP8 "
        size = int.from_bytes(head[4:], "little")
        stream.seek(16 if head[:4] == b"ANMF" else size + size % 2, 1)
    return True
