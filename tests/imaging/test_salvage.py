"""What can be read of damaged files of formats other than JPEG and HEIC: read when asked, and said; else refused."""

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import metadata_charts as made
import numpy as np
import odd_files
import picture_charts as charts
import pytest
from PIL import Image as Pillow

from fourfold.core.errors import PictureError
from fourfold.imaging import files

RNG = np.random.default_rng(22)
LEVELS = (charts.gradient(120, 160, 3) * 0.8 + RNG.integers(0, 40, (120, 160, 1))).astype(np.uint8)


def saved(name: str, mode: str = "RGB", **options: Any) -> bytes:
    target = io.BytesIO()
    picture = Pillow.fromarray(LEVELS)
    if mode == "RGBA":
        picture.putalpha(Pillow.fromarray(charts.gradient(120, 160, 4)[..., 3]))
    (picture.quantize(64) if mode == "P" else picture).save(target, name, **options)
    return target.getvalue()


def png(bits: int = 8, *, interlaced: bool = False) -> bytes:
    return charts.png_file(LEVELS.astype(np.uint16) * (257 if bits == 16 else 1), bits, 2, interlaced=interlaced)


FILES: dict[str, Callable[[], bytes]] = {
    "PNG": png,
    "PNG of 16 bits": lambda: png(16),
    "PNG with a palette": lambda: saved("PNG", "P"),
    "PNG with alpha": lambda: saved("PNG", "RGBA"),
    "TIFF": lambda: saved("TIFF"),
    "GIF": lambda: saved("GIF", "P", interlace=0),
    "GIF with a clear colour": lambda: saved("GIF", "P", interlace=0, transparency=3),
    "WEBP": lambda: saved("WEBP", quality=90),
    "WEBP without loss": lambda: saved("WEBP", lossless=True),
    "WEBP with alpha": lambda: saved("WEBP", "RGBA", quality=90),
    "AVIF": lambda: saved("AVIF", quality=90, speed=10),
    "BMP": lambda: saved("BMP"),
}


def stated(note: str) -> int:
    return int(note.split("about ")[1].split(" %")[0])


def accepted(data: bytes) -> tuple[files.Image, int]:
    """The picture of a damaged file, and the per cent of it that its note calls damaged; it is refused unless asked."""
    with pytest.raises(PictureError, match=r"% of its pixels are missing or wrong.*--damaged accept") as refused:
        files.read(data)
    picture = files.read(data, damaged=True)
    note = next(note for note in picture.notes if note.startswith(files.DAMAGED))
    assert stated(note) == stated(str(refused.value))
    return picture, stated(note)


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("share", [0.6, 0.8, 0.95])
def test_of_a_file_that_ends_early_the_beginning_is_read(kind: str, share: float) -> None:
    data = FILES[kind]()
    whole = charts.levels_of(files.read(data))
    cut = data[: int(len(data) * share)]
    assert files.probe(cut) == files.probe(data)
    picture, per_cent = accepted(cut)
    same = (charts.levels_of(picture) == whole).all(axis=(1, 2))
    assert abs(per_cent - 100 * (1 - same.mean())) < 3
    assert share - (0.35 if kind == "AVIF" else 0.25) < same.mean() < 1  # AVIF stores 64 rows at once


def test_of_an_interlaced_png_the_passes_that_are_whole_are_enlarged() -> None:
    data = png(interlaced=True)
    picture, per_cent = accepted(data[: len(data) * 7 // 10])
    assert per_cent == 50
    assert np.array_equal(charts.levels_of(picture)[::2], LEVELS[::2])
    assert np.array_equal(charts.levels_of(picture)[1::2], LEVELS[::2])


def test_of_an_interlaced_gif_the_rows_that_are_there_are_read() -> None:
    data = saved("GIF", "P", interlace=1)
    whole = charts.levels_of(files.read(data))
    picture, per_cent = accepted(data[: len(data) * 7 // 10])
    same = (charts.levels_of(picture) == whole).all(axis=(1, 2)).mean()
    assert abs(per_cent - 100 * (1 - same)) < 3
    assert same > 0.6


@pytest.mark.parametrize(
    "options",
    [
        {"compression": 8, "strip": 5},
        {"compression": 8, "predictor": 2, "tile": 32},
        {"compression": 32773, "strip": 5},
    ],
)
def test_of_a_tiff_whose_parts_are_damaged_the_others_are_read(options: dict[str, Any]) -> None:
    fields, segments = odd_files.tiff_page(LEVELS, 8, 2, **options)
    lost = range(0, len(segments), 4)
    broken = [b"\xff" * 9 if at in lost else one for at, one in enumerate(segments)]
    picture, per_cent = accepted(odd_files.tiff([(fields, broken)]))
    same = (charts.levels_of(picture) == LEVELS).all(axis=2).mean()
    assert abs(per_cent - 100 * (1 - same)) < 6
    assert 0.6 < same < 0.9


def chunk_at(data: bytes, kind: bytes) -> int:
    return data.index(kind) - 4


@pytest.mark.parametrize(
    "harmed",
    [
        lambda data: data[: chunk_at(data, b"IEND")],
        lambda data: data[:-2],
        lambda data: data[:-12] + charts.png_chunk(b"tEXt", b"Title" + bytes(50))[:20],
        lambda data: data[: chunk_at(data, b"IEND") - 4] + bytes(4) + data[chunk_at(data, b"IEND") :],
    ],
    ids=["no end", "cut end", "cut text", "wrong checksum"],
)
@pytest.mark.parametrize("interlaced", [False, True])
def test_what_costs_a_png_no_pixel_is_only_said(harmed: Callable[[bytes], bytes], interlaced: bool) -> None:
    data = png(interlaced=interlaced)
    picture = files.read(harmed(data))
    assert np.array_equal(charts.levels_of(picture), LEVELS)
    (note,) = picture.notes
    assert note.endswith("but none of its pixels are.")


def test_what_costs_a_webp_no_pixel_is_only_said() -> None:
    data = made.webp((), exif=made.block({0x010F: made.ascii_entry("x" * 90)}))
    whole = files.read(data)
    picture = files.read(data[:-40])
    assert np.array_equal(picture.pixels, whole.pixels)
    assert any(note.endswith("but none of its pixels are.") for note in picture.notes)


def test_pixels_that_may_be_wrong_anywhere_are_refused_unless_asked() -> None:
    raw = bytearray(b"".join(b"\0" + row.tobytes() for row in LEVELS))
    raw[5000] ^= 255
    packed = zlib.compress(bytes(raw))[:-4] + b"\0\0\0\1"
    head = charts.png_chunk(b"IHDR", struct.pack(">IIBBBBB", 160, 120, 8, 2, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + head + charts.png_chunk(b"IDAT", packed) + charts.png_chunk(b"IEND", b"")
    with pytest.raises(PictureError, match=r"how many of its pixels are wrong cannot be known.*--damaged accept"):
        files.read(data)
    (note,) = files.read(data, damaged=True).notes
    assert note.endswith("cannot be known. Look at the result.")


@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_ends_before_its_pixels_is_refused_even_when_asked(kind: str) -> None:
    data = FILES[kind]()
    for end in (30, 60):
        with pytest.raises(PictureError) as refused:
            files.read(data[:end], damaged=True)
        assert "--damaged accept" not in str(refused.value)
