"""Nothing that stands beside a picture is lost without a word: it is carried, translated by name, or named."""

import io
import struct
from pathlib import Path
from typing import Any

import metadata_charts as made
import numpy as np
import picture_charts as charts
import pytest

from fourfold.core.image import Image, Metadata, Text
from fourfold.imaging import files, metadata
from fourfold.imaging.codecs import bmff, extras, ifd, png
from fourfold.imaging.formats import FORMATS
from fourfold.imaging.metadata import iptc, xmp

WRITABLE = [row.name for row in FORMATS.values() if row.writable]
CAPTION = (
    (2, 5, "Harvest"), (2, 25, "village"), (2, 25, "harvest"), (2, 80, "A. Nonymous"), (2, 116, "© nobody"),
    (2, 120, "Zwei im Feld, 1931"), (2, 55, "19310812"), (2, 60, "101530+0100"), (2, 118, "the archive"),
)  # fmt: skip


def written(data: bytes, name: str) -> tuple[bytes, tuple[str, ...]]:
    """A file's picture in another format with all its metadata, and every note about it."""
    picture = files.read(data)
    target = io.BytesIO()
    notes = files.write(picture, target, name)
    return target.getvalue(), (*picture.notes, *notes)


def seen(data: bytes, name: str, folder: Path) -> dict[str, Any]:
    """What exiftool finds in a file's picture written in a format."""
    result, notes = written(data, name)
    assert notes == ()
    (folder / f"a{FORMATS[name].suffixes[0]}").write_bytes(result)
    (tags,) = made.exiftool(folder).values()
    return tags


@pytest.mark.parametrize("name", WRITABLE)
def test_captions_of_press_photos_are_carried_or_translated(name: str, tmp_path: Path) -> None:
    data = made.jpeg([made.photoshop_segment((0x0404, made.iptc(*CAPTION))), (0xFE, b"album 3, page 12")])
    tags = seen(data, name, tmp_path)
    text = made.strings(tags)
    for _, _, value in CAPTION[:6]:
        assert value in text
    if name in ("JPEG", "TIFF", "PNG"):
        assert tags["IPTC:ObjectName"] == "Harvest"
        assert tags["IPTC:Keywords"] == ["village", "harvest"]
    if name in ("PNG", "WEBP", "AVIF"):
        assert tags["XMP-dc:Title"] == "Harvest"
        assert tags["XMP-dc:Subject"] == ["village", "harvest"]
        assert tags["XMP-dc:Creator"] == ["A. Nonymous"]
        assert tags["XMP-dc:Rights"] == "© nobody"
        assert tags["XMP-photoshop:DateCreated"].startswith("1931:08:12 10:15:30+01:00")
    assert tags.get("File:Comment", "album 3, page 12") == "album 3, page 12"
    for value in ("album 3, page 12", "the archive"):
        assert value in text


TEXTS = [
    (b"tEXt", "Title", "Tree", ""), (b"iTXt", "Title", "Baum, grün", "de"), (b"zTXt", "Author", "Nobody", ""),
    (b"iTXt", "Copyright", "© nobody", ""), (b"tEXt", "parameters", "a tree\nSteps: 20 <lora:x>", ""),
    (b"iTXt", "prompt", '{"1": {"class_type": "KSampler"}}', ""), (b"tEXt", "Comment", "one", ""),
    (b"tEXt", "Comment", "two", ""), (b"iTXt", "Description", "  kept as it is ", ""),
]  # fmt: skip


@pytest.mark.parametrize("name", WRITABLE)
def test_text_chunks_are_carried_or_translated_and_come_back(name: str, tmp_path: Path) -> None:
    data = made.png([made.text_chunk(*one) for one in TEXTS])
    tags = seen(data, name, tmp_path)
    text = made.strings(tags)
    for _, _, value, _ in TEXTS:
        assert value.strip().split("\n")[0].replace('"', '\\"') in text
    if name != "PNG":
        assert (tags["XMP-dc:Title"], tags["XMP-dc:Title-de"]) == ("Tree", "Baum, grün")
        assert tags["XMP-dc:Creator"] == ["Nobody"]
    again = files.read(written(written(data, name)[0], "PNG")[0]).metadata.texts
    assert {(one.keyword, one.text, one.language) for one in again} == {(one[1], one[2], one[3]) for one in TEXTS}


