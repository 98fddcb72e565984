"""EXIF blocks: read, repaired, and updated to match the picture that is written.

Blocks are edited in place. Camera makers' notes hold offsets counted from the start of the block, so a block
that is taken apart and written anew would break them; here every byte that stays keeps its place.

Source: EXIF 2.32, section 4.6.
"""

import io
import struct
from collections.abc import Iterable, Iterator, Mapping

from PIL import ExifTags, TiffTags

from fourfold.imaging.codecs import ifd

ORIENTATION, MAKER_NOTE, X_RESOLUTION = 0x0112, 0x927C, 0x011A
IPTC, PHOTOSHOP = 0x83BB, 0x8649
_THUMBNAIL, _THUMBNAIL_SIZE, _STRIPS, _STRIP_SIZES = 0x0201, 0x0202, 0x0111, 0x0117
DESCRIPTIVE = {
    *(0x010D, 0x010E, 0x010F, 0x0110, 0x011D, 0x011A, 0x011B, 0x0128, 0x0131, 0x0132, 0x013B, 0x013C),
    *(0x4746, 0x4749, 0x8298, 0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F, 0xC4A5),
}
OF_THE_PIXELS = {
    *(0x0100, 0x0101, 0x0102, 0x0103, 0x0106, 0x0111, 0x0112, 0x0115, 0x0116, 0x0117, 0x011C, 0x0201, 0x0202),
    *(0x0142, 0x0143, 0x0211, 0x0212, 0x0213, 0x0214),
}  # fmt: skip
_HEAD = b"II*\0\x08\0\0\0"
_DAMAGED = "The EXIF block is damaged and was dropped."
_PARTLY = "The EXIF block is damaged; {} was dropped."


def orientation(exif: bytes) -> int | None:
    """The EXIF orientation, 1 to 8, whatever else is broken; None if the block states none."""
    try:
        value = _reader(exif).directory(partial=True).number(ORIENTATION, 0)
    except ValueError:
        return None
    return value if 1 <= value <= 8 else None


def resolution(exif: bytes) -> tuple[float, float] | None:
    """Horizontal and vertical resolution in dots per inch, None if the block states none."""
    try:
        page = _reader(exif).directory(partial=True)
    except ValueError:
        return None
    return dpi_of(page)


def dpi_of(page: ifd.Directory) -> tuple[float, float] | None:
    """Resolution of a directory in dots per inch, None if it states none or no unit."""
    scale, densities = {2: 1.0, 3: 2.54}.get(page.number(0x0128, 2)), _densities(page)
    return (densities[0] * scale, densities[1] * scale) if scale and densities else None


def _densities(page: ifd.Directory) -> tuple[float, float] | None:
    found = [page.entries[tag].data for tag in (0x011A, 0x011B) if tag in page.entries and page.entries[tag].kind == 5]
    if len(found) < 2:
        return None
    (x, x_per), (y, y_per) = (struct.unpack("<II", data[:8]) if len(data) >= 8 else (0, 0) for data in found)
    return (x / x_per, y / y_per) if x_per and y_per else None


def aspect_of(page: ifd.Directory) -> tuple[float, float] | None:
    """Pixels on the same length across and down, of a directory that states them without a unit."""
    unit = page.entries.get(0x0128)
    return _densities(page) if unit and unit.numbers[:1] == (1,) else None


def repaired(exif: bytes) -> tuple[bytes, tuple[str, ...]]:
    """A block that is sound and states orientation 1 if any, and a note about what had to go.

    Where only nested directories are damaged, their pointers go; of a first directory that is cut off, what is there
    is written anew.
    """
    try:
        reader = _reader(exif)
        try:
            tree = reader.directory()
        except ValueError:
            tree = _known(_sound(reader.directory(partial=True)))
            exif, damage = _HEAD + ifd.encode(tree, len(_HEAD)) if tree.entries else b"", "what it lacks the end of"
        else:
            exif, damage = _without_broken(exif, reader, tree)
        note = () if not damage else (_PARTLY.format(damage),) if exif else (_DAMAGED,)
        return patched(exif, {ORIENTATION: 1}, {}) if exif else b"", note
    except ValueError:
        return b"", (_DAMAGED,)


