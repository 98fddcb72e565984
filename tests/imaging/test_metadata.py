import io
import struct

import numpy as np
import picture_charts as charts
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from fourfold.core.image import Image, Metadata
from fourfold.imaging import files, metadata
from fourfold.imaging.codecs import ifd

ORDERS = pytest.mark.parametrize("order", ["<", ">"])


@ORDERS
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_found_and_becomes_one(order: str, orientation: int) -> None:
    block = charts.exif(order, orientation)
    assert metadata.orientation(block) == orientation
    assert metadata.orientation(b"Exif\0\0" + block) == orientation
    received, notes = metadata.received(b"Exif\0\0" + block, b"", None)
    assert metadata.orientation(received.exif) == 1
    assert len(received.exif) == len(block)
    assert notes == ("The thumbnail in EXIF is not carried over: it shows the photo as it was.",)


@ORDERS
def test_keep_keeps_the_makers_note_where_it_was(order: str) -> None:
    block = charts.exif(order, 6)
    kept = metadata.for_output(Metadata(exif=block), "keep", (4800, 6400)).exif
    assert kept.index(charts.MAKER_NOTE) == block.index(charts.MAKER_NOTE)
    photo = charts.parsed_exif(kept).get_ifd(0x8769)
    assert photo[0x927C] == charts.MAKER_NOTE
    assert photo[0x9003] == "2026:11:22 10:00:00"
    assert charts.parsed_exif(kept)[0x010F] == "Optikwerk"


@ORDERS
@pytest.mark.parametrize("size", [(1920, 2560), (70000, 80000)])
def test_sizes_become_those_of_the_new_picture(order: str, size: tuple[int, int]) -> None:
    kept = metadata.for_output(Metadata(exif=charts.exif(order)), "keep", size).exif
    photo = charts.parsed_exif(kept).get_ifd(0x8769)
    assert (photo[0xA003], photo[0xA002]) == size


@ORDERS
def test_thumbnails_go(order: str) -> None:
    block = charts.exif(order)
    kept = metadata.for_output(Metadata(exif=block), "keep", (4, 4)).exif
    assert b"THUMBNAIL" in block
    assert b"THUMBNAIL" not in kept
    assert len(kept) < len(block)
    assert not charts.parsed_exif(kept).get_ifd(1)


def test_a_thumbnail_that_points_into_the_block_destroys_nothing() -> None:
    block = bytearray(charts.exif("<", thumbnail=b"\xff\xd8" + bytes(20)))
    at = bytes(block).index(struct.pack("<HHI", 0x0201, 4, 1)) + 8
    block[at : at + 4] = struct.pack("<I", 8)
    kept = metadata.for_output(Metadata(exif=bytes(block)), "keep", (4, 4)).exif
    assert charts.parsed_exif(kept)[0x010F] == "Optikwerk"


@ORDERS
def test_location_goes_and_all_else_stays(order: str) -> None:
    block = charts.exif(order)
    coordinates = struct.pack(order + "6I", *struct.unpack(">6I", charts.LATITUDE))
    assert coordinates in block
    kept = metadata.for_output(Metadata(exif=block), "keep", (4, 4)).exif
    assert charts.parsed_exif(kept).get_ifd(0x8825)[1] == "N"
    done = metadata.for_output(Metadata(exif=block), "strip-location", (4, 4))
    stripped = done.exif
    assert struct.pack("<6I", *struct.unpack(">6I", charts.LATITUDE)) not in stripped
    assert 0x8825 not in charts.parsed_exif(stripped)
    assert charts.parsed_exif(stripped)[0x010F] == "Optikwerk"
    assert charts.parsed_exif(stripped).get_ifd(0x8769)[0x9003] == "2026:11:22 10:00:00"
    assert charts.MAKER_NOTE not in stripped
    assert "MakerNote" in done.notes[0]
    assert "GPS" in done.notes[0]


def test_strip_leaves_nothing() -> None:
    full = Metadata(charts.exif(), charts.XMP, (300.0, 300.0))
    assert metadata.for_output(full, "strip", (4, 4)) == Metadata()


def test_xmp_is_made_true_again() -> None:
    kept = metadata.for_output(Metadata(xmp=charts.XMP), "keep", (1920, 2560)).xmp.decode()
    assert 'tiff:Orientation="1"' in kept
    assert 'exif:PixelXDimension="2560"' in kept
    assert "<exif:PixelYDimension>1920</exif:PixelYDimension>" in kept
    assert "THUMBDATA" not in kept
    assert "MotionPhoto" not in kept
    assert "HasExtendedXMP" not in kept
    for stays in ('xmp:Rating="5"', 'photoshop:Headline="Bridge"', 'photoshop:City="Paris"', "Quai", "GPSLatitude"):
        assert stays in kept
    assert kept.startswith("<?xpacket begin=")
    assert kept.endswith('<?xpacket end="w"?>')


