"""EXIF and XMP: what a file carried, made true again for the picture that is written.

EXIF blocks are edited in place. Camera makers' notes hold offsets counted from the start of the block, so a block
that is taken apart and written anew would break them; here every byte that stays keeps its place.

Sources: EXIF 2.32, section 4.6; XMP specification parts 1 and 3; Metadata Working Group guidelines 2.0.
"""

import io
import json
import struct
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Literal
from xml.dom import minidom
from xml.parsers.expat import ExpatError

from fourfold.core.image import Metadata
from fourfold.imaging.codecs import ifd

MetadataPolicy = Literal["keep", "strip", "strip-location"]
"""``keep`` everything, ``strip`` all but the colour profile, or ``strip-location``: drop where it was taken."""

LONGEST_RECIPE = 1600
"""Bytes of JSON that say how a picture was made; with the XMP around it, it stays under 2 KB."""

_ORIENTATION, _THUMBNAIL, _THUMBNAIL_SIZE, _STRIPS, _STRIP_SIZES = 0x0112, 0x0201, 0x0202, 0x0111, 0x0117
_DESCRIPTIVE = {
    *(0x010D, 0x010E, 0x010F, 0x0110, 0x011A, 0x011B, 0x011D, 0x0128, 0x0131, 0x0132, 0x013B, 0x013C),
    *(0x4746, 0x4749, 0x8298, 0x83BB, 0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F),
}
_XMP, _IPTC, _PHOTOSHOP = 0x02BC, 0x83BB, 0x8649
_LONGEST_XMP = 1 << 22
_ROOM = 60_000  # bytes of a packet that, with a recipe more, still fits into a JPEG

_NS_TIFF, _NS_EXIF = "http://ns.adobe.com/tiff/1.0/", "http://ns.adobe.com/exif/1.0/"
_NS_XMP, _NS_PHOTOSHOP = "http://ns.adobe.com/xap/1.0/", "http://ns.adobe.com/photoshop/1.0/"
_NS_CORE, _NS_EXT = "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/", "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_NS_RDF, _NS_RECIPE = "http://www.w3.org/1999/02/22-rdf-syntax-ns#", "urn:fourfold:recipe:1#"
_EMPTY_XMP = (
    f'<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    f'<rdf:RDF xmlns:rdf="{_NS_RDF}"></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)
_NS_CAMERA = "http://ns.google.com/photos/1.0/camera/"
# Thumbnails, how the old file was made, and descriptions of data appended to it that the new one does not have:
# extended packets, depth maps, gain maps, motion pictures.
_STALE_SPACES = {
    "http://ns.adobe.com/xmp/note/",
    "http://ns.adobe.com/hdr-gain-map/1.0/",
    "http://ns.google.com/photos/1.0/depthmap/",
    "http://ns.google.com/photos/1.0/image/",
    "http://ns.google.com/photos/1.0/container/",
    _NS_RECIPE,
}
_STALE_NAMES = {(_NS_XMP, "Thumbnails")}
_PLACES = {
    (_NS_CORE, "Location"),
    (_NS_CORE, "CountryCode"),
    (_NS_EXT, "LocationShown"),
    (_NS_EXT, "LocationCreated"),
    (_NS_PHOTOSHOP, "City"),
    (_NS_PHOTOSHOP, "State"),
    (_NS_PHOTOSHOP, "Country"),
}


def orientation(exif: bytes) -> int:
    """The EXIF orientation, 1 to 8; 1 if the block states none or is damaged."""
    try:
        value = _open(exif)[1].number(_ORIENTATION, 1)
    except ValueError:
        return 1
    return value if 1 <= value <= 8 else 1


def states_resolution(exif: bytes) -> bool:
    """Whether the block states a horizontal resolution."""
    try:
        return 0x011A in _open(exif)[1].entries
    except ValueError:
        return False