def test_text_chunks_come_through_a_png_as_they_are() -> None:
    back = png.read_start(io.BytesIO(written(made.png([made.text_chunk(*one) for one in TEXTS]), "PNG")[0]))
    assert [(one.keyword, one.text, one.language) for one in back.texts] == [one[1:] for one in TEXTS]


@pytest.mark.parametrize("raw", ["Grün".encode("latin-1"), "Grün".encode()])
def test_texts_in_either_encoding_are_read(raw: bytes) -> None:
    assert files.read(made.png([(b"tEXt", b"Title\0" + raw)])).metadata.texts == (Text("Title", "Grün"),)
    assert files.read(made.jpeg([(0xFE, raw)])).metadata.texts == (Text("Comment", "Grün"),)


@pytest.mark.parametrize(
    "chunk", [(b"zTXt", b"Title\0\0rubbish"), (b"iTXt", b"Title"), (b"tEXt", b""), (b"iTXt", b"a\0\1")]
)
def test_damaged_text_chunks_fail_nothing(chunk: tuple[bytes, bytes]) -> None:
    result, notes = written(made.png([chunk]), "PNG")
    assert files.read(result).size == (16, 24)
    assert bool(notes) == (chunk[0] == b"zTXt")


def test_texts_that_are_packed_to_fill_the_memory_are_named() -> None:
    bombs = [made.text_chunk(b"zTXt", f"bomb {number}", "x" * 9_000_000) for number in range(3)]
    picture = files.read(made.png([*bombs, made.text_chunk(b"tEXt", "Title", "kept")]))
    assert [text.keyword for text in picture.metadata.texts] == ["bomb 0", "Title"]
    assert any("bomb 1, bomb 2" in note for note in picture.notes)


def test_other_raw_profiles_of_imagemagick_are_named() -> None:
    assert any("generic" in note for note in files.read(made.png([(b"tEXt", b"Raw profile type generic\0\n")])).notes)


def test_what_xmp_says_otherwise_is_kept_beside_it() -> None:
    packet = made.packet(made.alt("dc:title", "Of XMP"))
    carried = Metadata(xmp=packet, iptc=made.iptc((2, 5, "Of IPTC"), (2, 80, "A")), texts=(Text("Title", "Of PNG"),))
    target = io.BytesIO()
    assert files.write(Image(np.zeros((4, 4, 3), np.float32), metadata=carried), target, "WEBP") == ()
    back = files.read(target.getvalue()).metadata
    document = xmp.parsed(back.xmp)
    assert xmp.values_of(document, xmp.DUBLIN, "title") == (("", "Of XMP"),)
    assert xmp.values_of(document, xmp.DUBLIN, "creator") == (("", "A"),)
    assert {(one.keyword, one.text) for one in back.texts} == {("Title", "Of PNG"), ("IPTC 2:05", "Of IPTC")}


def test_binary_iptc_fields_are_named() -> None:
    data = made.jpeg(
        [made.photoshop_segment((0x0404, made.iptc((2, 5, "a")) + b"\x1c\2\xca\0\4\1\2\3\4\x1c\7\x0a\0\1x"))]
    )
    assert written(data, "JPEG")[1] == ()
    (note,) = written(data, "WEBP")[1]
    assert "2:202, 7:10" in note
    assert iptc.datasets(files.read(written(data, "TIFF")[0]).metadata.iptc)[-1] == iptc.DataSet(7, 10, b"x")


def test_long_iptc_values_survive() -> None:
    found = [iptc.DataSet(2, 120, b"x" * 70000, "x" * 70000), iptc.DataSet(2, 5, b"", "")]
    assert iptc.datasets(iptc.encode(found)) == found
    data = made.jpeg([made.photoshop_segment((0x0404, b"\x1c\2\x78\x10\0"), (0x0404, b""))])
    assert written(data, "TIFF")[1] == ()
    target = io.BytesIO()
    files.write(Image(np.zeros((4, 4, 3), np.float32), metadata=Metadata(iptc=iptc.encode(found))), target, "JPEG")
    assert iptc.datasets(files.read(target.getvalue()).metadata.iptc) == found


