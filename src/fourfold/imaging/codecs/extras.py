"""Find what a file holds that results do not keep (videos, gain maps, depth maps), to name it in notes.

Source: Google's Motion Photo format 1.0 and Ultra HDR image format 1.1; ISO 21496-1; ISO/IEC 23008-12, section 6;
C2PA 2.1, annex A.
"""

import io
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import BinaryIO

from fourfold.core.errors import PictureError
from fourfold.imaging.codecs import bmff, ifd
from fourfold.imaging.metadata import exif, iptc

GAIN_MAP = "The gain map for HDR screens is not carried over."
_DEPTH = "The depth map is not carried over."
_MATTE = "Masks that belong to the photo (hair, skin, sky) are not carried over."
_VIDEO = "The video of the motion photo ({}) is not carried over."
_LIVE = "The photo is the still of a Live Photo; its video stays in the file beside it."
CREDENTIALS = "Content credentials (C2PA) are not carried over: they hold for the unchanged file only."
_SOUND = "The sound recording ({}) is not carried over."
_HEAT = "Thermal data (FLIR) is not carried over."
_BEHIND = "Data after the end of the picture ({}) is not carried over."
_PATHS = "Clipping paths are not carried over."

_GAIN_MAPS = ("http://ns.adobe.com/hdr-gain-map/1.0/", "http://ns.apple.com/HDRGainMap/1.0/")
_ISO_GAIN_MAP = b"urn:iso:std:iso:ts:21496:-1"
_DEPTHS = ("http://ns.google.com/photos/1.0/depthmap/", "http://ns.google.com/photos/dd/1.0/device/")
_KNOWN = (_ISO_GAIN_MAP, b"JP\0", b"JP\x00\x01", b"FLIR\0")
_LAYERS = "Photoshop's layers are not carried over."
_TIFF_IPTC, _TIFF_PHOTOSHOP, _TIFF_LAYERS = 33723, 34377, 37724
# How a TIFF's pixels are stored, and what is read elsewhere.
_KNOWN_FIELDS = {
    *range(254, 260), *(262, 263, 264, 265, 266, 273, 274, 277, 278, 279, 280, 281, 284, 288, 289, 290, 291, 292, 293),
    *(296, 297, 301, 317),
    *(318, 319, 320, 321, 322, 323, 324, 325, 326, 327, 328, 330, 332, 333, 334, 336, 337, 338, 339),
    *(340, 341, 342, 346, 347, 512, 513, 514, 515, 517, 518, 519, 520, 521, 529, 530, 531, 532, 559, 700, 34675),
    *(_TIFF_IPTC, _TIFF_PHOTOSHOP, _TIFF_LAYERS),
}  # fmt: skip
_C2PA_BOX = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_CODECS = {
    b"av01": "AV1", b"avc1": "H.264", b"evc1": "EVC", b"j2k1": "JPEG 2000", b"jpeg": "JPEG in its boxes",
    b"unci": "uncompressed pixels", b"vvc1": "VVC (H.266)",
}  # fmt: skip
_MOVIE = re.compile(rb"[\0-\1]...ftyp(?:mp4|isom|iso|qt|M4V|avc|3gp|MSNV)", re.DOTALL)


def known(segment: bytes) -> bool:
    """Whether one of the notes below is about a segment of a JPEG."""
    return segment.startswith(_KNOWN)


def of_jpeg(head: bytes, behind: bytes, exif_block: bytes) -> list[str]:
    """Notes about a JPEG, of its segments, of all that follows its first picture, and of its EXIF block."""
    whole = head + behind
    notes = [GAIN_MAP] if _uses(whole, _GAIN_MAPS) or _ISO_GAIN_MAP in whole else []
    notes += [_DEPTH] if _uses(whole, _DEPTHS) or b"DepthMap_" in behind else []
    notes += [CREDENTIALS] if b"c2pa" in head else []
    notes += [_HEAT] if b"FLIR\0" in head else []
    notes += of_exif(exif_block)
    movie = _MOVIE.search(behind)
    if movie:
        notes.append(_VIDEO.format(_size(len(behind) - movie.start())))
    elif b"SoundShot" in behind[-4096:] or behind[8:12] == b"WAVE":
        notes.append(_SOUND.format(_size(len(behind))))
    elif behind.strip(b"\0\r\n\t \xff\xd9") and not (notes or behind.lstrip(b"\0").startswith(b"\xff\xd8")):
        notes.append(_BEHIND.format(_size(len(behind))))
    return notes


def _uses(data: bytes, spaces: Iterable[str]) -> bool:
    """Whether XMP in the data has a property of one of these namespaces, and does not only declare them."""
    for space in spaces:
        for prefix in re.findall(rb"xmlns:([\w-]{1,40})\s*=\s*[\"']" + re.escape(space.encode()), data):
            if re.search(rb"[<\s]" + re.escape(prefix) + rb":\w", data):
                return True
    return False


def of_exif(block: bytes) -> list[str]:
    """A note about a Live Photo, which an EXIF block says its still belongs to."""
    return [_LIVE] if block and exif.content_identifier(block) else []