def received(exif: bytes, xmp: bytes, dpi: tuple[float, float] | None) -> tuple[Metadata, tuple[str, ...]]:
    """What a file carried, for a picture that is upright by now.

    Args:
        exif: the block as found, with or without its ``Exif`` prefix; empty if none.
        xmp: the packet as found; empty if none.
        dpi: resolution as found, possibly nonsense.

    Returns:
        The metadata with orientation 1, and a note about each part that was damaged and had to be dropped.
    """
    notes = []
    exif = exif.removeprefix(b"Exif\0\0")
    if exif:
        try:
            exif = _patched(exif, {_ORIENTATION: 1}, {})
        except ValueError:
            exif = b""
            notes.append("The EXIF block is damaged and was dropped.")
    xmp = xmp.strip(b"\0 \r\n")
    if xmp:
        try:
            _document(xmp)
        except (ValueError, ExpatError, RecursionError):
            xmp = b""
            notes.append("The XMP packet is damaged and was dropped.")
    sound = dpi is not None and all(1 < value < 65536 for value in dpi)
    return Metadata(exif, xmp, (float(dpi[0]), float(dpi[1])) if sound and dpi else None), tuple(notes)


def for_output(metadata: Metadata, policy: MetadataPolicy, size: tuple[int, int]) -> Metadata:
    """The metadata for a written picture of ``size`` (height, width).

    Orientation becomes 1, stated sizes become the new ones, embedded thumbnails go, and so do properties that point
    at data which is not carried over (extended XMP, depth and gain maps, motion pictures). Makers' notes stay byte
    for byte. A damaged block is left out.
    """
    if policy == "strip":
        return Metadata()
    places = policy == "strip-location"
    exif, xmp = metadata.exif, metadata.xmp
    if exif:
        try:
            exif = _without_thumbnail(exif)
            if places:
                exif = _without_location(exif)
            height, width = size
            exif = _patched(exif, {_ORIENTATION: 1, 0x0100: width, 0x0101: height}, {0xA002: width, 0xA003: height})
        except ValueError:
            exif = b""
    if xmp:
        try:
            xmp = _edited(xmp, size, places=places)
        except (ValueError, ExpatError, RecursionError):
            xmp = b""
    return Metadata(exif, xmp, metadata.dpi)


def with_recipe(metadata: Metadata, recipe: Mapping[str, Any]) -> Metadata:
    """The metadata with an XMP property that says how the picture was made; everything else in it stays byte for byte.

    Args:
        metadata: as ``for_output`` gives it.
        recipe: plain values; left out if they are longer than ``LONGEST_RECIPE`` as JSON, or the packet has no room.
    """
    told = json.dumps(recipe, separators=(",", ":"), sort_keys=True)
    text = metadata.xmp.decode("utf-8-sig") if metadata.xmp else _EMPTY_XMP
    try:
        roots = _document(text.encode()).getElementsByTagNameNS(_NS_RDF, "RDF")
    except (ValueError, ExpatError, RecursionError):
        return metadata
    end = f"</{roots[0].tagName}>" if roots else ""
    if len(told) > LONGEST_RECIPE or len(text) > _ROOM or not end or end not in text:
        return metadata
    before, after = text.rsplit(end, 1)
    told = told.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    prefix = roots[0].tagName.removesuffix("RDF")
    line = (
        f'<{prefix}Description {prefix}about="" xmlns:fourfold="{_NS_RECIPE}"><fourfold:recipe>{told}</fourfold:recipe>'
        f"</{prefix}Description>"
    )
    return replace(metadata, xmp=f"{before}{line}{end}{after}".encode())


def recipe_of(metadata: Metadata) -> dict[str, Any] | None:
    """What ``with_recipe`` put into the metadata, None if there is nothing of the kind."""
    try:
        found = _document(metadata.xmp).getElementsByTagNameNS(_NS_RECIPE, "recipe") if metadata.xmp else []
        texts = [part.data for part in found[0].childNodes if isinstance(part, minidom.Text)] if found else ["null"]
        recipe = json.loads("".join(texts))
    except (ValueError, ExpatError, RecursionError):
        return None
    return recipe if isinstance(recipe, dict) else None