@pytest.mark.parametrize("size", [100, 70_000, 300_000])
def test_xmp_of_any_length_comes_through_a_jpeg(size: int, tmp_path: Path) -> None:
    packet = made.packet(made.alt("dc:title", "Title"), f"<made:long>{'x' * size}</made:long>", ' xmp:Rating="5"')
    target = tmp_path / "a.jpg"
    assert files.write(Image(np.zeros((4, 4, 3), np.float32), metadata=Metadata(xmp=packet)), target) == ()
    (tags,) = made.exiftool(tmp_path).values()
    assert "x" * size in made.strings(tags) or f"{size} bytes" in tags["XMP-made:Long"]
    assert tags["XMP-dc:Title"] == "Title"
    back = xmp.parsed(files.read(target).metadata.xmp)
    assert xmp.values_of(back, "http://example.com/made-up/", "long") == (("", "x" * size),)
    assert xmp.values_of(back, xmp.BASIC, "Rating") == (("", "5"),)


def test_extended_xmp_that_is_damaged_is_named() -> None:
    main = made.xmp_segment(made.packet(made.alt("dc:title", "kept")))
    picture = files.read(made.jpeg([main, *made.extended_segments(b"<x:xmpmeta", b"0" * 32)]))
    assert b"kept" in picture.metadata.xmp
    assert any("extended XMP" in note for note in picture.notes)


def test_xmp_in_utf_16_is_read() -> None:
    packet = made.packet(made.alt("dc:title", "Grün")).decode().encode("utf-16")
    assert "Grün" in xmp.text_of(xmp.parsed(files.read(made.jpeg([made.xmp_segment(packet)])).metadata.xmp))
    assert metadata.for_output(Metadata(xmp=packet), "keep", (4, 4)).xmp == packet


def test_xmp_of_many_tags_is_refused_before_it_fills_the_memory() -> None:
    with pytest.raises(ValueError, match="small"):
        xmp.parsed(b"<a>" + b"<b/>" * 200_000 + b"</a>")


# --- named, because it cannot be carried -------------------------------------------------------------------------

MOVIE = b"\0\0\0\x18ftypmp42\0\0\0\0isommp42" + bytes(2000)
SAMSUNG = b"\0\0\x30\x0a\x10\0\0\0MotionPhoto_Data" + MOVIE + b"SEFH" + bytes(20) + b"SEFT"
GAINED = made.xmp_segment(made.packet(' hdrgm:Version="1.0"'))
SMALL = charts.file_of("JPEG", charts.gradient(8, 8, 3))


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (made.jpeg([made.xmp_segment(made.packet(' GCamera:MotionPhoto="1"'))], MOVIE), "motion photo (2.0 kB)"),
        (made.jpeg((), SAMSUNG), "video"),
        (made.jpeg([GAINED], SMALL), "gain map"),
        (made.jpeg([(0xE2, b"urn:iso:std:iso:ts:21496:-1\0" + bytes(4))], SMALL), "gain map"),
        (made.jpeg([GAINED], SMALL + MOVIE), "gain map"),
        (made.jpeg([GAINED], SMALL + MOVIE), "video"),
        (made.jpeg((), b"Image_UTC_Data1234567890SEFH....SEFT"), "Data after the end"),
        (made.jpeg([(0xEB, b"JP\0\1\0\0\0\1jumbc2pa")]), "Content credentials"),
        (made.jpeg([(0xE1, b"FLIR\0\1\0\0")]), "Thermal"),
        (made.jpeg([made.photoshop_segment((2001, bytes(26)))]), "Clipping paths"),
        (made.jpeg([(0xE4, b"SCALADO\0")]), "APP4 SCALADO"),
        (made.jpeg([made.exif_segment(charts.exif())] * 2), "second EXIF"),
        (made.avif() + made.box(b"mpvd", MOVIE), "video"),
        (made.avif() + made.box(b"uuid", bytes.fromhex("d8fec3d61b0e483c92975828877ec481")), "Content credentials"),
        (made.png([(b"caBX", b"x")]), "Content credentials"),
        (made.png([(b"npTc", b"x")]), "npTc"),
        (made.webp([(b"FOTO", b"x")]), "FOTO"),
        (made.tiff({37724: ifd.block(b"Adobe Photoshop")}), "layers"),
        (made.tiff({33550: ifd.rational(1.0)}), "ModelPixelScale"),
    ],
)  # fmt: skip
def test_what_cannot_be_carried_is_named(data: bytes, word: str) -> None:
    notes = files.read(data).notes
    assert any(word in note for note in notes), notes


