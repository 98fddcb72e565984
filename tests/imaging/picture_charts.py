"""Pictures, profiles and metadata blocks made by hand, for the tests of reading and writing."""

import io
import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow

from fourfold.core.image import Image

Chromaticities = tuple[tuple[float, float], ...]

P3: Chromaticities = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.3127, 0.3290))
ADOBE: Chromaticities = ((0.640, 0.330), (0.210, 0.710), (0.150, 0.060), (0.3127, 0.3290))
D50 = np.array([0.9642, 1.0, 0.8249])


def gradient(height: int, width: int, channels: int, depth: int = 8) -> NDArray[Any]:
    """Smooth levels without any symmetry, different in every channel; alpha runs from 0 to full."""
    y, x = np.mgrid[0:height, 0:width] / np.array([max(height - 1, 1), max(width - 1, 1)]).reshape(2, 1, 1)
    colours = [0.1 + 0.6 * x + 0.2 * y, 0.9 - 0.7 * y, 0.2 + 0.5 * x * y + 0.1 * y][: 1 if channels < 3 else 3]
    bands = [*colours, np.clip(1.2 * x + 0.3 * y - 0.2, 0, 1)] if channels in (2, 4) else colours
    top = 2**depth - 1
    return np.rint(np.stack(bands, -1) * top).astype(np.uint8 if depth == 8 else np.uint16)


def turned(upright: NDArray[Any], orientation: int) -> NDArray[Any]:
    """The stored pixels that an EXIF orientation turns into ``upright``; by the table of the EXIF standard."""
    first_row_is = {1: "top", 2: "top", 3: "bottom", 4: "bottom", 5: "left", 6: "right", 7: "right", 8: "left"}
    first_column_is = {1: "left", 2: "right", 3: "right", 4: "left", 5: "top", 6: "top", 7: "bottom", 8: "bottom"}
    stored = upright
    if first_row_is[orientation] in ("left", "right"):
        stored = np.swapaxes(stored, 0, 1)
    if first_row_is[orientation] in ("bottom", "right"):
        stored = stored[::-1]
    if first_column_is[orientation] in ("right", "bottom"):
        stored = stored[:, ::-1]
    return np.ascontiguousarray(stored)


def file_of(name: str, levels: NDArray[Any] | None = None, **options: Any) -> bytes:
    """A small file of a format, made by other software than ours."""
    target = io.BytesIO()
    picture = Pillow.fromarray(gradient(24, 40, 3) if levels is None else levels)
    if name == "HEIF":
        pillow_heif = pytest.importorskip("pillow_heif")
        pillow_heif.from_pillow(picture).save(target, **options)
    else:
        picture.save(target, name, **options)
    return target.getvalue()


def image_of(height: int = 24, width: int = 40, channels: int = 3, depth: int = 8) -> Image:
    levels = gradient(height, width, channels, depth)
    values = (levels / np.float32(2**depth - 1)).astype(np.float32)
    colours = 1 if channels < 3 else 3
    return Image(values[..., :colours], values[..., colours] if channels > colours else None, depth)


def levels_of(picture: Image) -> NDArray[Any]:
    parts = [picture.pixels] + ([picture.alpha[..., None]] if picture.alpha is not None else [])
    return np.rint(np.concatenate(parts, -1) * (2**picture.depth - 1)).astype(int)


