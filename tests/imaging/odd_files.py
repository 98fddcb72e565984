"""Some hundred small files, each odd in its own way, made from seeded pixels; the same bytes every time."""

import io
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import heif_files as boxes
import numpy as np
import picture_charts as charts
from numpy.typing import NDArray
from PIL import Image as Pillow

Made = tuple[str, bytes]
SIZES = ((1, 1), (7, 5), (33, 18))


def levels(height: int, width: int, channels: int, bits: int = 8) -> NDArray[np.uint16]:
    """Seeded samples; alpha, the last of 2 or 4 channels, is full, half or none."""
    rng = np.random.default_rng([height, width, channels, bits])
    made = rng.integers(0, 2**bits, (height, width, channels)).astype(np.uint16)
    if channels in (2, 4):
        made[..., -1] = rng.choice([0, (2**bits - 1) // 2, 2**bits - 1], (height, width))
    return made


# --- PNG ---------------------------------------------------------------------------------------------------------


def pngs() -> Iterator[Made]:
    depths = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
    for colour, bits, size, interlaced in (
        (c, b, s, i) for c, many in depths.items() for b in many for s in SIZES for i in (False, True)
    ):
        samples = levels(*size, channels[colour], bits)
        extra: list[tuple[bytes, bytes]] = []
        if colour == 3:
            extra.append((b"PLTE", np.random.default_rng(bits).integers(0, 256, 3 * 2**bits, np.uint8).tobytes()))
        yield (
            f"png-{colour}-{bits}-{size[0]}-{interlaced}.png",
            charts.png_file(samples, bits, colour, extra, interlaced=interlaced),
        )
        if colour in (0, 2, 3) and not interlaced and size[0] > 1:
            key = bytes(range(0, 250, 50)) if colour == 3 else samples[0, 0].astype(">u2").tobytes()
            yield (
                f"png-{colour}-{bits}-{size[0]}-key.png",
                charts.png_file(samples, bits, colour, [*extra, (b"tRNS", key[: 2**bits] if colour == 3 else key)]),
            )
    for turned in range(2, 9):
        exif = charts.exif("<", turned)
        yield f"png-turned-{turned}.png", charts.png_file(levels(9, 14, 3), 8, 2, [(b"eXIf", exif)])


# --- TIFF --------------------------------------------------------------------------------------------------------


def tiff(
    pages: Sequence[tuple[dict[int, Any], Sequence[bytes]]], order: str = "<", *, big: bool = False
) -> bytes:  # fmt: skip
    """A TIFF of directories, one linked to the next: numbers by tag, and the segments that 273 or 324 point at."""
    head, wide, row = (16, "Q", 20) if big else (8, "I", 12)
    out = bytearray((b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if big else 42))
    out += struct.pack(order + "HHQ", 8, 0, 0) if big else bytes(4)
    link = 8 if big else 4
    for fields, segments in pages:
        places = []
        for segment in segments:
            places.append(len(out))
            out += segment + bytes(len(segment) % 2)
        tiled = 322 in fields
        every = {324 if tiled else 273: tuple(places), 325 if tiled else 279: tuple(map(len, segments)), **fields}
        struct.pack_into(order + wide, out, link, len(out))
        start = len(out) + (8 if big else 2) + len(every) * row
        table = struct.pack(order + ("Q" if big else "H"), len(every))
        values = b""
        for tag, value in sorted(every.items()):
            numbers = value if isinstance(value, tuple) else (value,)
            code = "I" if tag in (273, 279, 324, 325, 330, 256, 257) else "H"
            data = struct.pack(f"{order}{len(numbers)}{code}", *numbers)
            size = 8 if big else 4
            if len(data) > size:
                at = start + size + len(values)
                values += data + bytes(len(data) % 2)
                data = struct.pack(order + wide, at)
            entry = struct.pack(order + "HH" + wide, tag, 4 if code == "I" else 3, len(numbers))
            table += entry + data.ljust(size, b"\0")
        link = len(out) + len(table)
        out += table + bytes(8 if big else 4) + values
    assert head <= len(out)
    return bytes(out)


def packed(rows: NDArray[Any], bits: int, order: str) -> bytes:
    """Rows of samples, highest bit first, each row filled up to whole bytes."""
    flat = rows.reshape(len(rows), -1)
    if bits in (8, 16):
        return flat.astype("u1" if bits == 8 else f"{order}u2").tobytes()
    single = (flat[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(single.reshape(len(rows), -1).astype(np.uint8), axis=1).tobytes()


def tiff_page(
    samples: NDArray[Any], bits: int, photometric: int, *, order: str = "<", strip: int = 0, tile: int = 0,
    separate: bool = False, reversed_bits: bool = False, compression: int = 1, predictor: int = 1,
    counts: bool = True, **more: Any,
) -> tuple[dict[int, Any], list[bytes]]:  # fmt: skip
    """Fields and segments of one page; ``more`` are further fields, their tags after an underscore."""
    height, width, deep = samples.shape
    planes = [samples[..., n : n + 1] for n in range(deep)] if separate else [samples]
    parts = []
    for plane in planes:
        if tile:
            padded = np.pad(plane, ((0, -height % tile), (0, -width % tile), (0, 0)), mode="edge")
            parts += [padded[y : y + tile, x : x + tile] for y in range(0, height, tile) for x in range(0, width, tile)]
        else:
            parts += [plane[y : y + (strip or height)] for y in range(0, height, strip or height)]
    segments = [_segment(part, bits, order, compression, predictor, reversed_bits) for part in parts]
    fields: dict[int, Any] = {
        256: width, 257: height, 258: (bits,) * deep, 259: compression, 262: photometric, 277: deep,
        284: 2 if separate else 1, 317: predictor, 266: 2 if reversed_bits else 1,
    }  # fmt: skip
    fields |= {322: tile, 323: tile} if tile else {278: strip or height}
    fields |= {int(name[1:]): value for name, value in more.items()}
    if not counts:
        fields[325 if tile else 279] = (0,) * len(segments)
    return fields, segments


def _segment(
    part: NDArray[Any], bits: int, order: str, compression: int, predictor: int, reversed_bits: bool
) -> bytes:  # fmt: skip
    if predictor == 2:
        steps = np.diff(part.astype(np.int64), axis=1) % 2**bits
        part = np.concatenate([part[:, :1], steps], axis=1).astype(part.dtype)
    data = packed(part, bits, order)
    if compression == 8:
        data = zlib.compress(data)
    elif compression == 32773:  # PackBits, literally: runs of at most 128 bytes as they are
        width = len(data) // len(part)
        rows = [data[at : at + width] for at in range(0, len(data), width)]
        literal = [row[at : at + 128] for row in rows for at in range(0, width, 128)]
        data = b"".join(bytes([len(part) - 1]) + part for part in literal)
    return data.translate(bytes(int(f"{b:08b}"[::-1], 2) for b in range(256))) if reversed_bits else data


def tiffs() -> Iterator[Made]:
    kinds = {"grey": (1, 1, {}), "inverted": (1, 0, {}), "rgb": (3, 2, {}), "rgba": (4, 2, {"_338": 2})}
    for name, (deep, photometric, more) in kinds.items():
        for bits in (8, 16) if deep > 1 else (1, 2, 4, 8, 12, 16):
            samples = levels(33, 18, deep, bits)
            options: list[dict[str, Any]] = [{}, {"order": ">"}, {"strip": 5}, {"reversed_bits": True}]
            options += [{"counts": False}, {"compression": 8}, {"compression": 32773}]
            options += [{"tile": 16}] + ([{"separate": True}] if deep > 1 else [])
            options += [{"compression": 8, "predictor": 2}] if bits in (8, 16) else []
            for number, option in enumerate(options):
                page = tiff_page(samples, bits, photometric, **more, **option)
                yield f"tiff-{name}-{bits}-{number}.tif", tiff([page], option.get("order", "<"))
    for bits in (1, 2, 4, 8):
        palette = tuple(int(n) * 257 for n in np.random.default_rng(bits).integers(0, 256, 3 * 2**bits))
        for option in ({}, {"reversed_bits": True}, {"strip": 4}):
            page = tiff_page(levels(21, 13, 1, bits), bits, 3, _320=palette, **option)
            yield f"tiff-palette-{bits}-{len(option)}{'strip' in option}.tif", tiff([page])
    for turned in range(2, 9):
        yield f"tiff-turned-{turned}.tif", tiff([tiff_page(levels(9, 14, 3), 8, 2, _274=turned)])
    yield "tiff-big.tif", tiff([tiff_page(levels(9, 14, 3, 16), 16, 2, strip=2)], big=True)
    thumbnail = tiff_page(levels(3, 4, 3), 8, 2, _254=1)
    yield "tiff-pages.tif", tiff([tiff_page(levels(9, 14, 3), 8, 2), tiff_page(levels(5, 5, 1), 8, 1)])
    yield "tiff-pyramid.tif", tiff([tiff_page(levels(9, 14, 3), 8, 2), thumbnail])
    yield "tiff-thumbnail-first.tif", tiff([thumbnail, tiff_page(levels(9, 14, 3), 8, 2)])
    inks = levels(9, 14, 4, 8)
    inks[..., 3] = 0  # without black all ways of converting inks to light agree
    yield "tiff-cmyk.tif", tiff([tiff_page(inks, 8, 5)])
    yield "tiff-cmyk-alpha.tif", tiff([tiff_page(np.dstack([inks, levels(9, 14, 2)[..., 1:]]), 8, 5, _338=2)])
    for mode, kind in (("group3", "1"), ("group4", "1"), ("tiff_lzw", "RGB"), ("jpeg", "RGB"), ("zstd", "RGB")):
        yield f"tiff-{mode}.tif", _saved(pillow(24, 40, kind), "TIFF", compression=mode)


# --- the others --------------------------------------------------------------------------------------------------


def pillow(height: int, width: int, mode: str) -> Pillow.Image:
    """Smooth, so that compression with loss keeps it nearly."""
    made = Pillow.fromarray(charts.gradient(height, width, 4 if mode.endswith("A") else 3))
    return made.convert(mode)


def _saved(picture: Pillow.Image, name: str, **options: Any) -> bytes:
    target = io.BytesIO()
    picture.save(target, name, **options)
    return target.getvalue()


def jpegs() -> Iterator[Made]:
    options: list[dict[str, Any]] = [{}, {"progressive": True}, {"restart_marker_rows": 1}, {"optimize": True}]
    options += [{"subsampling": n} for n in (0, 1, 2)]
    for size in ((1, 1), (17, 9), (33, 40)):
        for mode in ("L", "RGB"):
            for number, option in enumerate(options):
                yield f"jpeg-{mode}-{size[0]}-{number}.jpg", _saved(pillow(*size, mode), "JPEG", quality=95, **option)
    for turned in range(2, 9):
        exif = b"Exif\0\0" + charts.exif("<" if turned % 2 else ">", turned)
        yield f"jpeg-turned-{turned}.jpg", _saved(pillow(24, 40, "RGB"), "JPEG", quality=95, exif=exif)
    whole = _saved(pillow(40, 64, "RGB"), "JPEG", quality=95)
    yield "jpeg-no-end.jpg", whole[:-2]
    yield "jpeg-spare.jpg", whole[:-2] + bytes(3) + whole[-2:]
    yield "jpeg-after-the-end.jpg", whole + bytes(range(256)) * 20
    yield "jpeg-named.heic", whole


def bmp(samples: NDArray[Any], bits: int, *, head: int = 40, masks: Sequence[int] = (), down: bool = False) -> bytes:
    """Uncompressed; of 16 bits 5, 5, 5 unless ``masks`` say otherwise; ``down`` has its first row first."""
    height, width = samples.shape[:2]
    if bits <= 8:
        rows = [packed(row[None], bits, "<") for row in samples]
        palette = b"".join(bytes([b, 255 - b, b // 2, 0]) for b in (np.arange(2**bits) * 255 // (2**bits - 1)).tolist())
    elif bits == 16:
        five = samples.astype(np.uint16) >> 3
        rows = [((row[:, 0] << 10) | (row[:, 1] << 5) | row[:, 2]).astype("<u2").tobytes() for row in five]
        palette = b""
    else:
        rows, palette = [row[:, [2, 1, 0, 3][: bits // 8]].astype(np.uint8).tobytes() for row in samples], b""
    rows = [row + bytes(-len(row) % 4) for row in (rows if down else rows[::-1])]
    start = 14 + head + len(palette)
    info = struct.pack("<IiiHHI20x", head, width, -height if down else height, 1, bits, 3 if masks else 0)
    info += struct.pack("<4I", *masks) if masks else b""
    if head > 56:
        info += b"BGRs"
    body = b"".join(rows)
    return b"BM" + struct.pack("<IHHI", start + len(body), 0, 0, start) + info.ljust(head, b"\0") + palette + body


def bmps() -> Iterator[Made]:
    argb = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    for size in SIZES:
        for bits in (1, 4, 8, 16, 24, 32):
            for down in (False, True):
                made = levels(*size, 1 if bits <= 8 else 4, min(bits, 8))
                yield f"bmp-{bits}-{size[0]}-{down}.bmp", bmp(made, bits, down=down)
        yield f"bmp-v5-{size[0]}.bmp", bmp(levels(*size, 4) | 1, 32, head=124, masks=argb)
        clear = levels(*size, 4)
        clear[..., 3] = 0
        yield f"bmp-clear-{size[0]}.bmp", bmp(clear, 32, head=124, masks=argb)


def gifs() -> Iterator[Made]:
    for size in SIZES:
        for colours in (2, 5, 16, 256):
            palette = pillow(*size, "RGB").quantize(colours)
            for interlace in (0, 1):
                yield f"gif-{size[0]}-{colours}-{interlace}.gif", _saved(palette, "GIF", interlace=interlace)
        yield f"gif-{size[0]}-clear.gif", _saved(palette, "GIF", transparency=1)
        turned = palette.rotate(180)
        for disposal in (1, 2):
            options = {"save_all": True, "append_images": [turned], "disposal": disposal}
            yield f"gif-{size[0]}-frames-{disposal}.gif", _saved(palette, "GIF", **options)


def webps() -> Iterator[Made]:
    for size in SIZES:
        for mode in ("RGB", "RGBA", "L"):
            picture = pillow(*size, mode)
            for option in ({"lossless": True, "exact": True}, {"quality": 95}, {"quality": 95, "method": 0}):
                yield f"webp-{mode}-{size[0]}-{len(option)}{'exact' in option}.webp", _saved(picture, "WEBP", **option)
        options = {"save_all": True, "append_images": [pillow(*size, "RGB").rotate(180)], "lossless": True}
        yield f"webp-frames-{size[0]}.webp", _saved(pillow(*size, "RGB"), "WEBP", **options)
    for turned in range(2, 9):
        exif = b"Exif\0\0" + charts.exif("<", turned)
        yield f"webp-turned-{turned}.webp", _saved(pillow(24, 40, "RGB"), "WEBP", lossless=True, exif=exif)


def avifs() -> Iterator[Made]:
    for mode in ("L", "RGB", "RGBA"):
        for size in ((32, 48), (17, 23), (1, 1)):
            for chroma in ("4:4:4", "4:2:2", "4:2:0")[: 1 if mode == "L" else 3]:
                made = _saved(pillow(*size, mode), "AVIF", quality=95, subsampling=chroma, speed=10)
                yield f"avif-{mode}-{size[0]}-{chroma[::2]}.avif", made
    for turned in range(2, 9):
        exif = b"Exif\0\0" + charts.exif("<", turned)
        options = {"quality": 95, "subsampling": "4:4:4", "exif": exif, "speed": 10}
        yield f"avif-turned-{turned}.avif", _saved(pillow(24, 40, "RGB"), "AVIF", **options)
    for range_ in ("full", "limited"):
        yield (
            f"avif-range-{range_}.avif",
            _saved(pillow(24, 40, "RGB"), "AVIF", quality=95, subsampling="4:4:4", range=range_),
        )


def heifs(heif: Any) -> Iterator[Made]:
    for mode in ("L", "RGB", "RGBA"):
        for size in ((32, 64), (17, 23), (64, 48)):
            for chroma in (444, 422, 420)[: 1 if mode == "L" else 3]:
                target = io.BytesIO()
                heif.from_pillow(pillow(*size, mode)).save(target, quality=95, chroma=chroma)
                yield f"heif-{mode}-{size[0]}-{chroma}.heic", target.getvalue()
    picture = charts.gradient(90, 150, 3)
    for bits in (8, 10, 12):
        yield f"heif-one-{bits}.heic", boxes.heic([boxes.coded(picture[:64, :64], bits)])
        for quarters in range(4):
            tiles = boxes.grid(picture, 64, bits, (boxes.turned(quarters),))
            yield f"heif-grid-{bits}-{quarters}.heic", boxes.heic(tiles)


def every(heif: Any) -> dict[str, bytes]:
    """All of them by name."""
    makers: tuple[Callable[[], Iterator[Made]], ...] = (pngs, tiffs, jpegs, bmps, gifs, webps, avifs)
    return dict(made for maker in makers for made in maker()) | dict(heifs(heif))