def test_xmp_location_goes() -> None:
    kept = metadata.for_output(Metadata(xmp=charts.XMP), "strip-location", (4, 4)).xmp
    for gone in (b"Paris", b"Quai", b"GPSLatitude"):
        assert gone not in kept
    assert b"Bridge" in kept


def test_xmp_with_nothing_to_correct_stays_byte_for_byte() -> None:
    packet = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"  ><a  b = "1"/></x:xmpmeta>'
    assert metadata.for_output(Metadata(xmp=packet), "keep", (4, 4)).xmp == packet


RECIPE = {"fourfold": "0.1.0", "steps": [{"node": "load", "<&>": 1}]}


def test_a_recipe_is_added_and_found_and_all_else_stays_byte_for_byte() -> None:
    told = metadata.with_recipe(Metadata(xmp=charts.XMP), RECIPE).xmp
    assert metadata.recipe_of(Metadata(xmp=told)) == RECIPE
    start, end = told.rindex(b'<rdf:Description rdf:about=""'), told.rindex(b"</rdf:RDF>")
    assert told[:start] + told[end:] == charts.XMP
    assert metadata.recipe_of(metadata.with_recipe(Metadata(), RECIPE)) == RECIPE
    assert metadata.recipe_of(Metadata()) is None
    assert metadata.recipe_of(Metadata(xmp=charts.XMP)) is None


def test_a_recipe_is_not_carried_on_to_what_is_made_from_the_picture() -> None:
    told = metadata.with_recipe(Metadata(xmp=charts.XMP), RECIPE)
    next_one = metadata.for_output(told, "keep", (10, 10))
    assert metadata.recipe_of(next_one) is None
    assert metadata.recipe_of(metadata.with_recipe(next_one, {"fourfold": "2"})) == {"fourfold": "2"}


@pytest.mark.parametrize("xmp", [b"<a/>", b"no xml", b"<r:RDF xmlns:r='urn:x'/>", charts.XMP + b" " * 60_000])
def test_a_packet_without_room_for_a_recipe_stays_as_it_is(xmp: bytes) -> None:
    assert metadata.with_recipe(Metadata(xmp=xmp), RECIPE).xmp == xmp
    assert metadata.with_recipe(Metadata(), {"long": "x" * metadata.LONGEST_RECIPE}).xmp == b""


BOMB = b'<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]><a>&c;</a>'


@pytest.mark.parametrize("packet", [b"<x:xmpmeta", b"\xff\xfe<\0a\0", BOMB, b"<a" * 100_000, b"text", b"<p:a/>"])
def test_damaged_xmp_is_dropped_with_a_note(packet: bytes) -> None:
    received, notes = metadata.received(b"", packet, None)
    assert received.xmp == b""
    assert "XMP" in notes[0]
    assert metadata.for_output(Metadata(xmp=packet), "strip-location", (4, 4)).xmp == b""


def test_deeply_nested_xmp_does_not_escape() -> None:
    packet = b"<a>" * 5000 + b"</a>" * 5000
    changed = packet.replace(b"<a>", b'<a xmlns:t="http://ns.adobe.com/tiff/1.0/" t:Orientation="6">', 1)
    assert metadata.for_output(Metadata(xmp=changed), "keep", (4, 4)).xmp in (b"", changed.replace(b'"6"', b'"1"'))


@ORDERS
def test_every_cut_of_an_exif_block_is_either_read_or_dropped(order: str) -> None:
    block = charts.exif(order, 6)
    for end in range(len(block)):
        received, notes = metadata.received(block[:end], b"", None)
        assert received.exif or notes or end == 0
        for policy in ("keep", "strip-location"):
            metadata.for_output(Metadata(exif=block[:end]), policy, (4, 4))  # type: ignore[arg-type]


@given(st.data(), st.sampled_from("<>"))
def test_damaged_exif_never_raises(data: st.DataObject, order: str) -> None:
    block = bytearray(charts.exif(order, 6))
    for _ in range(data.draw(st.integers(1, 8))):
        block[data.draw(st.integers(0, len(block) - 1))] = data.draw(st.integers(0, 255))
    received, _ = metadata.received(bytes(block), b"", None)
    for policy in ("keep", "strip-location"):
        once = metadata.for_output(received, policy, (40, 60))  # type: ignore[arg-type]
        assert metadata.orientation(once.exif) == 1
        assert len(once.exif) <= len(block)


@pytest.mark.parametrize("dpi", [(0, 0), (float("nan"), 72), (float("inf"), 72), (-1, -1), (1, 1), None])
def test_nonsense_resolutions_are_ignored(dpi: tuple[float, float] | None) -> None:
    assert metadata.received(b"", b"", dpi)[0].dpi is None


@given(
    st.dictionaries(st.integers(1000, 60000).filter(lambda t: t not in ifd.NESTED), st.binary(max_size=40)),
    st.booleans(),
)
def test_directories_survive_encoding(values: dict[int, bytes], big: bool) -> None:
    page = ifd.Directory({tag: ifd.block(value) for tag, value in values.items()})
    page.nested[ifd.EXIF] = ifd.Directory({0x927C: ifd.block(b"note"), 0xA002: ifd.long(5)})
    start = b"II+\0\x08\0\0\0" + struct.pack("<Q", 16) if big else b"II*\0" + struct.pack("<I", 8)
    found = ifd.Reader(io.BytesIO(start + ifd.encode(page, len(start), big=big))).directory()
    assert {tag: entry.data for tag, entry in found.entries.items()} == values
    assert found.nested[ifd.EXIF].number(0xA002, 0) == 5


