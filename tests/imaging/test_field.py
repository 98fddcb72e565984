"""Kinds of files that people report: the picture is the right one, whole, or refused with a sentence."""

import io
from typing import Any

import numpy as np
import odd_files
import picture_charts as charts
import pytest
from PIL import Image as Pillow

from fourfold.core.errors import PictureError
from fourfold.imaging import files

RNG = np.random.default_rng(22)
PHOTO = Pillow.fromarray(charts.gradient(160, 240, 3)).resize((480, 320))


def jpeg(**options: Any) -> bytes:
    target = io.BytesIO()
    noisy = np.asarray(PHOTO) * 0.8 + np.random.default_rng(5).integers(0, 40, (320, 480, 1))
    Pillow.fromarray(noisy.astype(np.uint8)).save(target, "JPEG", **{"quality": 90, **options})
    return target.getvalue()


# --- which page --------------------------------------------------------------------------------------------------

PICTURE = odd_files.levels(9, 14, 3)
THUMBNAIL = odd_files.tiff_page(odd_files.levels(3, 4, 3), 8, 2, _254=1)


def sensor(**more: Any) -> tuple[dict[int, Any], list[bytes]]:
    return odd_files.tiff_page(odd_files.levels(20, 30, 1, 16), 16, 32803, **more)


def nested(first: Any, inner: Any) -> bytes:
    """A TIFF whose first page points at another one that is in no chain."""
    alone = odd_files.tiff([first, inner])
    at = int.from_bytes(alone[4:8], "little")
    count = int.from_bytes(alone[at : at + 2], "little")
    link = at + 2 + 12 * count
    second = int.from_bytes(alone[link : link + 4], "little")
    pages = [({**first[0], 330: second + 12}, first[1]), inner]  # one entry more before the second page
    whole = bytearray(odd_files.tiff(pages))
    at = int.from_bytes(whole[4:8], "little")
    link = at + 2 + 12 * (count + 1)
    assert int.from_bytes(whole[link : link + 4], "little") == second + 12
    whole[link : link + 4] = bytes(4)
    return bytes(whole)


@pytest.mark.parametrize("place", ["after", "nested", "alone"])
def test_camera_raws_are_refused_as_such(place: str) -> None:
    data = {
        "after": odd_files.tiff([THUMBNAIL, sensor()]),
        "nested": nested(THUMBNAIL, sensor()),
        "alone": odd_files.tiff([sensor()]),
    }[place]
    for function in (files.probe, files.read):
        with pytest.raises(PictureError, match=r"expected a finished picture, got a camera raw.*Develop it first"):
            function(data)


@pytest.mark.parametrize(
    "start", [b"FUJIFILMCCD-RAW 0201", b"IIRO\x08\0", b"IIU\0\x08", b"II*\0\x10\0\0\0CR\2\0", b"\0\0\0\x18ftypcrx "]
)
def test_camera_raws_of_other_makers_too(start: bytes) -> None:
    with pytest.raises(PictureError, match="camera raw"):
        files.probe(start.ljust(100, b"\0"))


def test_a_thumbnail_is_never_the_picture() -> None:
    page = odd_files.tiff_page(PICTURE, 8, 2)
    for data in (odd_files.tiff([THUMBNAIL, page]), nested(THUMBNAIL, page), odd_files.tiff([page, THUMBNAIL])):
        picture = files.read(data)
        assert np.array_equal(charts.levels_of(picture), PICTURE)
        assert picture.notes == ()
        assert files.probe(data).pages == 1


def test_a_nested_page_that_pillow_reads_is_found_too() -> None:
    page = odd_files.tiff_page(PICTURE, 8, 8)  # L*a*b*
    wanted = files.read(odd_files.tiff([page])).pixels
    for data in (odd_files.tiff([THUMBNAIL, page]), nested(THUMBNAIL, page)):
        assert np.array_equal(files.read(data).pixels, wanted)


