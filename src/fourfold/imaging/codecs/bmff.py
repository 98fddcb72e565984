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
