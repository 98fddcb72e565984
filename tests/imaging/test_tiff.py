"""TIFF beyond what Pillow reads faithfully; checked against files laid out by hand and by tifffile."""

import contextlib
import io
import itertools
import struct
import zlib
from typing import Any

import numpy as np
import picture_charts as charts
import pytest
from PIL import Image as Pillow

from fourfold.core.errors import PictureError
from fourfold.imaging import files
from fourfold.imaging.codecs import tiff

tifffile = pytest.importorskip("tifffile", reason="an independent reader and writer; comes with scikit-image")


def stored(samples: np.ndarray, **options: Any) -> bytes:
    target = io.BytesIO()
    if options.get("planarconfig") == "separate":
        samples = np.ascontiguousarray(np.moveaxis(samples, -1, 0))
    tifffile.imwrite(target, samples, metadata=None, **options)
    return target.getvalue()


def noise(channels: int, kind: type = np.uint16) -> np.ndarray:
    values = np.random.default_rng(channels).integers(0, np.iinfo(kind).max + 1, (23, 17, channels))
    return values.astype(kind) if channels > 1 else values[..., 0].astype(kind)


LAYOUTS = list(
    itertools.product(
        "<>", [None, "zlib"], [1, 2, 3, 4], [np.uint8, np.uint16], ["contig", "separate"], [{}, {"tile": (16, 16)}]
    )
)


@pytest.mark.parametrize(("order", "compression", "channels", "kind", "planes", "tiles"), LAYOUTS)
def test_every_layout_of_whole_bytes(
    order: str, compression: str | None, channels: int, kind: type, planes: str, tiles: dict[str, Any]
) -> None:
    samples = noise(channels, kind)
    options = {"planarconfig": planes} if channels > 1 else {}
    if channels in (2, 4):
        options["extrasamples"] = ["unassalpha"]
    photometric = "rgb" if channels > 2 else "minisblack"
    for big in (False, True):
        data = stored(
            samples,
            byteorder=order,
            compression=compression,
            predictor=compression is not None,
            photometric=photometric,
            bigtiff=big,
            **options,
            **tiles,
        )
        picture = files.read(data)
        assert np.array_equal(charts.levels_of(picture), samples.reshape(23, 17, channels))
        header = files.probe(data)
        assert (header.channels, header.depth) == (channels, 8 * np.dtype(kind).itemsize)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_inverted_grey(order: str, kind: type) -> None:
    samples = noise(1, kind)
    picture = files.read(stored(samples, byteorder=order, photometric="miniswhite"))
    assert np.array_equal(charts.levels_of(picture)[..., 0], np.iinfo(kind).max - samples.astype(int))


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_floating_point_from_0_to_1(order: str, compression: str | None, channels: int, kind: type) -> None:
    samples = (noise(channels) / 65535).astype(kind)
    photometric = "rgb" if channels > 2 else "minisblack"
    data = stored(samples, byteorder=order, compression=compression, photometric=photometric)
    picture = files.read(data)
    assert np.abs(picture.pixels - samples.reshape(23, 17, channels)).max() <= 0.51 / 65535
    assert any("rounded to 16" in note for note in picture.notes)


def test_floating_point_prediction() -> None:
    """Laid out by hand: each row's bytes by significance, highest first, then differences of neighbouring bytes."""
    samples = (noise(3) / 65535).astype(np.float32)
    spread = np.frombuffer(samples.astype(">f4").tobytes(), np.uint8).reshape(23, 17 * 3, 4).swapaxes(1, 2)
    rows = spread.reshape(23, -1, 3)
    differences = np.concatenate([rows[:, :1], np.diff(rows, axis=1)], 1).astype(np.uint8)
    data = by_hand(zlib.compress(differences.tobytes()), {258: (32,) * 3, 339: (3,) * 3, 259: 8, 317: 3})
    assert np.abs(files.read(data).pixels - samples).max() <= 0.51 / 65535


@pytest.mark.parametrize("values", [(0.0, 1.5), (-0.1, 1.0), (0.0, float("nan")), (0.0, float("inf"))])
def test_floating_point_without_a_known_white_is_refused(values: tuple[float, float]) -> None:
    samples = np.resize(np.array(values, np.float32), (8, 8, 3))
    with pytest.raises(PictureError, match="expected samples from 0 to 1"):
        files.read(stored(samples, photometric="rgb"))