def _without_broken(exif: bytes, reader: ifd.Reader, tree: ifd.Directory) -> tuple[bytes, str]:
    """The block without pointers to directories that cannot be read, and their names."""
    block, names = bytearray(exif), []
    for directory in _all(tree):
        for tag in directory.broken:
            _remove_row(block, reader.order, directory.offset, tag)
            names.append({ifd.EXIF: "its photographic part", ifd.GPS: "its GPS part"}.get(tag, "a part"))
    return bytes(block), " and ".join(dict.fromkeys(names))


def _all(tree: ifd.Directory) -> Iterator[ifd.Directory]:
    yield tree
    for inner in tree.nested.values():
        yield from _all(inner)


def has_thumbnail(exif: bytes) -> bool:
    """Whether a sound block holds a thumbnail, which its second directory points at."""
    try:
        reader, tree = opened(exif)
        second = reader.directory(tree.following) if tree.following else ifd.Directory()
    except ValueError:
        return False
    return second.number(_THUMBNAIL_SIZE, 0) + second.number(_STRIP_SIZES, 0) > 0


def renewed(exif: bytes, size: tuple[int, int]) -> bytes:
    """The block for a written picture of ``size`` (height, width): its sizes, orientation 1, no thumbnail.

    Raises:
        ValueError: it is damaged.
    """
    height, width = size
    first, photo = {ORIENTATION: 1, 0x0100: width, 0x0101: height}, {0xA002: width, 0xA003: height}
    return patched(_without_thumbnail(exif), first, photo)


def without_orientation(exif: bytes) -> bytes:
    """The block without its orientation, for formats that keep it elsewhere; nothing else moves."""
    reader, tree = opened(exif)
    block = bytearray(exif)
    _remove_row(block, reader.order, tree.offset, ORIENTATION)
    return bytes(block)


def with_resolution(exif: bytes, dpi: tuple[float, float]) -> bytes:
    """The block, or a new one, with a resolution if it states none; nothing else moves.

    Raises:
        ValueError: it is damaged.
    """
    added = {X_RESOLUTION: ifd.rational(dpi[0]), 0x011B: ifd.rational(dpi[1]), 0x0128: ifd.short(2)}
    if not exif:
        return _HEAD + ifd.encode(ifd.Directory(added), len(_HEAD))
    reader, tree = opened(exif)
    return exif if X_RESOLUTION in tree.entries else _added(exif, reader, tree, added)


def _added(exif: bytes, reader: ifd.Reader, tree: ifd.Directory, added: Mapping[int, ifd.Entry]) -> bytes:
    """The block with more entries in its first directory, which moves to the end; all other bytes stay in place."""
    block = bytearray(exif + b"\0" * (len(exif) % 2))
    rows = struct.unpack_from(reader.order + "H", block, tree.offset)[0]
    start = tree.offset + 2
    table = {bytes(block[at : at + 2]): bytes(block[at : at + 12]) for at in range(start, start + 12 * rows, 12)}
    values = len(block) + 2 + 12 * (rows + len(added)) + 4
    tail = b""
    for tag, entry in added.items():
        data = _ordered(entry, reader.order)
        inline = data.ljust(4, b"\0") if len(data) <= 4 else struct.pack(reader.order + "I", values + len(tail))
        tail += data if len(data) > 4 else b""
        key = struct.pack(reader.order + "H", tag)
        table[key] = key + struct.pack(reader.order + "HI", entry.kind, entry.count) + inline
    ordered = sorted(table.values(), key=lambda row: struct.unpack(reader.order + "H", row[:2]))
    struct.pack_into(reader.order + "I", block, 4, len(block))
    head, end = struct.pack(reader.order + "H", len(ordered)), struct.pack(reader.order + "I", tree.following)
    return bytes(block) + head + b"".join(ordered) + end + tail