def test_directories_that_nest_endlessly_end() -> None:
    loop = struct.pack("<H", 1) + struct.pack("<HHII", 0x8769, 4, 1, 8) + bytes(4)
    assert ifd.Reader(io.BytesIO(b"II*\0\x08\0\0\0" + loop)).directory().damaged


@ORDERS
@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"])
def test_camera_blocks_travel_through_every_format(name: str, order: str) -> None:
    picture = Image(
        np.full((8, 6, 3), 0.5, np.float32), metadata=Metadata(charts.exif(order), charts.XMP, (300.0, 150.0))
    )
    target = io.BytesIO()
    files.write(picture, target, name)
    back = files.read(target.getvalue())
    assert back.notes == ()
    exif = charts.parsed_exif(back.metadata.exif)
    assert exif[0x010F] == "Optikwerk"
    assert exif.get_ifd(0x8769)[0x927C] == charts.MAKER_NOTE
    assert exif.get_ifd(0x8769)[0xA002] == 6
    assert exif.get_ifd(0x8825)[2] == (48, 51, 30)
    assert b'xmp:Rating="5"' in back.metadata.xmp
    if name != "TIFF":  # which has one directory for all, so the block is taken apart
        place = picture.metadata.exif.index(charts.MAKER_NOTE)
        assert back.metadata.exif.index(charts.MAKER_NOTE) == place
    if name in ("JPEG", "PNG", "TIFF"):
        assert back.metadata.dpi == pytest.approx((300, 150), abs=0.02)


@pytest.mark.parametrize(
    ("name", "start"),
    [
        (name, start)
        for name in ("JPEG", "PNG", "WEBP", "AVIF")
        for start in (b"MM\0*\0\0\0\x08\0\x50\x01\x12\0\x03\0\0", b"rubbish", b"II*\0\xff\xff\xff\xff")
        if (name, start) != ("AVIF", b"rubbish")  # libavif refuses files whose EXIF has no TIFF header
    ],
)
def test_a_damaged_block_never_fails_the_picture(name: str, start: bytes) -> None:
    target = io.BytesIO()
    block = metadata.without_orientation(charts.exif("<", thumbnail=b""))
    Pillow.new("RGB", (6, 8)).save(target, name, exif=b"Exif\0\0" + block)
    assert block in target.getvalue()
    picture = files.read(target.getvalue().replace(block, start + block[len(start) :]))
    assert picture.size == (8, 6)
    assert picture.metadata.exif == b""
    assert any("EXIF" in note for note in picture.notes)


def test_a_damaged_exif_directory_never_fails_a_tiff() -> None:
    target = io.BytesIO()
    files.write(Image(np.zeros((8, 6, 3), np.float32), metadata=Metadata(charts.exif())), target, "TIFF")
    data = bytearray(target.getvalue())
    at = bytes(data).rindex(struct.pack("<HHI", 0x8769, 4, 1)) + 8
    data[at : at + 4] = b"\xff\xff\xff\x7f"
    picture = files.read(bytes(data))
    assert charts.parsed_exif(picture.metadata.exif)[0x010F] == "Optikwerk"
    assert any("EXIF" in note for note in picture.notes)


def test_what_a_jpeg_cannot_hold_is_noted() -> None:
    padded = charts.XMP.replace(b"<?xpacket end", b" " * 70000 + b"<?xpacket end")
    long = charts.XMP.replace(b"Bridge", b"B" * 70000)
    for xmp, exif, count in ((padded, b"", 0), (long, b"", 0), (b"", charts.exif() + bytes(70000), 1)):
        target = io.BytesIO()
        spec = files.Spec("JPEG", 8, 6, 3, metadata=Metadata(exif, xmp))
        with files.open_writer(target, spec) as writer:
            writer.write(np.zeros((8, 6, 3), np.uint8))
        assert len(writer.notes) == count
        back = files.read(target.getvalue())
        assert back.metadata.xmp.count(b"B" * 70000) == (xmp == long)
        assert b'xmp:Rating="5"' in back.metadata.xmp or not xmp


def test_imagemagick_profiles_in_png_are_read() -> None:
    block = charts.exif("<", 6)
    prefixed = b"Exif\0\0" + block
    text = f"\nexif\n{len(prefixed):8}\n{prefixed.hex()}\n".encode()
    extra = [(b"tEXt", b"Raw profile type exif\0" + text)]
    picture = files.read(charts.png_file(charts.gradient(4, 6, 3), 8, 2, extra))
    assert picture.size == (6, 4)
    assert charts.parsed_exif(picture.metadata.exif)[0x010F] == "Optikwerk"