# --- PNG ---------------------------------------------------------------------------------------------------------


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_file(
    levels: NDArray[Any], bits: int, colour: int, extra: Sequence[tuple[bytes, bytes]] = (), *, interlaced: bool = False
) -> bytes:
    """An unfiltered PNG of ``H×W×C`` samples of 1 to 16 bits."""
    height, width = levels.shape[:2]
    passes = [(0, 0, 1, 1)]
    if interlaced:
        passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    rows = b""
    for top, left, down, across in passes:
        part = levels[top::down, left::across]
        if part.size:
            rows += b"".join(b"\0" + _packed(row, bits) for row in part)
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, int(interlaced))
    chunks = [(b"IHDR", header), *extra, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


def _packed(row: NDArray[Any], bits: int) -> bytes:
    if bits == 16:
        return row.astype(">u2").tobytes()
    single = np.unpackbits(row.reshape(-1, 1).astype(np.uint8), axis=1)[:, 8 - bits :]
    return np.packbits(single.reshape(-1)).tobytes()


# --- ICC ---------------------------------------------------------------------------------------------------------


def icc(kind: bytes, tags: dict[bytes, bytes], version: int, connection: bytes = b"XYZ ") -> bytes:
    """An ICC profile of these tags."""
    table, data = struct.pack(">I", len(tags)), b""
    for name, value in tags.items():
        value += bytes(-len(value) % 4)
        table += struct.pack(">4sII", name, 132 + 12 * len(tags) + len(data), len(value))
        data += value
    device = b"prtr" if kind == b"CMYK" else b"mntr"
    head = struct.pack(">I4xI4s4s4s", 128 + len(table) + len(data), version << 24, device, kind, connection)
    head += struct.pack(">6H", 2020, 1, 1, 0, 0, 0) + b"acsp"
    return head.ljust(68, b"\0") + fixed(*D50) + bytes(48) + table + data


def fixed(*numbers: float) -> bytes:
    return b"".join(struct.pack(">i", round(number * 65536)) for number in numbers)


def icc_names(name: str, version: int) -> dict[bytes, bytes]:
    if version == 4:
        wide = name.encode("utf-16-be")
        text = b"mluc\0\0\0\0" + struct.pack(">II4sII", 1, 12, b"enUS", len(wide), 28) + wide
        return {b"desc": text, b"cprt": text, b"wtpt": b"XYZ \0\0\0\0" + fixed(*D50)}
    plain = name.encode() + b"\0"
    description = b"desc\0\0\0\0" + struct.pack(">I", len(plain)) + plain + bytes(78)
    return {b"desc": description, b"cprt": b"text\0\0\0\0" + plain, b"wtpt": b"XYZ \0\0\0\0" + fixed(*D50)}


def icc_rgb(space: Chromaticities, gamma: float | None, version: int = 4, name: str = "Chart") -> bytes:
    """A matrix profile; ``gamma`` None is the sRGB curve."""
    columns = matrix(space)
    tags = icc_names(name, version)
    for letter, column in zip((b"r", b"g", b"b"), columns.T, strict=True):
        tags[letter + b"XYZ"] = b"XYZ \0\0\0\0" + fixed(*column)
        tags[letter + b"TRC"] = icc_curve(gamma, version)
    return icc(b"RGB ", tags, version)


def icc_grey(gamma: float, version: int = 4) -> bytes:
    return icc(b"GRAY", {**icc_names("Grey chart", version), b"kTRC": icc_curve(gamma, version)}, version)


def icc_curve(gamma: float | None, version: int) -> bytes:
    if version == 4:
        numbers = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045) if gamma is None else (gamma,)
        return b"para\0\0\0\0" + struct.pack(">HH", 3 if gamma is None else 0, 0) + fixed(*numbers)
    if gamma is not None:
        return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))
    table = np.rint(light(np.linspace(0, 1, 1024), None) * 65535).astype(">u2")
    return b"curv\0\0\0\0" + struct.pack(">I", len(table)) + table.tobytes()


def icc_cmyk() -> bytes:
    """A made-up press whose inks multiply: a table of two grid points an ink, from ink to L*a*b*."""
    inks = np.array([[55, -37, -50], [48, 74, -3], [89, -5, 93], [16, 0, 0]], np.float64)
    paper = np.array([100.0, 0, 0])
    grid = []
    for index in np.ndindex(2, 2, 2, 2):
        value = paper.copy()
        for amount, ink in zip(index, inks, strict=True):
            if amount:
                value = np.array([value[0] * ink[0] / 100, value[1] + ink[1], value[2] + ink[2]]) * (1, 0.8, 0.8)
        grid.append([value[0] * 2.55, value[1] + 128, value[2] + 128])
    table = np.clip(np.rint(grid), 0, 255).astype(np.uint8).tobytes()
    identity = bytes(range(256))
    lut = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1) + identity * 4 + table + identity * 3
    return icc(b"CMYK", {**icc_names("Made-up press", 2), b"A2B0": lut}, 2, b"Lab ")