@pytest.mark.parametrize(
    "data",
    [
        charts.file_of("JPEG"), made.jpeg((), bytes(512)), made.jpeg((), b"\r\n"),
        made.jpeg([made.xmp_segment(made.packet(made.alt("dc:title", "declares hdrgm, and has none")))]),
        made.jpeg([made.photoshop_segment((0x03ED, bytes(16)), (0x0425, bytes(16)))]),
        charts.file_of("PNG"), charts.file_of("WEBP"), charts.file_of("TIFF"), made.avif(),
        charts.file_of("GIF"), charts.file_of("BMP"), charts.file_of("HEIF"),
    ],
)  # fmt: skip
def test_plain_files_give_no_notes(data: bytes) -> None:
    assert files.read(data).notes == ()


def _apple(*tags: int) -> bytes:
    rows = b"".join(struct.pack(">HHII", tag, 2, 4, 0x41424300) for tag in tags)
    return b"Apple iOS\0\0\1MM" + struct.pack(">H", len(tags)) + rows + bytes(4)


def test_the_still_of_a_live_photo_is_known_by_its_makers_note() -> None:
    for tags, live in (((1, 0x11), True), ((1, 0x14), False), ((), False)):
        block = made.block({}, {0x927C: ifd.block(_apple(*tags))})
        assert any("Live Photo" in note for note in files.read(made.jpeg([made.exif_segment(block)])).notes) == live
        heif = charts.file_of("HEIF", exif=b"Exif\0\0" + block)
        assert any("Live Photo" in note for note in files.read(heif).notes) == live


def test_gain_maps_depth_and_masks_of_heif_are_known() -> None:
    def entry(kind: bytes) -> bytes:
        return made.box(b"infe", b"\2\0\0\0\0\1\0\0" + kind + b"\0")

    meta = made.box(b"meta", bytes(4) + made.box(b"iinf", bytes(4) + b"\0\2" + entry(b"hvc1") + entry(b"tmap")))
    assert extras.of_boxes(io.BytesIO(meta), []) == [extras.GAIN_MAP]
    for urn, word in (("photo:2020:aux:hdrgainmap", "gain map"), ("photo:2019:aux:semanticskinmatte", "Masks"),
                      ("depth", "depth map")):  # fmt: skip
        properties = [(b"auxC", bytes(4) + b"urn:com:apple:" + urn.encode() + b"\0")]
        notes = extras.of_boxes(io.BytesIO(made.box(b"meta", bytes(4))), properties)
        assert any(word.lower() in note.lower() for note in notes), urn
    assert bmff.items(io.BytesIO(meta)) == [(b"hvc1", b""), (b"tmap", b"")]


# --- orientation and profiles, whatever else is broken -----------------------------------------------------------


def _upright(segments: list[made.Segment]) -> files.Image:
    return files.read(made.jpeg(segments, size=(16, 24)))


