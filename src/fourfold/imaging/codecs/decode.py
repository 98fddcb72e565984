"""Decode an open file to upright samples and their metadata: one function per file format.

Plugins of Pillow are called by name instead of through ``PIL.Image.open``: that leaves the host's pixel limit and
its set of plugins alone, and nothing but these eight decoders ever sees a file.
"""

import io
import struct
import threading
import warnings
from collections.abc import Callable
from dataclasses import replace
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
from fourfold.core.errors import Damaged, PictureError
from fourfold.imaging import color
from fourfold.imaging.codecs import bmff, damage, extras, ifd, jpeg, salvage
from fourfold.imaging.codecs.opened import (
    RARE,
    SEVERAL,
    Decoded,
    Opened,
    page_number,
    turned_pair,
    upright,
)
from fourfold.imaging.codecs.raw import open_raw
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
_WARNINGS = threading.Lock()


def open_stream(stream: BinaryIO, name: str, page: int | None = None, *, damaged: bool = False) -> Opened:
    """Read the header of a seekable stream in the format of that name.

    Args:
        stream: at any place; name: as ``sniff`` gives it.
        page: which of several pictures, from 1; None takes the first and notes that there are more.
        damaged: whether to take a picture many of whose pixels are missing or wrong.

    Raises:
        PictureError: a kind of this format that cannot be read faithfully, or no such page; the message lacks the
            file's name.
        MissingExtra: HEIF, and its reader is not installed.
        Exception: the file is damaged. Decoders raise whatever they like.
    """
    if name == "PNG":
        page_number(page, 1)
        return _png(stream, damaged)
    if name == "TIFF":
        return _tiff(stream, page, damaged)
    if name == "HEIF":
        from fourfold.imaging.codecs.heif import open_heif

        return open_heif(stream, page, damaged=damaged)
    if name == "RAW":
        page_number(page, 1)
        return open_raw(stream)
    return _pillow(stream, name, page, damaged)


def _png(stream: BinaryIO, damaged: bool) -> Opened:
    from fourfold.imaging.codecs import png  # loading what a JPEG does without takes longer than decoding it

    start = png.read_start(stream)
    turned = orientation(start.exif, start.xmp)
    size = (start.height, start.width) if turned < 5 else (start.width, start.height)

    def decode() -> Decoded:
        flaws: tuple[str, ...] = ()
        try:
            levels = png.read_pixels(stream, start)
        except salvage.FAILURES as error:
            levels, found = salvage.read_png(stream, start, error)
            flaws = (damage.judged(found, "PNG", accept=damaged, most=0),)
        levels = upright(levels, turned)
        profile, code = png.profile_of(start.chunks, grey=start.channels < 3)
        notes = (*((SEVERAL,) if b"acTL" in start.chunks else ()), *flaws, *start.not_carried)
        dpi, aspect = (turned_pair(pair(start.chunks), turned) for pair in (png.dpi_of, png.aspect_of))
        return Decoded(levels, profile, code, start.exif, start.xmp, dpi, notes, start.iptc, start.texts, aspect)

    return Opened(*size, start.channels, 16 if start.bits == 16 else 8, False, decode)


def _tiff(stream: BinaryIO, page: int | None, damaged: bool) -> Opened:
    from fourfold.imaging.codecs import tiff_pages

    reader = ifd.Reader(stream)
    pages = tiff_pages.pages(reader)
    number = page_number(page, max(len(pages), 1))
    if not pages:
        return open_raw(stream, reader.directory())
    several = page is None and len(pages) > 1
    return replace(_tiff_page(stream, reader, pages[number], several, damaged), pages=len(pages))


def _tiff_page(stream: BinaryIO, reader: ifd.Reader, chosen: ifd.Directory, several: bool, damaged: bool) -> Opened:
    from fourfold.imaging.codecs import tiff, tiff_pages

    layout = tiff.layout_of(reader, chosen)
    profile = chosen.entries[tiff.PROFILE].data if tiff.PROFILE in chosen.entries else None
    xmp = chosen.entries[tiff.XMP].data if tiff.XMP in chosen.entries else b""
    turned = chosen.number(tiff.ORIENTATION, 0)
    turned = turned if 1 <= turned <= 8 else orientation(b"", xmp)
    size = (layout.height, layout.width) if turned < 5 else (layout.width, layout.height)
    fields, beside = extras.of_page(chosen)
    notes = [*([SEVERAL] if several else []), *beside]

    def decoded(profile: bytes | None, levels: Levels, more: tuple[str, ...]) -> Decoded:
        dpi, aspect = (turned_pair(pair(chosen), turned) for pair in (dpi_of, aspect_of))
        return Decoded(levels, profile, None, block_of(chosen), xmp, dpi, (*notes, *more), fields, (), aspect)

    def plain() -> Decoded:
        samples, missing = tiff.read_samples(stream, layout)
        if missing == 1:
            raise Damaged("none of its pixels can be read")
        if missing:
            notes.append(damage.judged(damage.Damage(missing, "it ends early"), "TIFF", accept=damaged, most=0))
        levels, more = tiff.to_levels(samples, layout)
        kept = profile
        if layout.photometric == 5:
            kept, levels, also = _inks(levels, profile)
            more = (*more, *also)
        return decoded(kept, upright(levels, turned), more)

    if layout.plain:
        return Opened(*size, layout.channels, layout.depth, False, plain)
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

    return Opened(picture.height, picture.width, _channels(picture), 8, lossy, through_pillow)


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
        from fourfold.imaging.codecs import tiff_pages

        raise PictureError(tiff_pages.RARE) from error