def xmp_of_gif(stream: BinaryIO) -> bytes:
    """The XMP packet of a GIF, which stands in an application extension as it is, before a trailer; empty if none."""
    stream.seek(0)
    data = stream.read()
    start = data.find(b"XMP DataXMP")
    return data[start + 11 : max(data.find(b"\x01\xff\xfe\xfd", start), 0)] if start >= 0 else b""


def of_resources(resources: list[tuple[int, bytes]]) -> list[str]:
    """Notes about Photoshop's resources."""
    return [_PATHS] if any(number in iptc.PATHS for number, _ in resources) else []


def of_boxes(stream: BinaryIO, properties: list[tuple[bytes, bytes]]) -> list[str]:
    """Notes about a HEIF or AVIF file, whose item properties are given.

    Raises:
        ValueError: its boxes are damaged.
    """
    return list(dict.fromkeys(_of_boxes(stream, properties)))


def check_codec(stream: BinaryIO) -> None:
    """Look at how the pictures of a HEIF file are coded.

    Raises:
        PictureError: in none of the ways that are read. ValueError: its boxes are damaged.
    """
    kinds = {kind for kind, _ in bmff.items(stream)}
    other = next((_CODECS[kind] for kind in sorted(kinds & _CODECS.keys())), "")
    if not kinds and any(kind == b"moov" for kind, *_ in bmff.tops(stream)):
        other = "only a video or a burst"
    if other and not kinds & {b"hvc1", b"hev1"}:
        raise PictureError(
            f"expected a HEIC picture (HEVC), the file holds {other}, which is not read here. Convert it to PNG or "
            "TIFF, for example with the program it comes from"
        )


def _of_boxes(stream: BinaryIO, properties: list[tuple[bytes, bytes]]) -> Iterator[str]:
    auxiliary = [content[4:].partition(b"\0")[0].lower() for kind, content in properties if kind == b"auxC"]
    items = bmff.items(stream)
    if any(b"gainmap" in kind for kind in auxiliary) or any(kind == b"tmap" for kind, _ in items):
        yield GAIN_MAP
    if any(b"depth" in kind or kind.endswith(b"auxid:2") for kind in auxiliary):
        yield _DEPTH
    if any(b"matte" in kind for kind in auxiliary):
        yield _MATTE
    with suppress(ValueError):  # what follows the boxes is none
        yield from _of_tops(stream)
    others = [media for kind, media in items if kind == b"mime" and media not in (b"application/rdf+xml", b"")]
    if others:
        yield f"Items of the file are not carried over: {', '.join(media.decode('latin-1') for media in others)}."


def _of_tops(stream: BinaryIO) -> Iterator[str]:
    for kind, start, size in bmff.tops(stream):
        stream.seek(start)
        if kind == b"mpvd":
            yield _VIDEO.format(_size(size))
        elif kind == b"uuid" and stream.read(16) == _C2PA_BOX:
            yield CREDENTIALS


def behind(stream: BinaryIO, end: int) -> list[str]:
    """A note about what follows the end of a file's picture, if it is not empty."""
    size = stream.seek(0, io.SEEK_END) - end
    stream.seek(end)
    return [_BEHIND.format(_size(size))] if size > 0 and stream.read().strip(b"\0\r\n\t ") else []


def of_page(page: ifd.Directory) -> tuple[bytes, list[str]]:
    """The IPTC-IIM stream of a page of a TIFF, empty if there is none, and notes about what is not carried over."""
    entries = page.entries
    resources = iptc.resources(entries[_TIFF_PHOTOSHOP].data) if _TIFF_PHOTOSHOP in entries else []
    fields = entries[_TIFF_IPTC].data if _TIFF_IPTC in entries else b""
    fields = fields or next((content for number, content in resources if number == iptc.IPTC), b"")
    notes = ["A damaged part of EXIF was dropped."] if page.damaged else []
    notes += [_LAYERS] if _TIFF_LAYERS in entries else []
    unknown = [exif.tag_name(tag) for tag in entries if tag not in _KNOWN_FIELDS | exif.DESCRIPTIVE]
    return fields, [*notes, *of_resources(resources), *of_names("Fields", unknown)]


def of_riff(stream: BinaryIO) -> list[str]:
    """Notes about the chunks of a WebP file that nothing here knows, and about what follows them."""
    stream.seek(4)
    end = min(8 + int.from_bytes(stream.read(4), "little"), stream.seek(0, io.SEEK_END))
    names, at = [], 12
    while at + 8 <= end:
        stream.seek(at)
        head = stream.read(8)
        size = int.from_bytes(head[4:], "little")
        names.append(head[:4].decode("latin-1").strip())
        at += 8 + size + size % 2
    known_ones = {"VP8", "VP8L", "VP8X", "ALPH", "ANIM", "ANMF", "ICCP", "EXIF", "XMP"}
    return of_names("Chunks", [name for name in names if name not in known_ones]) + behind(stream, end)


def of_names(what: str, names: list[str]) -> list[str]:
    """A note about parts of a file that only some programs know."""
    listed = ", ".join(dict.fromkeys(name if name.isprintable() else name.encode().hex(" ") for name in names))
    return [f"{what} that only some programs know are not carried over: {listed}."] if names else []


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{max(count / 1e3, 0.1):.1f} kB"
