"""IPTC-IIM: the captions, keywords and names of press and stock photos, and the Photoshop resources that wrap them.

Source: IPTC-NAA Information Interchange Model 4.2, chapters 1 and 6; Adobe Photoshop File Formats, image resources.
"""

import struct
from collections.abc import Iterable
from typing import NamedTuple

IPTC, PATHS = 0x0404, range(2000, 2999)
"""Numbers of the Photoshop resources for IPTC and for clipping paths."""


class DataSet(NamedTuple):
    """One value: the numbers of its record and of its data set in it, its bytes, and those as text.

    The text is empty where there is none: in other records than the application record (2), and of binary values.
    """

    record: int
    number: int
    value: bytes
    text: str = ""


def datasets(data: bytes) -> list[DataSet]:
    """All values of an IIM stream, in their order; what follows a damaged one is left out."""
    if data[:1] != b"\x1c" and data[3:4] == b"\x1c":  # stored in a TIFF as integers of the other byte order
        data = b"".join(data[at : at + 4][::-1] for at in range(0, len(data), 4))
    found, at = [], 0
    while data[at : at + 1] == b"\x1c" and at + 5 <= len(data):
        record, number, size = data[at + 1], data[at + 2], int.from_bytes(data[at + 3 : at + 5], "big")
        at += 5
        if size & 0x8000:
            wide = size & 0x7FFF
            size = int.from_bytes(data[at : at + wide], "big")
            at += wide
        if at + size > len(data):
            break
        value = data[at : at + size]
        found.append(DataSet(record, number, value, _text(value) if record == 2 else ""))
        at += size
    return found


def encode(found: Iterable[DataSet]) -> bytes:
    """The IIM stream of these values."""
    out = bytearray()
    for record, number, value, _ in found:
        size = len(value)
        head = struct.pack(">BBB", 0x1C, record, number)
        out += head + (struct.pack(">H", size) if size < 0x8000 else struct.pack(">HI", 0x8004, size)) + value
    return bytes(out)


def _text(value: bytes) -> str:
    """UTF-8 where it can be, else Latin-1, which is what programs wrote before."""
    value = value.strip(b"\0")
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        text = value.decode("latin-1")
    return text if all(c.isprintable() or c in "\r\n\t" for c in text) else ""


def resources(data: bytes) -> list[tuple[int, bytes]]:
    """Numbers and contents of Photoshop's image resources; what follows a damaged one is left out."""
    found, at = [], 0
    while data[at : at + 4] in (b"8BIM", b"PHUT", b"DCSR", b"AgHg", b"MeSa") and at + 12 <= len(data):
        number, name = int.from_bytes(data[at + 4 : at + 6], "big"), data[at + 6]
        at += 6 + (name + 2) // 2 * 2
        size = int.from_bytes(data[at : at + 4], "big")
        if at + 4 + size > len(data):
            break
        found.append((number, data[at + 4 : at + 4 + size]))
        at += 4 + size + size % 2
    return found


def resource(data: bytes) -> bytes:
    """The Photoshop resource that holds an IIM stream."""
    return b"8BIM" + struct.pack(">HHI", IPTC, 0, len(data)) + data + bytes(len(data) % 2)