def test_each_page_can_be_asked_for() -> None:
    pages = [odd_files.levels(9, 14, 3), odd_files.levels(5, 6, 1)]
    data = odd_files.tiff([odd_files.tiff_page(page, 8, 2 if page.shape[2] == 3 else 1) for page in pages])
    for number, levels in enumerate(pages, start=1):
        assert np.array_equal(charts.levels_of(files.read(data, page=number)), levels)
        assert files.read(data, page=number).notes == ()
        assert files.probe(data, page=number).pages == 2
    assert any("more than one picture" in note for note in files.read(data).notes)
    for number in (0, 3):
        with pytest.raises(PictureError, match="expected a page from 1 to 2"):
            files.read(data, page=number)


@pytest.mark.parametrize("name", ["GIF", "WEBP", "TIFF", "HEIF"])
def test_pages_of_other_formats(name: str) -> None:
    first, second = (Pillow.fromarray(charts.gradient(24, 40, 3)[:, ::step]) for step in (1, -1))
    target = io.BytesIO()
    if name == "HEIF":
        file = pytest.importorskip("pillow_heif").from_pillow(first)
        file.add_from_pillow(second)
        file.save(target)
    else:
        options = {"compression": "jpeg"} if name == "TIFF" else {}
        first.save(target, name, save_all=True, append_images=[second], **options)
    for number, wanted in ((1, first), (2, second)):
        back = files.read(target.getvalue(), page=number)
        assert np.abs(charts.levels_of(back)[..., :3] - np.asarray(wanted)).mean() < 8
    assert files.probe(target.getvalue(), page=1).pages == 2


# --- how much of a damaged JPEG ----------------------------------------------------------------------------------

KINDS = {"baseline": {}, "restarts": {"restart_marker_rows": 4}, "coarse": {"subsampling": 2}}


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_jpeg_is_read_without_a_word(kind: str) -> None:
    for extra in (b"", bytes(5000), b"\xff\xd9" * 3):
        assert files.read(jpeg(**KINDS[kind]) + extra).notes == ()


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_end_mark_costs_no_pixel(kind: str) -> None:
    data = jpeg(**KINDS[kind])
    picture = files.read(data[:-2])
    assert np.array_equal(picture.pixels, files.read(data).pixels)
    assert picture.notes == ("The file is damaged (its end mark is missing), but none of its pixels are.",)


def harmed(data: bytes, kind: str, place: float) -> bytes:
    at = int(place * len(data))
    return {
        "cut": data[:at],
        "zeros to the end": data[:at].ljust(len(data), b"\0"),
        "a hole": data[:at] + bytes(3000) + data[at + 3000 :],
        "other data": data[:at] + RNG.bytes(3000) + data[at + 3000 :],
    }[kind]


@pytest.mark.parametrize("kind", ["cut", "zeros to the end", "a hole", "other data"])
def test_damage_is_said_with_its_extent(kind: str) -> None:
    data = jpeg()
    whole = charts.levels_of(files.read(data))
    picture = files.read(harmed(data, kind, 0.8))
    (note,) = picture.notes
    stated = int(note.split("about ")[1].split(" %")[0])
    off = (np.abs(charts.levels_of(picture) - whole).max(axis=2) > 30).any(axis=1).mean()
    assert "The file is damaged" in note
    assert abs(stated - 100 * off) < 12
    with pytest.raises(PictureError, match=r"about \d+ % of its pixels are missing or wrong.*--damaged accept"):
        files.read(harmed(data, kind, 0.3))
    assert "The file is damaged" in files.read(harmed(data, kind, 0.3), damaged=True).notes[0]


def test_damage_ends_where_a_restart_marker_stands() -> None:
    data = jpeg(restart_marker_rows=1)
    picture = files.read(harmed(data, "a hole", 0.1))
    assert int(picture.notes[0].split("about ")[1].split(" %")[0]) < 20


