"""TIFF directories: the structure that TIFF files and EXIF blocks share.

Source: TIFF 6.0, section 2; the BigTIFF proposal (8-byte offsets); EXIF 2.32, section 4.6.
"""

import io
import struct
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np

from fourfold.core.errors import Damaged

_WIDTH = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_WIDTH[129] = 1  # UTF-8, of EXIF 3.0
_SWAPPED = {3: 2, 4: 4, 5: 4, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_INTEGER = {1: "u1", 3: "<u2", 4: "<u4", 13: "<u4", 16: "<u8", 18: "<u8"}
_LONGEST_VALUE = 1 << 28

EXIF, GPS, INTEROP = 0x8769, 0x8825, 0xA005
USER_COMMENT, _UTF_16 = 0x9286, b"UNICODE\0"
NESTED = (EXIF, GPS, INTEROP)
"""Tags whose value is the offset of another directory."""


@dataclass(frozen=True)
class Entry:
    """One value of a directory.

    Attributes:
        kind: TIFF field type, 1 to 18, or 129 for UTF-8.
        count: number of values.
        data: the values as bytes in little-endian order, also of a comment in UTF-16; empty when the file ends before
            them.
        place: offset of the entry itself in the file it was read from.
        at: offset of the value bytes.
    """

    kind: int
    count: int
    data: bytes
    place: int = 0
    at: int = 0

    @property
    def numbers(self) -> tuple[int, ...]:
        """The values of an unsigned integer field; empty for other kinds."""
        code = _INTEGER.get(self.kind)
        return tuple(int(n) for n in np.frombuffer(self.data, code)) if code else ()


@dataclass
class Directory:
    """Values by tag, and nested directories by the tag that points at them.

    Attributes:
        entries: all values, without the pointers in ``nested``.
        nested: the EXIF, GPS and interoperability directories.
        offset: where it stood in the file it was read from.
        following: offset of the next directory (page or thumbnail), 0 if it is the last.
        broken: the pointers of it to nested directories that could not be read and are left out.
    """

    entries: dict[int, Entry] = field(default_factory=dict)
    nested: dict[int, "Directory"] = field(default_factory=dict)
    offset: int = 0
    following: int = 0
    broken: tuple[int, ...] = ()

    @property
    def damaged(self) -> bool:
        """Whether a nested directory, at any depth, could not be read."""
        return bool(self.broken) or any(inner.damaged for inner in self.nested.values())

    def number(self, tag: int, otherwise: int) -> int:
        """The first number of a tag, or ``otherwise`` if it is absent or holds none."""
        entry = self.entries.get(tag)
        return entry.numbers[0] if entry and entry.numbers else otherwise


class Reader:
    """Reads directories from a seekable stream whose TIFF header stands at its start.

    Attributes:
        order: ``"<"`` or ``">"``, the byte order of the file.
        big: whether it is a BigTIFF, with 8-byte offsets.
        first: offset of the first directory; end: of the stream.

    Raises:
        ValueError: there is no TIFF header.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.end = stream.seek(0, io.SEEK_END)
        stream.seek(0)
        start = stream.read(16)
        if start[:2] not in (b"II", b"MM"):
            raise Damaged("no TIFF header")
        self.order = "<" if start[:2] == b"II" else ">"
        version = int.from_bytes(start[2:4], "little" if self.order == "<" else "big")
        if version not in (42, 43) or len(start) < (16 if version == 43 else 8):
            raise Damaged("no TIFF header")
        self.big = version == 43
        self.first = self._unpack("Q", start[8:16]) if self.big else self._unpack("I", start[4:8])

    def directory(self, offset: int | None = None, *, partial: bool = False) -> Directory:
        """The directory at an offset (default: the first) with those nested in it.

        Args:
            offset: where it stands.
            partial: whether to give what is there of a directory that the end of the file cuts off.

        Raises:
            ValueError: the directory lies outside the file.
        """
        return self._directory(self.first if offset is None else offset, 0, partial)

    def _directory(self, offset: int, depth: int, partial: bool) -> Directory:
        if depth > 3 or offset < 8:
            raise Damaged("directories nest too deep, or one stands in the header")
        wide, size = ("Q", 20) if self.big else ("H", 12)
        count = self._unpack(wide, self._read(offset, 8 if self.big else 2))
        start = offset + (8 if self.big else 2)
        if partial:
            count = min(count, (self.end - start) // size)
        table = self._read(start, count * size)
        tail = self._read(start + count * size, 8 if self.big else 4, needed=False)
        following = self._unpack("Q" if self.big else "I", tail) if len(tail) == (8 if self.big else 4) else 0
        found = Directory(offset=offset, following=following)
        for index in range(count):
            row = table[index * size : (index + 1) * size]
            tag, entry = self._entry(row, start + index * size)
            if tag in NESTED:
                try:
                    found.nested[tag] = self._directory(entry.numbers[0] if entry.numbers else 0, depth + 1, partial)
                except ValueError:
                    found.broken += (tag,)
            elif entry.kind in _WIDTH:
                found.entries.setdefault(tag, entry)
        return found

    def _entry(self, row: bytes, place: int) -> tuple[int, Entry]:
        tag, kind = struct.unpack(self.order + "HH", row[:4])
        count = self._unpack("Q" if self.big else "I", row[4:12] if self.big else row[4:8])
        inline = row[12:] if self.big else row[8:]
        size = _WIDTH.get(kind, 0) * count
        at = place + len(row) - len(inline)
        if size <= len(inline):
            data = inline[:size]
        else:
            at = self._unpack("Q" if self.big else "I", inline)
            data = self._read(at, size, needed=False) if size <= _LONGEST_VALUE else b""
            data = data if len(data) == size else b""
        if tag == USER_COMMENT and self.order == ">" and data.startswith(_UTF_16):
            data = _UTF_16 + b"".join(data[start : start + 2][::-1] for start in range(8, len(data), 2))
        return tag, Entry(kind, count, self._little(kind, data), place, at)

    def _little(self, kind: int, data: bytes) -> bytes:
        unit = _SWAPPED.get(kind)
        if self.order == "<" or unit is None:
            return data
        return np.frombuffer(data, f">u{unit}").astype(f"<u{unit}").tobytes()

    def _read(self, offset: int, size: int, *, needed: bool = True) -> bytes:
        if offset + size > self.end:
            if needed:
                raise Damaged(f"expected {size} bytes at {offset}, the block ends at {self.end}")
            return b""
        self._stream.seek(offset)
        return self._stream.read(size)

    def _unpack(self, code: str, data: bytes) -> int:
        return int(struct.unpack(self.order + code, data)[0])


def short(*values: int) -> Entry:
    """A field of 16-bit unsigned integers."""
    return Entry(3, len(values), struct.pack(f"<{len(values)}H", *values))


def long(*values: int, wide: bool = False) -> Entry:
    """A field of 32-bit unsigned integers, or of 64-bit ones (``wide``, BigTIFF only)."""
    return Entry(16 if wide else 4, len(values), np.asarray(values, "<u8" if wide else "<u4").tobytes())


def rational(value: float) -> Entry:
    """A field of one unsigned fraction, exact to 1/1000."""
    return Entry(5, 1, struct.pack("<II", round(value * 1000), 1000))


def block(data: bytes) -> Entry:
    """A field of bytes without further meaning."""
    return Entry(7, len(data), data)


def encode(directory: Directory, offset: int, *, big: bool = False) -> bytes:
    """A little-endian directory with its nested ones, to stand at ``offset`` (even) of a file."""
    wide = 8 if big else 4
    tags = sorted({*directory.entries, *directory.nested})
    start = offset + (8 if big else 2) + len(tags) * (20 if big else 12) + wide
    table, values = bytearray(struct.pack("<Q" if big else "<H", len(tags))), bytearray()
    for tag in tags:
        if tag in directory.nested:
            inner = encode(directory.nested[tag], start + len(values), big=big)
            entry = long(start + len(values), wide=big)
            values += inner + b"\0" * (len(inner) % 2)
        else:
            entry = directory.entries[tag]
        data = entry.data
        if len(data) > wide:
            data = (start + len(values)).to_bytes(wide, "little")
            values += entry.data + b"\0" * (len(entry.data) % 2)
        table += struct.pack("<HHQ" if big else "<HHI", tag, entry.kind, entry.count) + data.ljust(wide, b"\0")
    return bytes(table + b"\0" * wide + values)