@pytest.mark.parametrize("pointer", [0x8769, 0x8825, 0xA005])
@pytest.mark.parametrize("value", [0, 8, 1 << 30, 0x7FFFFFFF, 6])
def test_a_broken_nested_directory_voids_nothing_else(pointer: int, value: int) -> None:
    block = made.block({0x010F: made.ascii_entry("Cam"), 0x0112: ifd.short(6), pointer: ifd.long(value)})
    picture = _upright([made.exif_segment(block)])
    assert picture.size == (24, 16)
    assert files.probe(made.jpeg([made.exif_segment(block)], size=(16, 24))).height == 24
    back = files.read(_jpeg_of(picture))
    assert back.size == (24, 16)
    exif = charts.parsed_exif(back.metadata.exif)
    assert (exif[0x010F], exif[0x0112]) == ("Cam", 1)
    assert pointer not in exif
    assert any("EXIF" in note for note in picture.notes)


def _jpeg_of(picture: Image) -> bytes:
    target = io.BytesIO()
    files.write(picture, target, "JPEG")
    return target.getvalue()


def test_the_sound_part_of_a_block_that_is_cut_off_stays() -> None:
    whole = made.block({0x010F: made.ascii_entry("A"), 0x0110: made.ascii_entry("B"), 0x0112: ifd.short(6)})
    cut = whole[:10] + whole[10 : 10 + 3 * 12]  # the table claims to go on
    picture = _upright([made.exif_segment(cut.replace(b"\3\0", b"\x30\0", 1))])
    assert picture.size == (24, 16)
    assert charts.parsed_exif(picture.metadata.exif)[0x0110] == "B"
    assert any("EXIF" in note for note in picture.notes)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", [' tiff:Orientation="{}"', "<tiff:Orientation>{}</tiff:Orientation>"])
@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_an_orientation_in_xmp_only_is_applied(name: str, form: str, orientation: int) -> None:
    packet = made.packet(form.format(orientation))
    levels = charts.turned(charts.gradient(16, 24, 3), orientation)
    if name == "PNG":
        data = charts.png_file(levels, 8, 2, [made.text_chunk(b"iTXt", "XML:com.adobe.xmp", packet.decode())])
    elif name == "TIFF":
        data = made.tiff({700: ifd.block(packet)}, levels=levels)
    else:
        data = charts.file_of(name, levels, xmp=packet, quality=95)
    picture = files.read(data)
    assert picture.size == (16, 24)
    assert files.probe(data).height == 16
    assert np.abs(picture.pixels * 255 - charts.gradient(16, 24, 3)).mean() < 6
    kept = metadata.for_output(picture.metadata, "keep", (16, 24)).xmp
    assert metadata.orientation(b"", kept) == 1


def test_exif_has_the_last_word_about_orientation() -> None:
    packet = made.packet(' tiff:Orientation="6"')
    assert metadata.orientation(made.block({0x0112: ifd.short(1)}), packet) == 1
    assert metadata.orientation(made.block({0x0112: ifd.short(0)}), packet) == 6
    assert metadata.orientation(made.block({0x010F: made.ascii_entry("x")}), packet) == 6
    assert metadata.orientation(b"", made.packet(' tiff:Orientation="9"')) == 1


PROFILE = charts.icc_rgb(charts.P3, None)


def _icc(*parts: tuple[int, int, bytes]) -> bytes:
    return made.jpeg([(0xE2, b"ICC_PROFILE\0" + bytes([number, count]) + data) for number, count, data in parts])


HALF = len(PROFILE) // 2


@pytest.mark.parametrize(
    "parts",
    [
        [(1, 1, PROFILE)], [(1, 1, PROFILE), (1, 1, PROFILE)], [(1, 2, PROFILE[:HALF]), (2, 2, PROFILE[HALF:])],
        [(2, 2, PROFILE[HALF:]), (1, 2, PROFILE[:HALF])], [(0, 1, PROFILE[:HALF]), (1, 1, PROFILE[HALF:])],
        [(1, 1, PROFILE[:HALF]), (1, 1, PROFILE[HALF:])], [(1, 2, PROFILE)], [(0, 0, PROFILE)],
        [(1, 1, PROFILE + bytes(7))],
        [(1, 2, PROFILE[:HALF]), (2, 2, PROFILE[HALF:]), (1, 2, PROFILE[:HALF]), (2, 2, PROFILE[HALF:])],
    ],
)  # fmt: skip
def test_a_profile_is_put_together_where_it_can_be(parts: list[tuple[int, int, bytes]]) -> None:
    picture = files.read(_icc(*parts))
    assert picture.profile == PROFILE
    assert picture.notes == ()