def test_layers_of_detail_that_are_missing_are_said() -> None:
    data = jpeg(progressive=True)
    assert files.read(data).notes == ()
    assert "layers of detail" in files.read(data[: len(data) * 9 // 10]).notes[0]


# --- transparency ------------------------------------------------------------------------------------------------


def test_a_bmp_whose_pixels_are_all_clear_is_opaque() -> None:
    samples = odd_files.levels(7, 5, 4)
    samples[..., 3] = 0
    picture = files.read(odd_files.bmp(samples, 32, head=124, masks=(0xFF0000, 0xFF00, 0xFF, 0xFF000000)))
    assert picture.alpha is not None
    assert (picture.alpha == 1).all()
    assert np.array_equal(charts.levels_of(picture)[..., :3], samples[..., :3])
    assert any("taken as opaque" in note for note in picture.notes)


@pytest.mark.parametrize("bits", [8, 16])
def test_cmyk_keeps_its_transparency(bits: int) -> None:
    alpha = odd_files.levels(9, 14, 2, bits)[..., 1:]
    data = odd_files.tiff([odd_files.tiff_page(np.dstack([odd_files.levels(9, 14, 4, bits), alpha]), bits, 5, _338=2)])
    picture = files.read(data)
    assert picture.alpha is not None
    assert np.abs(picture.alpha - alpha[..., 0] / (2**bits - 1)).max() < 0.5 / 255
    assert not any("left out" in note for note in picture.notes)
    assert files.probe(data).channels == 4


# --- unsupported is not damaged ----------------------------------------------------------------------------------


def test_jpegs_that_are_not_read_are_not_called_damaged() -> None:
    data = jpeg()
    at = data.index(b"\xff\xc0")
    deep = data[: at + 4] + b"\x0c" + data[at + 5 :]
    for odd, kind in ((deep, "12-bit"), (data[: at + 1] + b"\xc3" + data[at + 2 :], "lossless"),
                      (data[: at + 1] + b"\xf7" + data[at + 2 :], "JPEG-LS")):  # fmt: skip
        with pytest.raises(PictureError, match=f"got one that is {kind}, which is not read here. Convert it"):
            files.probe(odd)


@pytest.mark.parametrize(
    ("number", "name"),
    [(34712, "JPEG 2000"), (33003, "JPEG 2000"), (34887, "LERC"), (50002, "JPEG XL"), (1234, "1234")],
)
def test_tiffs_packed_otherwise_are_not_called_damaged(number: int, name: str) -> None:
    fields, segments = odd_files.tiff_page(PICTURE, 8, 2)
    with pytest.raises(PictureError, match=rf"{name}, which is not read here\. Convert it"):
        files.probe(odd_files.tiff([({**fields, 259: number}, segments)]))


@pytest.mark.parametrize(
    ("start", "words"),
    [(b"8BPS", "Photoshop"), (b"\xff\x0a", "JPEG XL"), (b"\0\0\0\x1cftypisom", "a video"), (b"<svg xmlns=", "drawing"),
     (b"\0\x05\x16\x07", "macOS"), (bytes(64), "zero bytes only"), (b"P6\n4 4 255\n", "PNM")],
)  # fmt: skip
def test_other_files_are_named(start: bytes, words: str) -> None:
    with pytest.raises(PictureError, match=f"{words}.*(Export|Copy)"):
        files.probe(start.ljust(100, b"\0" if start != b"<svg xmlns=" else b" "))


def test_python_itself_never_speaks() -> None:
    """What decoders raise is not shown: it is not about the file, but about a program."""
    fields, segments = odd_files.tiff_page(PICTURE, 8, 2, strip=2)
    samples = {**fields, 277: 7, 258: (8,) * 7}
    for odd in (odd_files.tiff([(samples, segments)]), odd_files.tiff([(fields, segments[:1])]), jpeg()[:300]):
        with pytest.raises(PictureError) as caught:
            files.read(odd)
        assert not any(word in str(caught.value) for word in ("argument", "zip()", "NoneType", "index", "object"))
        assert "expected a whole" in str(caught.value)


def test_rare_bmps_are_not_called_damaged() -> None:
    plain = odd_files.bmp(odd_files.levels(7, 5, 4), 32, masks=(0xFF, 0xFF00, 0xFF0000, 0))
    for odd in (plain[:30] + b"\4" + plain[31:], plain[:54] + b"\x0f" + plain[55:]):  # a JPEG inside; odd masks
        with pytest.raises(PictureError, match=r"got a rare one, which is not read here\. Convert it"):
            files.probe(odd)