def without_orientation(exif: bytes) -> bytes:
    """The block without its orientation, for formats that keep it elsewhere; nothing else moves."""
    reader, tree = _open(exif)
    block = bytearray(exif)
    _remove_row(block, reader.order, tree.offset, _ORIENTATION)
    return bytes(block)


def descriptive(page: ifd.Directory) -> ifd.Directory:
    """What a TIFF directory says about the photo rather than about the file: copied, with EXIF and GPS."""
    sound = {tag: entry for tag, entry in page.entries.items() if tag in _DESCRIPTIVE and entry.data}
    return ifd.Directory(sound, {tag: _sound(page.nested[tag]) for tag in (ifd.EXIF, ifd.GPS) if tag in page.nested})


def block_of(page: ifd.Directory) -> bytes:
    """An EXIF block with what a TIFF directory says about the photo; empty if it says nothing."""
    chosen = descriptive(page)
    return b"II*\0\x08\0\0\0" + ifd.encode(chosen, 8) if chosen.entries or chosen.nested else b""


def _sound(directory: ifd.Directory) -> ifd.Directory:
    """A copy without entries whose values lie beyond the end of the block."""
    entries = {tag: entry for tag, entry in directory.entries.items() if entry.data or not entry.count}
    return ifd.Directory(entries, {tag: _sound(inner) for tag, inner in directory.nested.items()})


def _open(exif: bytes) -> tuple[ifd.Reader, ifd.Directory]:
    reader = ifd.Reader(io.BytesIO(exif.removeprefix(b"Exif\0\0")))
    if reader.big:
        raise ValueError("an EXIF block has 4-byte offsets")
    tree = reader.directory()
    if tree.broken:
        raise ValueError("a nested directory is damaged")
    return reader, tree


def _patched(exif: bytes, first: dict[int, int], photo: dict[int, int]) -> bytes:
    """The block with numbers replaced, where present, in its first directory and in its EXIF directory."""
    reader, tree = _open(exif)
    block = bytearray(exif)
    for directory, values in ((tree, first), (tree.nested.get(ifd.EXIF, ifd.Directory()), photo)):
        for tag, value in values.items():
            entry = directory.entries.get(tag)
            if entry is not None:
                kind = 3 if entry.kind == 3 and value < 65536 else 4
                field = struct.pack(reader.order + ("H" if kind == 3 else "I"), value).ljust(4, b"\0")
                struct.pack_into(reader.order + "HHI4s", block, entry.place, tag, kind, 1, field)
    return bytes(block)


def _spans(directory: ifd.Directory) -> list[tuple[int, int]]:
    """Start and end of everything a directory occupies: its table, its values, its nested directories."""
    rows = len(directory.entries) + len(directory.nested)
    spans = [(directory.offset, directory.offset + 6 + 12 * rows)]
    spans += [(entry.at, entry.at + len(entry.data)) for entry in directory.entries.values() if len(entry.data) > 4]
    for inner in directory.nested.values():
        spans += _spans(inner)
    return spans


def _cleared(block: bytearray, spans: Iterable[tuple[int, int]], kept: list[tuple[int, int]]) -> bytearray:
    """The block with spans zeroed, or cut off where they are its end, unless they touch one that is kept."""
    for start, end in sorted(spans, reverse=True):
        end = min(end, len(block))
        if start >= end or any(start < other[1] and other[0] < end for other in kept):
            continue
        if end >= len(block) - 1:
            del block[start:]
        else:
            block[start:end] = bytes(end - start)
    return block


def _without_thumbnail(exif: bytes) -> bytes:
    reader, tree = _open(exif)
    if not tree.following:
        return exif
    block = bytearray(exif)
    rows = struct.unpack_from(reader.order + "H", block, tree.offset)[0]
    struct.pack_into(reader.order + "I", block, tree.offset + 2 + 12 * rows, 0)
    try:
        thumbnail = reader.directory(tree.following)
    except ValueError:
        return bytes(block)
    spans = _spans(thumbnail)
    for where, how_long in ((_THUMBNAIL, _THUMBNAIL_SIZE), (_STRIPS, _STRIP_SIZES)):
        if where in thumbnail.entries and how_long in thumbnail.entries:
            pairs = zip(thumbnail.entries[where].numbers, thumbnail.entries[how_long].numbers, strict=False)
            spans += [(start, start + length) for start, length in pairs]
    return bytes(_cleared(block, spans, [(0, 8), *_spans(tree)]))