def test_unknown_extra_channels_are_left_out_with_a_note() -> None:
    samples = noise(5, np.uint8)
    data = stored(samples, photometric="rgb", extrasamples=["unassalpha", "unspecified"])
    picture = files.read(data)
    assert np.array_equal(charts.levels_of(picture), samples[..., :4])
    assert any("left out" in note for note in picture.notes)
    plain = files.read(stored(noise(4, np.uint8), photometric="rgb", extrasamples=["unspecified"]))
    assert plain.alpha is None
    assert np.array_equal(charts.levels_of(plain), noise(4, np.uint8)[..., :3])


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_premultiplied_alpha_becomes_straight(kind: type) -> None:
    top = int(np.iinfo(kind).max)
    samples = np.array([[[top // 2, top // 4, 0, top // 2], [5, 5, 5, 0]]], kind)
    picture = files.read(stored(samples, photometric="rgb", extrasamples=["assocalpha"]))
    assert picture.alpha is not None
    assert picture.pixels[0, 0] == pytest.approx([1, 0.5, 0], abs=3 / 255)
    assert np.allclose(picture.alpha[0], [0.5, 0], atol=1 / 255)


def test_16_bit_cmyk_is_rounded_with_a_note() -> None:
    eight, sixteen = noise(4, np.uint8), noise(4, np.uint8).astype(np.uint16) * 257
    shallow, deep = (files.read(stored(levels, photometric="separated")) for levels in (eight, sixteen))
    assert np.array_equal(shallow.pixels, deep.pixels)
    assert any("rounded to 8" in note for note in deep.notes)
    assert deep.depth == files.probe(stored(sixteen, photometric="separated")).depth == 8


def by_hand(strip: bytes, fields: dict[int, Any], height: int = 23, width: int = 17) -> bytes:
    """A little-endian TIFF of one strip; RGB unless the fields say otherwise."""
    every = {256: width, 257: height, 262: 2, 277: 3, 278: height, 279: len(strip), **fields}
    table, data = b"", b""
    start = 8 + 2 + 12 * (len(every) + 1) + 4
    for tag, value in sorted({**every, 273: 0}.items()):
        numbers = value if isinstance(value, tuple) else (value,)
        kind, packed = (
            (3, struct.pack(f"<{len(numbers)}H", *numbers)) if len(numbers) > 1 else (4, struct.pack("<I", value))
        )
        if tag == 273:
            packed = b"HERE"
        elif len(packed) > 4:
            packed, data = struct.pack("<I", start + len(data)), data + packed
        table += struct.pack("<HHI", tag, kind, len(numbers)) + packed.ljust(4, b"\0")
    table = table.replace(b"HERE", struct.pack("<I", start + len(data)))
    return b"II*\0" + struct.pack("<IH", 8, len(every) + 1) + table + bytes(4) + data + strip


@pytest.mark.parametrize(("name", "number"), [("tiff_lzw", 5), ("packbits", 32773), ("tiff_adobe_deflate", 8)])
def test_16_bit_colour_under_every_packing(name: str, number: int) -> None:
    """The strip of an 8-bit grey picture as wide as the bytes of a row, taken over as 16-bit RGB."""
    samples = noise(3)
    rows = np.frombuffer(samples.tobytes(), np.uint8).reshape(23, -1)
    target = io.BytesIO()
    Pillow.fromarray(rows).save(target, "TIFF", compression=name)
    donor = Pillow.open(target)
    (offset,), (count,) = donor.tag_v2[273], donor.tag_v2[279]  # type: ignore[attr-defined]
    strip = target.getvalue()[offset : offset + count]
    data = by_hand(strip, {258: (16,) * 3, 259: number})
    assert np.array_equal(charts.levels_of(files.read(data)), samples)


def test_rare_kinds_are_refused_rather_than_read_wrongly() -> None:
    lab = charts.gradient(8, 8, 3).astype(np.uint16)
    with pytest.raises(PictureError, match="rarer kind that cannot be read faithfully"):
        files.read(stored(lab, photometric="cielab"))


def test_lab_is_converted() -> None:
    lab = np.array([[[128, 0, 0], [255, 0, 0], [138, 81, 70]]], np.uint8)
    picture = files.read(stored(lab, photometric="cielab"))
    assert np.abs(charts.levels_of(picture)[0, :2] - [[119] * 3, [255] * 3]).max() <= 1
    assert picture.pixels[0, 2].argmax() == 0
    assert any("L*a*b*" in note for note in picture.notes)


def test_luma_and_chroma_are_converted() -> None:
    ycc = np.array([[[128, 128, 128], [76, 85, 255], [150, 44, 21]]], np.uint8)
    picture = files.read(stored(ycc, photometric="ycbcr", subsampling=(1, 1)))
    assert np.abs(charts.levels_of(picture)[0] - [[128] * 3, [255, 0, 0], [0, 255, 0]]).max() <= 2


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_grey_of_few_bits(bits: int) -> None:
    values = np.arange(16 * 4).reshape(4, 16) % 2**bits
    bytes_of_rows = np.packbits(
        np.unpackbits(values.astype(np.uint8)[..., None], axis=-1)[..., 8 - bits :].reshape(4, -1), axis=1
    )
    fields = {258: bits, 262: 1, 277: 1}
    picture = files.read(by_hand(bytes_of_rows.tobytes(), fields, 4, 16))
    assert np.allclose(picture.pixels[..., 0], values / (2**bits - 1), atol=1e-6)


@pytest.mark.parametrize("compression", ["jpeg", "tiff_lzw", None])
def test_what_pillow_reads_well(compression: str | None) -> None:
    levels = charts.gradient(64, 48, 3)
    target = io.BytesIO()
    options = {"quality": 95} if compression == "jpeg" else {}
    Pillow.fromarray(levels).save(target, "TIFF", compression=compression, **options)
    picture = files.read(target.getvalue())
    assert np.abs(charts.levels_of(picture) - levels).mean() < 2
    assert picture.lossy == (compression == "jpeg")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("compression", ["jpeg", "group4"])
def test_orientation_of_what_pillow_reads(orientation: int, compression: str) -> None:
    upright = charts.gradient(48, 64, 3) if compression == "jpeg" else charts.gradient(48, 64, 1)[..., 0] > 100
    target = io.BytesIO()
    stored_picture = Pillow.fromarray(charts.turned(upright, orientation))
    stored_picture.save(target, "TIFF", compression=compression, tiffinfo={274: orientation})
    picture = files.read(target.getvalue())
    header = files.probe(target.getvalue())
    assert (header.height, header.width) == picture.size == (48, 64)
    wanted = upright / 255 if compression == "jpeg" else upright[..., None]
    assert np.abs(picture.pixels - wanted).mean() < 0.02


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_others_read_what_is_written_here(depth: int, channels: int) -> None:
    levels = charts.gradient(700, 300, channels, depth)
    target = io.BytesIO()
    profile = charts.icc_rgb(charts.P3, None) if channels > 2 else charts.icc_grey(1.8)
    spec = files.Spec(
        "TIFF", 700, 300, channels, depth, profile, files.Metadata(charts.exif(">"), charts.XMP, (300, 300))
    )
    with files.open_writer(target, spec) as writer:
        writer.write(levels)
    with tifffile.TiffFile(io.BytesIO(target.getvalue())) as file:
        page = file.pages[0]
        assert np.array_equal(page.asarray().reshape(levels.shape), levels)
        assert page.tags[34675].value == profile
        assert page.tags["Make"].value == "Optikwerk"
        assert page.tags["ExifTag"].value["MakerNote"] == charts.MAKER_NOTE
        assert page.tags["GPSTag"].value["GPSLatitude"] == (48, 1, 51, 1, 30, 1)
        assert page.tags["XResolution"].value == (300000, 1000)
    if depth == 8:
        assert np.array_equal(np.asarray(Pillow.open(target)).reshape(levels.shape), levels)


def test_bigtiff_is_written_where_4_gib_may_not_suffice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiff, "_CLASSIC_LIMIT", 1000)
    levels = charts.gradient(70, 30, 3, 16)
    target = io.BytesIO()
    spec = files.Spec("TIFF", 70, 30, 3, 16, metadata=files.Metadata(charts.exif()))
    with files.open_writer(target, spec) as writer:
        writer.write(levels)
    with tifffile.TiffFile(io.BytesIO(target.getvalue())) as file:
        assert file.is_bigtiff
        assert np.array_equal(file.pages[0].asarray(), levels)
    back = files.read(target.getvalue())
    assert np.array_equal(charts.levels_of(back), levels)
    assert charts.MAKER_NOTE in back.metadata.exif


@pytest.mark.parametrize(
    "options", [{}, {"compression": "zlib", "predictor": True}, {"tile": (16, 16)}, {"bigtiff": True}]
)
def test_damaged_layouts_give_a_picture_or_a_picture_error(options: dict[str, Any]) -> None:
    data = stored(noise(4), photometric="rgb", extrasamples=["unassalpha"], **options)
    rng = np.random.default_rng(1)
    for _ in range(400):
        damaged = bytearray(data)
        for place in rng.integers(0, min(400, len(data)), rng.integers(1, 4)):
            damaged[place] = rng.integers(0, 256)
        with contextlib.suppress(PictureError):
            files.read(bytes(damaged), max_pixels=1_000_000)