@pytest.mark.parametrize(
    "parts", [[(1, 2, PROFILE[:HALF])], [(2, 2, PROFILE[HALF:])], [(1, 1, b"")], [(1, 1, bytes(200))]]
)
def test_a_profile_that_cannot_be_put_together_is_named(parts: list[tuple[int, int, bytes]]) -> None:
    picture = files.read(_icc(*parts))
    assert picture.profile is None
    assert any("profile" in note for note in picture.notes)


@pytest.mark.parametrize("name", WRITABLE)
def test_a_resolution_is_kept_in_every_format(name: str) -> None:
    for block in (
        b"",
        made.block({0x010F: made.ascii_entry("Cam")}, {0x927C: ifd.block(charts.MAKER_NOTE)}),
        charts.exif(">"),
    ):
        target = io.BytesIO()
        files.write(Image(np.zeros((4, 4, 3), np.float32), metadata=Metadata(block, b"", (300.0, 150.0))), target, name)
        back = files.read(target.getvalue()).metadata
        assert back.dpi == pytest.approx((300, 150), abs=0.02)
        assert (charts.MAKER_NOTE in back.exif) == bool(block)


def test_a_panorama_states_the_new_pixels() -> None:
    space = ' xmlns:GPano="http://ns.google.com/photos/1.0/panorama/"'
    old = {"CroppedAreaImageWidthPixels": 400, "FullPanoWidthPixels": 800, "CroppedAreaLeftPixels": 200}
    old |= {"CroppedAreaImageHeightPixels": 100, "FullPanoHeightPixels": 400, "CroppedAreaTopPixels": 150}
    packet = made.packet(*(f' GPano:{name}="{value}"' for name, value in old.items()), spaces=space)
    new = xmp.parsed(metadata.for_output(Metadata(xmp=packet), "keep", (400, 1600)).xmp)
    for name, value in old.items():
        assert xmp.values_of(new, xmp.PANORAMA, name) == (("", str(4 * value)),)


def test_exif_fields_without_a_place_in_tiff_are_named() -> None:
    block = made.block({0x010F: made.ascii_entry("Cam"), 0xC615: made.ascii_entry("x"), 0x0213: ifd.short(1)})
    assert written(made.jpeg([made.exif_segment(block)]), "JPEG")[1] == ()
    (note,) = written(made.jpeg([made.exif_segment(block)]), "TIFF")[1]
    assert "LocalizedCameraModel;" in note


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_pixels_that_are_not_square_stay_so(orientation: int, tmp_path: Path) -> None:
    turn = made.exif_segment(made.block({0x0112: ifd.short(orientation)}))
    picture = files.read(made.jpeg_with_density(2, 1, turn))
    wanted = (1, 2) if orientation == 6 else (2, 1)
    assert picture.metadata.aspect == wanted
    for name in WRITABLE:
        notes = files.write(picture, tmp_path / f"a{FORMATS[name].suffixes[0]}", name)
        assert bool(notes) == (name in ("WEBP", "AVIF"))
    tags = made.exiftool(tmp_path)
    for key, file in (
        ("JFIF:XResolution", "a.jpg"),
        ("IFD0:XResolution", "a.tif"),
        ("PNG-pHYs:PixelsPerUnitX", "a.png"),
    ):
        assert tags[file][key] == wanted[0]
    assert tags["a.jpg"]["JFIF:ResolutionUnit"] == 0
    assert metadata.for_output(picture.metadata, "strip", (4, 4)).aspect == wanted


@pytest.mark.parametrize("pair", [(1, 1), (72, 72), (0, 0), (0, 5), (65535, 1), None])
def test_square_pixels_and_nonsense_are_no_aspect(pair: tuple[int, int] | None) -> None:
    assert metadata.received(b"", b"", None, aspect=pair)[0].aspect is None