def _without_location(exif: bytes) -> bytes:
    reader, tree = _open(exif)
    block = bytearray(exif)
    spans = _spans(tree.nested.pop(ifd.GPS)) if ifd.GPS in tree.nested else []
    for tag in (_XMP, _IPTC, _PHOTOSHOP):
        entry = tree.entries.pop(tag, None)
        if entry is not None and len(entry.data) > 4:
            spans.append((entry.at, entry.at + len(entry.data)))
    block = _cleared(block, spans, [(0, 8), *_spans(tree)])
    for tag in (ifd.GPS, _XMP, _IPTC, _PHOTOSHOP):
        _remove_row(block, reader.order, tree.offset, tag)
    return bytes(block)


def _remove_row(block: bytearray, order: str, offset: int, tag: int) -> None:
    """Close the gap of one entry of a directory; nothing outside the directory moves."""
    rows = struct.unpack_from(order + "H", block, offset)[0]
    end = offset + 2 + 12 * rows + 4
    for row in range(rows):
        place = offset + 2 + 12 * row
        if struct.unpack_from(order + "H", block, place)[0] == tag:
            block[place:end] = block[place + 12 : end] + bytes(12)
            struct.pack_into(order + "H", block, offset, rows - 1)
            return


def _document(xmp: bytes) -> minidom.Document:
    text = xmp.decode("utf-8-sig")
    if len(xmp) > _LONGEST_XMP or "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError("an XMP packet has no document type, no entities, and is small")
    return minidom.parseString(text.encode())  # noqa: S318 - document types and entities are refused above


def _edited(xmp: bytes, size: tuple[int, int], *, places: bool) -> bytes:
    document = _document(xmp)
    new = {
        (_NS_TIFF, "Orientation"): "1",
        (_NS_TIFF, "ImageWidth"): str(size[1]),
        (_NS_TIFF, "ImageLength"): str(size[0]),
        (_NS_EXIF, "PixelXDimension"): str(size[1]),
        (_NS_EXIF, "PixelYDimension"): str(size[0]),
    }
    changed = False
    for element in list(document.getElementsByTagName("*")):
        nodes: list[minidom.Element | minidom.Attr] = [element]
        nodes += [node for node in element.attributes.values() if isinstance(node, minidom.Attr)]
        for node in nodes:
            name = (node.namespaceURI or "", node.localName or "")
            if _goes(name, places=places):
                _remove(element, node)
            elif name in new:
                _set_text(node, new[name])
            else:
                continue
            changed = True
    return "".join(node.toxml() for node in document.childNodes).encode() if changed else xmp


def _goes(name: tuple[str, str], *, places: bool) -> bool:
    space, local = name
    stale = space in _STALE_SPACES or name in _STALE_NAMES
    moving = space == _NS_CAMERA and local.startswith(("MicroVideo", "MotionPhoto"))
    return stale or moving or (places and (name in _PLACES or (space == _NS_EXIF and local.startswith("GPS"))))


def _remove(element: minidom.Element, node: minidom.Element | minidom.Attr) -> None:
    if isinstance(node, minidom.Attr):
        element.removeAttributeNode(node)
    elif element.parentNode is not None:
        element.parentNode.removeChild(element)


def _set_text(node: minidom.Element | minidom.Attr, text: str) -> None:
    if isinstance(node, minidom.Attr):
        node.value = text
        return
    while node.firstChild is not None:
        node.removeChild(node.firstChild)
    document = node.ownerDocument
    assert document is not None
    node.appendChild(document.createTextNode(text))
