import contextlib
import io
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import picture_charts as charts
import pytest
from PIL import Image as Pillow

from fourfold.core.errors import FourfoldError, MissingExtra, PictureError, UsageError
from fourfold.imaging import files
from fourfold.imaging.codecs import decode

READABLE = sorted(files.FORMATS)


# --- names and headers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [("photo.JPG", "JPEG"), ("jpeg", "JPEG"), (".tif", "TIFF"), (Path("a/b.c/d.webp"), "WEBP"), ("HEIF", "HEIF")],
)
def test_formats_are_found_by_any_of_their_names(name: Path | str, expected: str) -> None:
    assert files.format_of(name).name == expected


@pytest.mark.parametrize(("name", "hint"), [("photo.jpgg", "jpg"), ("photo.pn", "png"), ("photo", "")])
def test_unknown_formats_are_refused_with_a_near_miss(name: str, hint: str) -> None:
    with pytest.raises(UsageError, match=f"Did you mean {hint}" if hint else "expected a picture format"):
        files.format_of(name)


def test_there_is_a_decoder_for_every_format() -> None:
    assert {*decode._PLUGINS, "PNG", "HEIF"} == set(files.FORMATS)


@pytest.mark.parametrize("name", READABLE)
def test_probe_says_what_read_gives(name: str) -> None:
    header, picture = files.probe(charts.file_of(name)), files.read(charts.file_of(name))
    assert (header.format, header.height, header.width) == (name, 24, 40) == (picture.format, *picture.size)
    assert header.channels == picture.pixels.shape[2] + (picture.alpha is not None)
    assert (header.alpha, header.depth, header.lossy) == (picture.alpha is not None, picture.depth, picture.lossy)
    assert picture.lossy == (name in ("JPEG", "WEBP", "AVIF", "HEIF"))
    assert not files.probe(charts.file_of("WEBP", lossless=True)).lossy