def _ordered(entry: ifd.Entry, order: str) -> bytes:
    """The bytes of an entry of shorts or fractions in an order."""
    unit = {3: "H", 5: "I"}[entry.kind]
    numbers = struct.unpack(f"<{len(entry.data) // struct.calcsize(unit)}{unit}", entry.data)
    return struct.pack(f"{order}{len(numbers)}{unit}", *numbers)


def descriptive(page: ifd.Directory) -> ifd.Directory:
    """What a directory says about the photo rather than about the file: copied, with EXIF and GPS."""
    sound = {tag: entry for tag, entry in page.entries.items() if tag in DESCRIPTIVE and entry.data}
    return ifd.Directory(sound, {tag: _sound(page.nested[tag]) for tag in (ifd.EXIF, ifd.GPS) if tag in page.nested})


def block_of(page: ifd.Directory) -> bytes:
    """An EXIF block with what a TIFF directory says about the photo; empty if it says nothing."""
    return encoded(descriptive(page))


def not_in_tiff(exif: bytes) -> list[str]:
    """Names of what the first directory of a block says about the photo, and a TIFF's own directory cannot hold."""
    if not exif:
        return []
    try:
        page = opened(exif)[1]
    except ValueError:
        return []
    return [tag_name(tag) for tag in page.entries if tag not in DESCRIPTIVE | OF_THE_PIXELS]


def encoded(directory: ifd.Directory) -> bytes:
    """A little-endian block of a directory; empty if that is."""
    return _HEAD + ifd.encode(directory, len(_HEAD)) if directory.entries or directory.nested else b""


def tag_name(tag: int) -> str:
    """The name that the standard gives to a tag of EXIF or TIFF, else its number."""
    named = TiffTags.lookup(tag).name.removesuffix("Tag")
    return ExifTags.TAGS.get(tag) or (f"0x{tag:04X}" if named == "unknown" else named)


def content_identifier(exif: bytes) -> bool:
    """Whether the maker's note is Apple's and names the video of a Live Photo."""
    try:
        photo = opened(exif)[1].nested.get(ifd.EXIF, ifd.Directory())
    except ValueError:
        return False
    note = photo.entries.get(MAKER_NOTE, ifd.Entry(7, 0, b"")).data
    rows = note[16 : 16 + 12 * int.from_bytes(note[14:16], "big")] if note.startswith(b"Apple iOS\0\0\1MM") else b""
    return any(rows[at : at + 2] == b"\0\x11" for at in range(0, len(rows), 12))


def opened(exif: bytes) -> tuple[ifd.Reader, ifd.Directory]:
    """A block's reader and directories.

    Raises:
        ValueError: it is damaged.
    """
    reader = _reader(exif)
    tree = reader.directory()
    if tree.damaged:
        raise ValueError("a nested directory is damaged")
    return reader, tree


def _reader(exif: bytes) -> ifd.Reader:
    reader = ifd.Reader(io.BytesIO(exif.removeprefix(b"Exif\0\0")))
    if reader.big:
        raise ValueError("an EXIF block has 4-byte offsets")
    return reader


def _sound(directory: ifd.Directory) -> ifd.Directory:
    """A copy without entries whose values lie beyond the end of the block."""
    entries = {tag: entry for tag, entry in directory.entries.items() if entry.data or not entry.count}
    return ifd.Directory(entries, {tag: _sound(inner) for tag, inner in directory.nested.items()})


def _known(directory: ifd.Directory) -> ifd.Directory:
    """A copy with only the tags that the standard names, as the others of a damaged block may be anything."""
    entries = {tag: entry for tag, entry in directory.entries.items() if tag in ExifTags.TAGS and entry.data}
    nested = {tag: _known(inner) if tag == ifd.EXIF else inner for tag, inner in directory.nested.items()}
    return ifd.Directory(entries, nested)


def patched(exif: bytes, first: dict[int, int], photo: dict[int, int]) -> bytes:
    """The block with numbers replaced, where present, in its first directory and in its EXIF directory.

    Raises:
        ValueError: it is damaged.
    """
    reader, tree = opened(exif)
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
    reader, tree = opened(exif)
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