def _inks(levels: Levels, profile: bytes | None) -> tuple[bytes | None, Levels, tuple[str, ...]]:
    """8-bit CMYK levels, and alpha if there is a fifth channel, as ``_rgb`` gives them."""
    inks = Pillow.frombuffer("CMYK", levels.shape[1::-1], levels[..., :4].tobytes(), "raw", "CMYK", 0, 1)
    kept, colours, notes = _rgb(inks, profile)
    return kept, np.concatenate([colours, levels[..., 4:]], axis=2), notes


def _pillow(stream: BinaryIO, name: str, page: int | None, damaged: bool) -> Opened:
    if name == "JPEG":
        stream.seek(0)
        damage.check_kind(stream)
    given, short = stream, salvage.filled(stream, name) if name in ("WEBP", "AVIF") else None
    stream = short or given
    picture = _opened(stream, name)
    pages = getattr(picture, "n_frames", 1) if page is not None or name != "GIF" else 1  # counting reads a whole GIF
    if number := page_number(page, pages):
        picture.seek(number)
    info = picture.info
    boxes = bmff.properties(stream) if name == "AVIF" else []
    beside = _beside(stream, name, info, boxes)
    exif, packet = beside.exif, beside.xmp
    turned = orientation(exif, b"" if name == "AVIF" else packet)  # where a property of the item has the last word
    size = picture.size if turned >= 5 else picture.size[::-1]

    def frame(one: BinaryIO) -> ImageFile.ImageFile:
        found = _opened(one, name)
        if number:
            found.seek(number)
        return found

    def decode() -> Decoded:
        several, more_notes = jpeg.around(stream, beside) if name == "JPEG" else (False, [])
        several |= getattr(picture, "is_animated", False)
        notes = [SEVERAL] if page is None and several else []
        whole, flaw = _whole(stream, picture, name) if not short else salvage.read_filled(given, name, frame)
        notes += [damage.judged(flaw, name, accept=damaged, most=damage.MOST if name == "JPEG" else 0)] if flaw else []
        kept, levels, more = _rgb(whole, beside.profile)
        if name == "BMP" and levels.shape[2] == 4 and not levels[..., 3].any():
            levels = np.concatenate([levels[..., :3], np.full_like(levels[..., 3:], 255)], axis=2)
            notes.append("The picture would be transparent everywhere, as its file says; it was taken as opaque.")
        if any(kind == b"av1C" and len(content) > 2 and content[2] & 0x40 for kind, content in boxes):
            notes.append("The file holds more than 8 bits a channel; 8 were read.")
        square = info.get("jfif_unit") or name != "JPEG"
        dpi, aspect = (info.get("dpi"), None) if square else (None, info.get("jfif_density"))
        notes += [*more, *beside.notes, *more_notes]
        return Decoded(
            upright(levels, turned), kept, _nclx(boxes), exif, packet, turned_pair(dpi, turned), tuple(notes),
            beside.iptc, beside.texts, turned_pair(aspect, turned),
        )  # fmt: skip

    lossy = name in ("JPEG", "AVIF") or (name == "WEBP" and _lossy(stream))
    return Opened(*size, _channels(picture), 8, lossy, decode, pages)


def _whole(
    stream: BinaryIO, picture: ImageFile.ImageFile, name: str
) -> tuple[Pillow.Image, damage.Damage | None]:  # fmt: skip
    """The picture as it can be decoded to its end, and what is wrong with it, if anything is."""
    if name == "JPEG":
        return _whole_jpeg(stream, picture)
    try:
        picture.load()
    except OSError:
        if name not in ("GIF", "BMP"):
            raise
        return picture, salvage.read_partly(picture)
    return picture, None


def _whole_jpeg(
    stream: BinaryIO, picture: ImageFile.ImageFile
) -> tuple[ImageFile.ImageFile, damage.Damage | None]:  # fmt: skip
    stream.seek(0)
    data = stream.read()
    found = damage.find(data)
    if found is None:
        return picture, None
    whole = _opened(io.BytesIO(data + damage.END), "JPEG")
    try:
        whole.load()
    except (OSError, SyntaxError):  # what stands in the place of pixels looks like something else to libjpeg
        whole = _opened(io.BytesIO(found.sound), "JPEG")
    return whole, found


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
            raise PictureError(RARE.format(name)) from error
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
