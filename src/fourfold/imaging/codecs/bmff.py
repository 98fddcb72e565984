"""Boxes of HEIF and AVIF files, for what their decoders do not report: item properties and item types.

Source: ISO/IEC 14496-12 (box structure), 23008-12 (items and their properties).
"""

import io
from collections.abc import Iterator
from typing import BinaryIO

from fourfold.core.errors import Damaged

_LONGEST_META = 1 << 24


def properties(stream: BinaryIO) -> list[tuple[bytes, bytes]]:
    """Type and content of every item property of a file, in their order.

    Raises:
        ValueError: boxes overlap, or a text in them is no UTF-8. libheif's Python binding crashes on such texts.
    """
    meta = _meta(stream)
    found = []
    for kind, content in _boxes(meta[4:]):
        if kind == b"iinf":
            skipped = 6 if content[:1] == b"\0" else 8
            for entry_kind, entry in _boxes(content[skipped:]):
                if entry_kind == b"infe":
                    _readable(entry[10:] if entry[:1] == b"\3" else entry[8:])
        elif kind == b"iprp":
            for inner_kind, inner in _boxes(content):
                found += list(_boxes(inner)) if inner_kind == b"ipco" else []
    for kind, content in found:
        if kind == b"auxC":
            _readable(content[4:].partition(b"\0")[0])
    return found


def items(stream: BinaryIO) -> list[tuple[bytes, bytes]]:
    """Type of every item of a file, for example ``Exif`` or ``tmap``, and the media type of those of type ``mime``.

    Raises:
        ValueError: boxes overlap.
    """
    found = []
    for kind, content in _boxes(_meta(stream)[4:]):
        if kind == b"iinf":
            for entry_kind, entry in _boxes(content[6 if content[:1] == b"\0" else 8 :]):
                if entry_kind == b"infe" and entry[:1] in (b"\2", b"\3"):
                    rest = entry[8:] if entry[:1] == b"\2" else entry[10:]
                    found.append((rest[:4], rest[4:].split(b"\0")[1] if rest[:4] == b"mime" else b""))
    return found


def coded(stream: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Of each item that the main picture is decoded from, one or a grid's tiles: its data, and how long it should be.

    Raises:
        ValueError: boxes overlap, or the data of items do.
    """
    boxes = dict(_boxes(_meta(stream)[4:]))
    wanted, links = [int.from_bytes(boxes.get(b"pitm", b"")[4:], "big")], _links(boxes.get(b"iref", bytes(4)))
    while any(one in links for one in wanted):
        wanted = [part for one in wanted for part in links.pop(one, [one])]
    places = _places(boxes.get(b"iloc", bytes(8)))
    room = 2 * stream.seek(0, io.SEEK_END)
    for one in wanted:
        within, extents = places.get(one, (0, []))
        data = b""
        for start, size in extents:
            holder = io.BytesIO(boxes.get(b"idat", b"")) if within else stream
            holder.seek(start)
            data += holder.read(size)
        room -= len(data)
        if room < 0:
            raise Damaged("the data of its parts overlap")
        yield data, sum(size for _, size in extents)


def length(stream: BinaryIO) -> int:
    """How many bytes a file must have to hold the data of all its items.

    Raises:
        ValueError: boxes overlap.
    """
    places = _places(dict(_boxes(_meta(stream)[4:])).get(b"iloc", bytes(8)))
    return max(
        (start + size for within, extents in places.values() for start, size in extents if not within), default=0
    )


def _links(iref: bytes) -> dict[int, list[int]]:
    """The items that others are made from, by the numbers of those."""
    wide = 4 if iref[:1] == b"\1" else 2
    found = {}
    for kind, content in _boxes(iref[4:]):
        if kind == b"dimg":
            rest = content[wide + 2 :]
            found[int.from_bytes(content[:wide], "big")] = [
                int.from_bytes(rest[at : at + wide], "big") for at in range(0, len(rest) - wide + 1, wide)
            ]
    return found


def _places(iloc: bytes) -> dict[int, tuple[int, list[tuple[int, int]]]]:
    """Where the data of each item lies: 0 for the file or 1 for the box ``idat``, and starts and lengths there."""
    version, rest = iloc[0], io.BytesIO(iloc[4:])

    def number(wide: int) -> int:
        return int.from_bytes(rest.read(wide), "big")

    sizes = number(2)
    of_start, of_length, of_base, of_index = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    found = {}
    for _ in range(min(number(2 if version < 2 else 4), len(iloc))):
        item = number(2 if version < 2 else 4)
        within = number(2) & 15 if version else 0
        number(2)
        base, extents = number(of_base), []
        for _ in range(min(number(2), len(iloc))):
            number(of_index if version else 0)
            extents.append((base + number(of_start), number(of_length)))
        found[item] = within, extents
    return found


def _readable(text: bytes) -> None:
    text.decode("utf-8")


def tops(stream: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Type, start of the content and length of the content of the boxes that stand in no other.

    Raises:
        ValueError: a box is shorter than its head.
    """
    end = stream.seek(0, io.SEEK_END)
    at = 0
    while at + 8 <= end:
        stream.seek(at)
        head = stream.read(16)
        size, kind = int.from_bytes(head[:4], "big"), head[4:8]
        header = 16 if size == 1 else 8
        size = {0: end - at, 1: int.from_bytes(head[8:16], "big")}.get(size, size)
        if size < header:
            raise Damaged("a box is shorter than its head")
        yield kind, at + header, min(size, end - at) - header
        at += size


def _meta(stream: BinaryIO) -> bytes:
    """The content of the top box of that type; empty if there is none."""
    for kind, start, size in tops(stream):
        if kind == b"meta":
            stream.seek(start)
            return stream.read(min(size, _LONGEST_META))
    return b""


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big") or len(data) - at
        if size < 8 or at + size > len(data):
            raise Damaged("a box does not fit into the one around it")
        yield data[at + 4 : at + 8], data[at + 8 : at + size]
        at += size