def matrix(space: Chromaticities) -> NDArray[np.float64]:
    """RGB light to XYZ under D50, columns red, green, blue (Bradford adaptation)."""
    xyz = np.array([[x / y, 1, (1 - x - y) / y] for x, y in space]).T
    plain = xyz[:, :3] @ np.diag(np.linalg.inv(xyz[:, :3]) @ xyz[:, 3])
    cone = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    gains = (cone @ D50) / (cone @ xyz[:, 3])
    return np.linalg.inv(cone) @ np.diag(gains) @ cone @ plain


def light(values: NDArray[Any], gamma: float | None) -> NDArray[np.float64]:
    if gamma is not None:
        return np.asarray(values, np.float64) ** gamma
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(values: NDArray[Any], space: Chromaticities, gamma: float | None) -> NDArray[np.float64]:
    """CIE L*a*b* (D50) of encoded RGB values in 0..1, by definition."""
    xyz = light(values, gamma) @ matrix(space).T / D50
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1)


def delta_e(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.float64]:
    """CIEDE2000 between L*a*b* colours; ISO/CIE 11664-6."""
    (l1, a1, b1), (l2, a2, b2) = np.moveaxis(first, -1, 0), np.moveaxis(second, -1, 0)
    mean = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    stretch = 1.5 - 0.5 * np.sqrt(mean**7 / (mean**7 + 25.0**7))
    c1, c2 = np.hypot(a1 * stretch, b1), np.hypot(a2 * stretch, b2)
    h1, h2 = np.arctan2(b1, a1 * stretch) % (2 * np.pi), np.arctan2(b2, a2 * stretch) % (2 * np.pi)
    turn = np.where(c1 * c2 == 0, 0, (h2 - h1 + np.pi) % (2 * np.pi) - np.pi)
    hue = 2 * np.sqrt(c1 * c2) * np.sin(turn / 2)
    lightness, chroma = (l1 + l2) / 2, (c1 + c2) / 2
    angle = h1 + turn / 2
    t = 1 - 0.17 * np.cos(angle - np.pi / 6) + 0.24 * np.cos(2 * angle)
    t += 0.32 * np.cos(3 * angle + np.pi / 30) - 0.2 * np.cos(4 * angle - np.deg2rad(63))
    s_l = 1 + 0.015 * (lightness - 50) ** 2 / np.sqrt(20 + (lightness - 50) ** 2)
    s_c, s_h = 1 + 0.045 * chroma, 1 + 0.015 * chroma * t
    bend = np.deg2rad(30) * np.exp(-(((np.rad2deg(angle) % 360 - 275) / 25) ** 2))
    r_t = -np.sin(2 * bend) * 2 * np.sqrt(chroma**7 / (chroma**7 + 25.0**7))
    dl, dc, dh = (l2 - l1) / s_l, (c2 - c1) / s_c, hue / s_h
    return np.sqrt(np.maximum(dl**2 + dc**2 + dh**2 + r_t * dc * dh, 0))


def chart() -> NDArray[np.float32]:
    """Patches of 16×16: all 64 mixtures of four levels, many of them outside sRGB."""
    steps = np.array([20, 90, 165, 235], np.float32) / 255
    patches = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(8, 8, 3)
    return np.repeat(np.repeat(patches, 16, 0), 16, 1).astype(np.float32)


def patches_of(picture: NDArray[Any]) -> NDArray[Any]:
    """The mean of the middle of every patch of a chart."""
    blocks = picture.reshape(8, 16, 8, 16, 3)[:, 4:12, :, 4:12]
    return blocks.mean(axis=(1, 3))