def test_files_are_recognised_by_content_not_by_name(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(charts.file_of("PNG"))
    assert files.probe(path).format == files.read(path).format == "PNG"


# --- what is no picture ------------------------------------------------------------------------------------------


def test_each_way_of_being_no_picture_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("Dear reader, this is not a photo.")
    (tmp_path / "empty.png").touch()
    (tmp_path / "photo.pdf").write_bytes(b"%PDF-1.7\n\x00\x01\x02")
    (tmp_path / "odd.png").write_bytes(b"\x25\x50\x44\x47\0")
    (tmp_path / "holiday.jpg").write_bytes(charts.file_of("JPEG"))
    for name, words in {
        "text.jpg": "holds text",
        "empty.png": "is empty",
        "photo.pdf": "a PDF document",
        "odd.png": "25 50 44 47",
        "holidays.jpg": "Did you mean holiday.jpg",
        "gone/holiday.jpg": "no such file",
        ".": "got a folder",
    }.items():
        for function in (files.probe, files.read):
            with pytest.raises(PictureError, match=words) as caught:
                function(tmp_path / name)
            assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("name", READABLE)
def test_cut_files_are_never_half_pictures(name: str) -> None:
    data = charts.file_of(name)
    whole = charts.levels_of(files.read(data))
    for end in sorted(
        {*range(0, 64, 3), *range(0, len(data), max(1, len(data) // 60)), *range(len(data) - 20, len(data))}
    ):
        try:
            picture = files.read(data[:end])
        except PictureError:
            continue
        if name == "JPEG":
            assert any("The file is damaged" in note for note in picture.notes)
        if name == "JPEG" and not any("none of its pixels" in note for note in picture.notes):
            continue
        assert end > len(data) - 20, "nothing but the end mark may be missing"
        assert np.array_equal(charts.levels_of(picture), whole)


@pytest.mark.parametrize("name", READABLE)
def test_damaged_files_give_a_picture_or_a_picture_error(name: str) -> None:
    rng = np.random.default_rng(sum(name.encode()))
    variants = [charts.file_of(name)] + (
        [charts.file_of("PNG", charts.gradient(24, 40, 1)[..., 0])] if name == "PNG" else []
    )
    for data in variants:
        for _ in range(150):
            damaged = bytearray(data)
            head = min(len(data), 400)
            for place in rng.integers(0, head if rng.random() < 0.7 else len(data), rng.integers(1, 6)):
                damaged[place] = rng.integers(0, 256)
            for function in (files.probe, files.read):
                with contextlib.suppress(PictureError):
                    function(bytes(damaged), max_pixels=1_000_000)


def test_heic_with_unreadable_texts_is_refused_before_its_reader_crashes() -> None:
    data = charts.file_of("HEIF", xmp=charts.XMP)
    broken = data.replace(b"application/rdf+xml", b"\x80pplication/rdf+xml")
    assert broken != data
    with pytest.raises(PictureError, match="damaged"):
        files.read(broken)


def test_a_png_with_a_flipped_bit_is_refused() -> None:
    data = bytearray(charts.png_file(charts.gradient(24, 40, 3), 8, 2))
    data[data.index(b"IDAT") + 40] ^= 1
    with pytest.raises(PictureError, match="checksum"):
        files.read(bytes(data))


def bombs() -> dict[str, bytes]:
    png = charts.png_file(charts.gradient(1, 1, 3), 8, 2)
    side = (60000).to_bytes(4, "big")
    head = png[16:24], side + side
    broken = png.replace(*head)
    fixed = broken[:29] + charts.png_chunk(b"IHDR", broken[16:29])[-4:] + broken[33:]
    gif, bmp, jpeg = (bytearray(charts.file_of(name)) for name in ("GIF", "BMP", "JPEG"))
    gif[6:10] = b"\x60\xea\x60\xea"
    bmp[18:26] = (60000).to_bytes(4, "little") * 2
    place = bytes(jpeg).index(b"\xff\xc0") + 5
    jpeg[place : place + 4] = b"\xea\x60\xea\x60"
    plain, huge = (io.BytesIO(), (60000).to_bytes(2, "little"))
    files.write(charts.image_of(), plain, "TIFF")
    tiff = plain.getvalue()
    for tag, side in ((b"\0\x01", 40), (b"\x01\x01", 24)):
        entry = tag + b"\x04\0\x01\0\0\0"
        assert entry + bytes([side]) in tiff
        tiff = tiff.replace(entry + bytes([side, 0]), entry + huge)
    return {"PNG": fixed, "GIF": bytes(gif), "BMP": bytes(bmp), "JPEG": bytes(jpeg), "TIFF": tiff}


@pytest.mark.parametrize(("name", "data"), bombs().items(), ids=bombs())
def test_bombs_are_refused_by_their_header(name: str, data: bytes) -> None:
    for function in (files.probe, files.read):
        with pytest.raises(PictureError, match="at most 300 megapixels, got 60000×60000"):
            function(data)


@pytest.mark.parametrize("name", READABLE)
def test_the_limit_is_the_callers(name: str) -> None:
    with pytest.raises(PictureError, match="max_pixels"):
        files.read(charts.file_of(name), max_pixels=24 * 40 - 1)
    assert files.read(charts.file_of(name), max_pixels=24 * 40).size == (24, 40)


def test_the_hosts_pixel_limit_and_filters_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pillow, "MAX_IMAGE_PIXELS", 100)
    data = [charts.file_of(name) for name in READABLE if name not in ("WEBP", "GIF")] * 8
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        sizes = {picture.size for picture in pool.map(files.read, data)}
    assert sizes == {(24, 40)}
    assert Pillow.MAX_IMAGE_PIXELS == 100
    assert list(warnings.filters) == before


def test_heic_without_its_reader_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    data = charts.file_of("HEIF")
    monkeypatch.setitem(__import__("sys").modules, "pi_heif", None)
    with pytest.raises(MissingExtra, match=r"fourfold\[heif\]"):
        files.probe(data)


# --- kinds of pixels ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("colour", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
@pytest.mark.parametrize("bits", [8, 16])
def test_png_samples_are_exact(colour: int, channels: int, bits: int, interlaced: bool) -> None:
    levels = np.random.default_rng(colour).integers(0, 2**bits, (13, 11, channels)).astype(np.uint16)
    data = charts.png_file(levels, bits, colour, interlaced=interlaced)
    assert np.array_equal(charts.levels_of(files.read(data)), levels)
    assert files.probe(data) == files.Header("PNG", 13, 11, channels, channels in (2, 4), bits, False)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_png_grey_of_any_depth_with_a_transparent_value(bits: int) -> None:
    levels = (np.arange(24).reshape(4, 6, 1) % 2**bits).astype(np.uint16)
    data = charts.png_file(levels, bits, 0, [(b"tRNS", b"\0\x01")])
    picture = files.read(data)
    assert np.allclose(picture.pixels, levels / (2**bits - 1), atol=1e-6)
    assert picture.alpha is not None
    assert np.array_equal(picture.alpha == 0, levels[..., 0] == 1)
    assert files.probe(data).channels == 2


@pytest.mark.parametrize("bits", [8, 16])
def test_png_rgb_with_a_transparent_colour(bits: int) -> None:
    levels = charts.gradient(6, 7, 3, bits)
    key = levels[2, 3].astype(">u2").tobytes()
    picture = files.read(charts.png_file(levels, bits, 2, [(b"tRNS", key)]))
    assert picture.alpha is not None
    assert np.array_equal(picture.alpha == 0, (levels == levels[2, 3]).all(-1))


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("transparent", [False, True])
def test_png_palettes(bits: int, transparent: bool) -> None:
    palette = np.random.default_rng(bits).integers(0, 256, (2**bits, 3), dtype=np.uint8)
    alpha = np.linspace(0, 255, 2**bits).astype(np.uint8)
    index = np.arange(20).reshape(4, 5, 1) % 2**bits
    extra = [(b"PLTE", palette.tobytes())] + ([(b"tRNS", alpha[:-1].tobytes())] if transparent else [])
    picture = files.read(charts.png_file(index, bits, 3, extra))
    expected = palette[index[..., 0]]
    if transparent:
        expected = np.concatenate([expected, alpha[index]], -1)
    assert np.array_equal(charts.levels_of(picture), expected)


def test_palette_and_bilevel_of_other_formats() -> None:
    bilevel = Pillow.fromarray((charts.gradient(9, 14, 1)[..., 0] > 100).astype(np.uint8) * 255).convert("1")
    palette = Pillow.fromarray(charts.gradient(9, 14, 3)).quantize(16)
    for picture, names in ((bilevel, ("BMP", "TIFF", "PNG", "GIF")), (palette, ("BMP", "TIFF", "PNG", "GIF"))):
        for name in names:
            target = io.BytesIO()
            picture.save(target, name)
            back = files.read(target.getvalue())
            assert np.array_equal(charts.levels_of(back)[..., 0], np.asarray(picture.convert("RGB"))[..., 0]), name


def test_gif_transparency() -> None:
    picture = Pillow.fromarray(charts.gradient(9, 14, 3)).quantize(16)
    target = io.BytesIO()
    picture.save(target, "GIF", transparency=3)
    back = files.read(target.getvalue())
    assert files.probe(target.getvalue()).channels == 4
    assert back.alpha is not None
    assert 0 < (back.alpha == 0).sum() < back.alpha.size


@pytest.mark.parametrize("name", ["GIF", "PNG", "WEBP", "AVIF", "TIFF", "MPO", "HEIF"])
def test_the_first_of_several_pictures_is_taken(name: str) -> None:
    first, second = (Pillow.fromarray(charts.gradient(24, 40, 3)[:, ::step]) for step in (1, -1))
    target = io.BytesIO()
    if name == "HEIF":
        file = pytest.importorskip("pillow_heif").from_pillow(first)
        file.add_from_pillow(second)
        file.save(target)
    else:
        first.save(target, name, save_all=True, append_images=[second])
    back = files.read(target.getvalue())
    assert any("more than one picture" in note for note in back.notes)
    assert np.abs(charts.levels_of(back)[..., :3] - charts.gradient(24, 40, 3)).mean() < 6


@pytest.mark.parametrize(("bits", "factor"), [(10, 64), (12, 16)])
def test_deep_heic_keeps_its_bits_and_its_white(bits: int, factor: int) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    levels = np.repeat(np.repeat(np.linspace(0, 65535, 24).astype(np.uint16).reshape(4, 6, 1), 16, 0), 16, 1).repeat(
        3, 2
    )
    levels = np.ascontiguousarray(levels)
    if bits == 12:
        pillow_heif.options.SAVE_HDR_TO_12_BIT = True
    target = io.BytesIO()
    try:
        pillow_heif.from_bytes("RGB;16", (96, 64), levels.tobytes()).save(target, quality=100, chroma=444)
    finally:
        pillow_heif.options.SAVE_HDR_TO_12_BIT = False
    picture = files.read(target.getvalue())
    assert picture.depth == files.probe(target.getvalue()).depth == 16
    assert np.abs(picture.pixels - levels / 65535).max() < 4 / 1023
    assert picture.pixels.max() > 0.999
    assert len(np.unique(charts.levels_of(picture) % 257)) > 1  # more than 8 bits


def test_no_file_stays_open(tmp_path: Path) -> None:
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("counts open files through /proc")
    before = len(list(Path("/proc/self/fd").iterdir()))
    kept = []
    for name in READABLE:
        for data in (charts.file_of(name), charts.file_of(name)[:-30]):
            path = tmp_path / name
            path.write_bytes(data)
            for function in (files.probe, files.read):
                try:
                    kept.append(function(path))
                except FourfoldError as error:
                    kept.append(error)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert threading.active_count() < 100


def test_sources_are_never_touched(tmp_path: Path) -> None:
    for name in READABLE:
        path = tmp_path / name
        data = charts.file_of(name)
        path.write_bytes(data)
        path.chmod(0o400)
        files.probe(path)
        picture = files.read(path)
        pixels = picture.pixels.copy()
        files.write(picture, tmp_path / "out.png")
        assert path.read_bytes() == data
        assert np.array_equal(picture.pixels, pixels)
