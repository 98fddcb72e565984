"""HEIC files as phones write them: grids of tiles, gain maps, depth maps, mattes and thumbnails beside the picture.

The coded pictures are pillow-heif's; the boxes around them are put together here, as ISO/IEC 23008-12 has them.
"""

import io
import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import picture_charts as charts
import pytest
from metadata_charts import box
from numpy.typing import NDArray
from PIL import Image as Pillow

GAIN_MAP, DEPTH = "urn:com:apple:photo:2020:aux:hdrgainmap", "urn:mpeg:hevc:2015:auxid:2"
MATTE = "urn:com:apple:photo:2019:aux:semanticskinmatte"


@dataclass
class Item:
    """An item of a file: its type, its data, its properties, and the items (from 1) that it refers to, by kind."""

    kind: bytes
    data: bytes
    properties: list[bytes] = field(default_factory=list)
    refers: dict[bytes, list[int]] = field(default_factory=dict)
    hidden: bool = False


def full(kind: bytes, content: bytes, version: int = 0, flags: int = 0) -> bytes:
    """A box with a version and flags."""
    return box(kind, struct.pack(">I", version << 24 | flags) + content)


def coded(levels: NDArray[Any], bits: int = 8, **more: Any) -> Item:
    """A picture of ``H×W×3`` levels of 8 bits, coded with 8, 10 or 12."""
    pillow_heif = pytest.importorskip("pillow_heif")
    target = io.BytesIO()
    height, width = levels.shape[:2]
    if bits == 8:
        file = pillow_heif.from_pillow(Pillow.fromarray(levels))
    else:
        file = pillow_heif.from_bytes("RGB;16", (width, height), (levels.astype(np.uint16) * 257).tobytes())
    deep = pillow_heif.options.SAVE_HDR_TO_12_BIT
    pillow_heif.options.SAVE_HDR_TO_12_BIT = bits == 12
    try:
        file.save(target, quality=95, chroma=444)
    finally:
        pillow_heif.options.SAVE_HDR_TO_12_BIT = deep
    made = target.getvalue()
    return Item(b"hvc1", _content(made, b"mdat"), [_whole(made, b"hvcC"), size(height, width)], **more)


def _whole(data: bytes, kind: bytes) -> bytes:
    start = data.index(kind) - 4
    return data[start : start + int.from_bytes(data[start : start + 4], "big")]


def _content(data: bytes, kind: bytes) -> bytes:
    return _whole(data, kind)[8:]


def size(height: int, width: int) -> bytes:
    """The property of an item that states its size."""
    return full(b"ispe", struct.pack(">II", width, height))


def auxiliary(urn: str) -> bytes:
    """The property of an item that says what it is for."""
    return full(b"auxC", urn.encode() + b"\0")


def colours(primaries: int, transfer: int) -> bytes:
    """The property of an item that states its colour space by code points."""
    return box(b"colr", b"nclx" + struct.pack(">HHHB", primaries, transfer, 9 if primaries == 9 else 6, 0x80))


def turned(quarters: int) -> bytes:
    """The property of an item that is to be turned left by quarters."""
    return box(b"irot", bytes([quarters]))


def grid(levels: NDArray[Any], tile: int, bits: int = 8, properties: tuple[bytes, ...] = ()) -> list[Item]:
    """A picture in tiles of ``tile`` pixels a side, which reach beyond it; the grid is the first item."""
    height, width = levels.shape[:2]
    rows, columns = -(-height // tile), -(-width // tile)
    padded = np.pad(levels, ((0, rows * tile - height), (0, columns * tile - width), (0, 0)), mode="edge")
    tiles = [
        coded(padded[y : y + tile, x : x + tile], bits, hidden=True)
        for y in range(0, rows * tile, tile)
        for x in range(0, columns * tile, tile)
    ]
    layout = bytes([0, 0, rows - 1, columns - 1]) + struct.pack(">HH", width, height)
    numbers = [*range(2, 2 + len(tiles))]
    return [Item(b"grid", layout, [size(height, width), *properties], {b"dimg": numbers}), *tiles]


def heic(items: list[Item], groups: bytes = b"") -> bytes:
    """A file whose first item is the picture."""
    head = box(b"ftyp", b"heic\0\0\0\0mif1heic")
    place = len(head) + len(_meta(items, 0, groups)) + 8
    return head + _meta(items, place, groups) + box(b"mdat", b"".join(item.data for item in items))


def _meta(items: list[Item], place: int, groups: bytes) -> bytes:
    properties = [one for item in items for one in item.properties]
    infos, links, places, uses, at = b"", b"", b"", b"", 0
    for number, item in enumerate(items, 1):
        infos += full(b"infe", struct.pack(">HH4sB", number, 0, item.kind, 0), 2, item.hidden)
        for kind, others in item.refers.items():
            links += box(kind, struct.pack(f">HH{len(others)}H", number, len(others), *others))
        places += struct.pack(">HHHII", number, 0, 1, place, len(item.data))
        place += len(item.data)
        numbers = range(at + 1, at + 1 + len(item.properties))
        uses += struct.pack(">HB", number, len(numbers)) + bytes(numbers)
        at += len(item.properties)
    count = struct.pack(">H", len(items))
    associations = full(b"ipma", struct.pack(">I", len(items)) + uses)
    content = full(b"hdlr", bytes(4) + b"pict" + bytes(13)) + full(b"pitm", struct.pack(">H", 1))
    content += full(b"iloc", b"\x44\0" + count + places) + full(b"iinf", count + infos)
    content += full(b"iref", links) if links else b""
    return full(b"meta", content + box(b"iprp", box(b"ipco", b"".join(properties)) + associations) + groups)


def picture(height: int = 90, width: int = 150) -> NDArray[np.uint8]:
    """Smooth, so that compression with loss keeps it nearly."""
    return charts.gradient(height, width, 3)