# --- EXIF and XMP ------------------------------------------------------------------------------------------------

MAKER_NOTE = b"MAKER\0" + bytes(range(50))
LATITUDE = struct.pack(">6I", 48, 1, 51, 1, 30, 1)


def exif(order: str = "<", orientation: int = 1, *, thumbnail: bytes = b"\xff\xd8THUMBNAIL\xff\xd9") -> bytes:
    """A camera-like block: make, orientation, size, EXIF with a maker's note, GPS, and a thumbnail at the end."""
    first = [
        (0x010F, 2, 10, b"Optikwerk\0"),
        (0x0112, 3, 1, struct.pack(order + "HH", orientation, 0)),
        (0x8769, 4, 1, None),
        (0x8825, 4, 1, None),
    ]
    photo = [
        (0x9003, 2, 20, b"2026:11:22 10:00:00\0"),
        (0x927C, 7, len(MAKER_NOTE), MAKER_NOTE),
        (0xA002, 3, 1, struct.pack(order + "HH", 640, 0)),
        (0xA003, 3, 1, struct.pack(order + "HH", 480, 0)),
    ]
    place = [(0x0001, 2, 2, b"N\0\0\0"), (0x0002, 5, 3, struct.pack(order + "6I", *struct.unpack(">6I", LATITUDE)))]
    start = 8
    first_data = start + 2 + 12 * len(first) + 4
    photo_at = first_data + 10
    photo_block = _directory(photo, photo_at, order)
    place_at = photo_at + len(photo_block)
    place_block = _directory(place, place_at, order)
    thumb_at = place_at + len(place_block)
    first[2] = (0x8769, 4, 1, struct.pack(order + "I", photo_at))
    first[3] = (0x8825, 4, 1, struct.pack(order + "I", place_at))
    block = _directory(first, start, order, following=thumb_at if thumbnail else 0) + photo_block + place_block
    if thumbnail:
        jpeg_at = thumb_at + 2 + 24 + 4
        fields = [
            (0x0201, 4, 1, struct.pack(order + "I", jpeg_at)),
            (0x0202, 4, 1, struct.pack(order + "I", len(thumbnail))),
        ]
        block += _directory(fields, thumb_at, order) + thumbnail
    return (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8) + block


def parsed_exif(block: bytes) -> Pillow.Exif:
    """A block as Pillow reads it."""
    exif = Pillow.Exif()
    exif.load(b"Exif\0\0" + block)
    return exif


def _directory(fields: list[Any], at: int, order: str, following: int = 0) -> bytes:
    table, data = struct.pack(order + "H", len(fields)), b""
    data_at = at + 2 + 12 * len(fields) + 4
    for tag, kind, count, value in fields:
        value = value or bytes(4)
        if len(value) > 4:
            inline = struct.pack(order + "I", data_at + len(data))
            data += value
        else:
            inline = value.ljust(4, b"\0")
        table += struct.pack(order + "HHI", tag, kind, count) + inline
    return table + struct.pack(order + "I", following) + data


XMP = b"""<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:tiff="http://ns.adobe.com/tiff/1.0/"
 xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"
 xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" xmlns:xmpNote="http://ns.adobe.com/xmp/note/"
 xmlns:Iptc4xmpCore="http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/"
 xmp:Rating="5" tiff:Orientation="6" exif:PixelXDimension="640" exif:GPSLatitude="48,51.5N"
 photoshop:City="Paris" photoshop:Headline="Bridge" GCamera:MotionPhoto="1" xmpNote:HasExtendedXMP="0123">
<exif:PixelYDimension>480</exif:PixelYDimension>
<Iptc4xmpCore:Location>Quai</Iptc4xmpCore:Location>
<xmp:Thumbnails><rdf:Alt><rdf:li>THUMBDATA</rdf:li></rdf:Alt></xmp:Thumbnails>
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""
