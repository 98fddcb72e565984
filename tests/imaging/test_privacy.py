"""The promise of ``strip-location``: nothing tells a place any more, and what tells none is still there."""

import io
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import metadata_charts as made
import numpy as np
import picture_charts as charts
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from fourfold.core.image import Image, Metadata, Text
from fourfold.imaging import files, metadata
from fourfold.imaging.codecs import ifd
from fourfold.imaging.formats import FORMATS

WRITABLE = [row.name for row in FORMATS.values() if row.writable]


def stripped(data: bytes, name: str) -> tuple[bytes, tuple[str, ...]]:
    """A file's picture written in a format without its place, and the notes about it."""
    picture = files.read(data)
    height, width = picture.size
    target = io.BytesIO()
    kept = metadata.for_output(picture.metadata, "strip-location", picture.size)
    with files.open_writer(target, files.Spec(name, height, width, picture.pixels.shape[2], metadata=kept)) as writer:
        for band in picture.bands():
            writer.write(band)
    return target.getvalue(), writer.notes


class Content(NamedTuple):
    """A file, the words in it that tell a place, and those that do not."""

    data: bytes
    secret: list[str]
    harmless: list[str]


class Maker:
    """Makes one file after the other of random metadata; every word is used once, so that each can be looked for."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.secret: list[str] = []
        self.harmless: list[str] = []

    def word(self, kept: list[str]) -> str:
        kept.append("q" + "".join(self.chance.choices("bcdfghjklmnpqrstvwxz", k=9)))
        return kept[-1]

    def some(self, *makers: Callable[[], Any]) -> list[Any]:
        return [maker() for maker in makers if self.chance.random() < 0.5]

    def coordinates(self) -> str:
        latitude, longitude = self.chance.uniform(-89, 89), self.chance.uniform(-179, 179)
        north, east = "N" if latitude > 0 else "S", "E" if longitude > 0 else "W"
        shapes = (
            f"{latitude:.6f}, {longitude:.6f}",
            f"GPS: {latitude:.3f}",
            f"{abs(latitude):.4f}°{north} {abs(longitude):.4f}°{east}",
            f"lat={latitude:.2f} lon={longitude:.2f}",
            f"geo:{latitude:.5f},{longitude:.5f}",
            f"https://maps.example.com/?q={latitude:.5f}",
            f"{abs(int(latitude))} deg 12' 3.5\" {north}",
            f"{latitude:+08.4f}{longitude:+09.4f}/",
        )
        return f"{self.chance.choice(shapes)} {self.word(self.secret)}"

    def exif(self) -> bytes:
        text, number = made.ascii_entry, self.chance.randrange(1000, 1 << 31)
        first = {0x010F: text(self.word(self.harmless)), 0x0110: text(self.word(self.harmless))}
        first |= dict(
            self.some(
                lambda: (self.chance.randrange(0xC700, 0xFFFF), text(self.word(self.secret))),
                lambda: (0x010E, text(self.coordinates())),
                lambda: (0x83BB, ifd.block(made.iptc((2, 90, self.word(self.secret))))),
                lambda: (0x02BC, ifd.block(made.packet(f' photoshop:City="{self.word(self.secret)}"'))),
                lambda: (0x8298, text(self.word(self.harmless))),
                lambda: (0x9C9B, self.wide(self.word(self.harmless))),
            )
        )
        photo = {0x9003: text("2026:11:22 10:00:00"), 0xA434: text(self.word(self.harmless))}
        photo |= dict(
            self.some(
                lambda: (0x927C, ifd.block(self.note())),
                lambda: (0x9402, made.fractions((number, 10))),
                lambda: (0x9286, ifd.block(b"ASCII\0\0\0" + self.coordinates().encode())),
                lambda: (self.chance.randrange(0xC700, 0xFFFF), text(self.word(self.secret))),
            )
        )
        place = {1: text("N"), 2: made.fractions((48, 1), (number, 60000000), (0, 1)), 6: made.fractions((number, 7))}
        place |= dict(
            self.some(lambda: (0x1B, text(self.word(self.secret))), lambda: (0x1C, text(self.word(self.secret))))
        )
        return made.block(first, photo, place if self.chance.random() < 0.7 else None)

    def wide(self, text: str) -> ifd.Entry:
        data = (text + "\0").encode("utf-16-le")
        return ifd.Entry(1, len(data), data)

    def note(self) -> bytes:
        starts = (
            b"Apple iOS\0\0\1MM\0\1",
            b"Nikon\0\2\x10\0\0",
            b"Panasonic\0\0\0",
            b"OLYMPUS\0II\3\0",
            b"FUJIFILM\x0c\0\0\0",
            b"",
        )
        return self.chance.choice(starts) + self.word(self.secret).encode() + bytes(20)

    def xmp(self) -> bytes:
        word, secret, harmless, spot = self.word, self.secret, self.harmless, self.coordinates
        names = ("lat", "GpsLatitude", "Altitude", "City", "place", "where", "GPSLongtitude")
        space = self.chance.choice(("made", "geo", "drone-dji", "exif", "lr", "Iptc4xmpCore"))
        name = f"{space}:{self.chance.choice(names)}"
        parts = self.some(
            lambda: f' {name}="{word(secret)}"',
            lambda: f"<{name}s>{word(secret)}</{name}s>",
            lambda: f"<made:a><rdf:Bag><rdf:li>{word(secret)}</rdf:li></rdf:Bag></made:a>",
            lambda: f'<made:b rdf:parseType="Resource"><dc:title>{word(secret)}</dc:title></made:b>',
            lambda: f'<made:c rdf:resource="http://{word(secret)}"/>',
            lambda: f"<!-- {word(secret)} -->",
            lambda: f"<?where {word(secret)}?>",
            lambda: (
                f'<Iptc4xmpExt:LocationShown><rdf:Bag><rdf:li made:City="{word(secret)}"/></rdf:Bag>'
                "</Iptc4xmpExt:LocationShown>"
            ),
            lambda: f"<dc:coverage>{word(secret)}</dc:coverage>",
            lambda: made.alt("dc:description", spot().replace('"', "&quot;")),
            lambda: f'<rdf:unknown made:x="{word(secret)}"/>',
            lambda: made.alt("dc:title", word(harmless)),
            lambda: f' photoshop:Headline="{word(harmless)}"',
            lambda: f"<dc:subject><rdf:Bag><rdf:li>{word(harmless)}</rdf:li></rdf:Bag></dc:subject>",
            lambda: f"<dc:creator><rdf:Seq><rdf:li>{word(harmless)}</rdf:li></rdf:Seq></dc:creator>",
            lambda: f' tiff:Make="{word(harmless)}"',
        )
        about = f'rdf:about="{word(secret)}"'.encode() if self.chance.random() < 0.2 else b'rdf:about=""'
        spaces = f' xmlns:odd="urn:{word(secret)}"' if self.chance.random() < 0.2 else ""
        return made.packet(*parts, spaces=spaces).replace(b'rdf:about=""', about)

    def iptc(self) -> bytes:
        place = self.chance.sample((26, 27, 90, 92, 95, 100, 101, 118, 200, 77), 3)
        kept = self.chance.sample((5, 25, 80, 105, 110, 116, 122), 2)
        fields = [(2, number, self.word(self.secret)) for number in place]
        fields += [(2, number, self.word(self.harmless)) for number in kept]
        fields += [(2, 120, self.coordinates()), (3, 10, self.word(self.secret))]
        return made.iptc(*fields)

    def jpeg(self) -> bytes:
        guid = b"0123456789ABCDEF" * 2
        main = self.xmp()
        parts: list[Any] = [made.exif_segment(self.exif())]
        parts += self.some(
            lambda: made.exif_segment(self.exif_of_the_second()),
            lambda: made.photoshop_segment((0x0404, self.iptc()), (0x0422, self.exif_of_the_second())),
            lambda: (0xFE, self.coordinates().encode()),
            lambda: (0xFE, self.word(self.harmless).encode()),
            lambda: (self.chance.choice((0xE3, 0xE5, 0xEB)), b"Meta\0" + self.word(self.secret).encode()),
        )
        if self.chance.random() < 0.4:
            main = main.replace(
                b"<rdf:Description",
                b'<rdf:Description xmlns:n="http://ns.adobe.com/xmp/note/" n:HasExtendedXMP="%s"' % guid,
                1,
            )
            extended = made.packet(
                f"<made:far>{self.word(self.secret)}</made:far>", made.alt("dc:rights", self.word(self.harmless))
            )
            parts += made.extended_segments(extended, guid)
        return made.jpeg([*parts, made.xmp_segment(main)], self.word(self.secret).encode() * self.chance.randrange(2))

    def exif_of_the_second(self) -> bytes:
        return made.block({0x010F: made.ascii_entry(self.word(self.secret))}, None, {1: made.ascii_entry("S")})

    def png(self) -> bytes:
        raw = b"\nexif\n 100\n" + (b"Exif\0\0" + self.exif_of_the_second()).hex().encode() + b"\n"
        kinds = (b"tEXt", b"zTXt", b"iTXt")
        chunks = [(b"eXIf", self.exif()), made.text_chunk(b"iTXt", "XML:com.adobe.xmp", self.xmp().decode())]
        chunks += self.some(
            lambda: made.text_chunk(self.chance.choice(kinds), "Location", self.word(self.secret)),
            lambda: made.text_chunk(self.chance.choice(kinds), "exif:GPSLatitude", self.word(self.secret)),
            lambda: made.text_chunk(self.chance.choice(kinds), self.word(self.secret), self.word(self.secret)),
            lambda: made.text_chunk(b"iTXt", "Comment", self.coordinates()),
            lambda: made.text_chunk(self.chance.choice(kinds), "Copyright", self.word(self.harmless)),
            lambda: made.text_chunk(self.chance.choice(kinds), "parameters", self.word(self.harmless)),
            lambda: (b"tEXt", b"Raw profile type exif\0" + raw),
            lambda: (b"prVt", self.word(self.secret).encode()),
            lambda: (b"zTXt", self.profile()),
        )
        return made.png(chunks)

    def profile(self) -> bytes:
        data = made.photoshop((0x0404, self.iptc()))
        _, text = made.text_chunk(b"zTXt", "Raw profile type iptc", f"\niptc\n{len(data):8}\n{data.hex()}\n")
        return text

    def webp(self) -> bytes:
        more = self.some(
            lambda: (b"EXIF", self.exif_of_the_second()), lambda: (b"ODDS", self.word(self.secret).encode())
        )
        return made.webp(more, exif=self.exif(), xmp=self.xmp())

    def tiff(self) -> bytes:
        text = made.ascii_entry
        entries = {0x010F: text(self.word(self.harmless)), 700: ifd.block(self.xmp()), 33723: ifd.block(self.iptc())}
        entries |= dict(
            self.some(
                lambda: (42112, text(self.word(self.secret))),
                lambda: (34377, ifd.block(made.photoshop((0x0404, self.iptc_unread()), (1060, self.xmp_unread())))),
                lambda: (34737, text(self.word(self.secret))),
            )
        )
        place = ifd.Directory({1: text("N"), 2: made.fractions((48, 1), (51, 1), (29, 1))})
        photo = ifd.Directory({0x9003: text("2026:11:22 10:00:00"), 0x927C: ifd.block(self.note())})
        photo.nested[ifd.GPS] = place
        return made.tiff(entries, {ifd.EXIF: photo, ifd.GPS: place})

    def iptc_unread(self) -> bytes:
        return made.iptc((2, 90, self.word(self.secret)))

    def xmp_unread(self) -> bytes:
        return made.packet(f' photoshop:City="{self.word(self.secret)}"')

    def avif(self) -> bytes:
        return made.avif(exif=self.exif(), xmp=self.xmp())

    def heif(self) -> bytes:
        return charts.file_of("HEIF", exif=b"Exif\0\0" + self.exif(), xmp=self.xmp())

    def gif(self) -> bytes:
        comment = self.chance.choice((self.coordinates, lambda: self.word(self.harmless)))()
        return made.gif_with_xmp(charts.file_of("GIF", comment=comment.encode()), self.xmp())

    def content(self) -> Content:
        kind = self.chance.choice(
            (self.jpeg, self.jpeg, self.jpeg, self.png, self.png, self.webp, self.tiff, self.avif, self.heif, self.gif)
        )
        return Content(kind(), self.secret, self.harmless)


# Shrinking would start exiftool some hundred times; a failure names its file, whose name is its seed.
@settings(
    max_examples=4, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seeds=st.lists(st.integers(0, 2**32), min_size=40, max_size=40, unique=True))
def test_no_place_can_be_found_and_the_rest_is_still_there(
    seeds: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("stripped")
    contents = {}
    for seed in seeds:
        content = Maker(seed).content()
        name = WRITABLE[seed % len(WRITABLE)]
        path = folder / f"{seed}{FORMATS[name].suffixes[0]}"
        path.write_bytes(stripped(content.data, name)[0])
        contents[path.name] = content
    found = made.exiftool(folder)
    assert found.keys() == contents.keys()
    for name, content in contents.items():
        check(name, content, found[name], (folder / name).read_bytes())


def check(name: str, content: Content, tags: dict[str, Any], data: bytes) -> None:
    places = [key for key in tags if made.PLACE_NAMES.search(key)]
    assert not places, (name, places)
    text = made.strings(tags)
    for word in content.secret:
        assert word not in text, (name, word)
        assert word.encode() not in data
        assert word.encode("utf-16-le") not in data
    for word in content.harmless:
        assert word in text or word.encode() in data, (name, word)


def test_the_maker_puts_places_where_exiftool_finds_them(tmp_path: Path) -> None:
    """Else the test above could not fail."""
    contents = {}
    for seed in range(30):
        content = Maker(seed).content()
        suffix = files.probe(content.data).format.lower()
        (tmp_path / f"{seed}.{suffix}").write_bytes(content.data)
        contents[f"{seed}.{suffix}"] = content
    found = made.exiftool(tmp_path)
    places = sum(bool([key for key in found[name] if made.PLACE_NAMES.search(key)]) for name in contents)
    words = sum(word in made.strings(found[name]) for name, one in contents.items() for word in one.secret)
    assert places > 25
    assert words > 60


def test_a_note_names_what_was_left_out() -> None:
    kept = metadata.for_output(
        Metadata(
            made.block(
                {0x010F: made.ascii_entry("Cam"), 0xC615: made.ascii_entry("x")}, None, {1: made.ascii_entry("N")}
            ),
            made.packet(' drone-dji:GpsLatitude="1.23"', ' drone-dji:GimbalYawDegree="+10.00"'),
            iptc=made.iptc((2, 90, "Paris"), (2, 5, "Bridge")),
            texts=(Text("Location", "Paris"), Text("Comment", "near 48.8584, 2.2945"), Text("Title", "Bridge")),
        ),
        "strip-location",
        (4, 4),
    )
    (note,) = kept.notes
    for name in (
        "EXIF GPS",
        "EXIF LocalizedCameraModel",
        "drone-dji:GpsLatitude",
        "IPTC 2:90",
        "text Location",
        "text Comment",
    ):
        assert name in note
    assert b"GimbalYawDegree" in kept.xmp
    assert [text.keyword for text in kept.texts] == ["Title"]
    assert metadata.for_output(Metadata(texts=(Text("Title", "Bridge"),)), "strip-location", (4, 4)).notes == ()


@pytest.mark.parametrize(
    "text",
    [
        "A bridge at dusk, 1931", "f/2.8, 1/250 s, ISO 100", "Steps: 20, CFG scale: 7, Size: 512x768, Seed: 1234567890",
        "3 of 12, N. Nonymous", "(tree:1.25), (bird:0.90)", '{"pos": [413.5, 389.25]}', "Roll 3, W 12", "latent, altar",
        "It was 30 degrees", "10° below zero", "version 1.2.3",
    ],
)  # fmt: skip
def test_what_a_person_writes_stays(text: str) -> None:
    kept = metadata.for_output(Metadata(texts=(Text("Comment", text),)), "strip-location", (4, 4))
    assert [one.text for one in kept.texts] == [text]


@pytest.mark.parametrize("order", "<>")
def test_a_comment_in_utf_16_can_still_be_read(order: str, tmp_path: Path) -> None:
    code = "utf-16-le" if order == "<" else "utf-16-be"
    text = "Grüße 안녕".encode(code)
    at = 8 + 2 + 12 + 4
    first = struct.pack(order + "HHHIII", 1, 0x8769, 4, 1, at, 0)
    photo = struct.pack(order + "HHHIII", 1, 0x9286, 7, 8 + len(text), at + 18, 0) + b"UNICODE\0" + text
    block = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8) + first + photo
    (tmp_path / "a.jpg").write_bytes(stripped(made.jpeg([made.exif_segment(block)]), "JPEG")[0])
    assert made.exiftool(tmp_path)["a.jpg"]["ExifIFD:UserComment"] == "Grüße 안녕"


def test_strip_leaves_nothing_at_all() -> None:
    picture = Image(np.zeros((4, 4, 3), np.float32))
    full = Metadata(charts.exif(), charts.XMP, (300.0, 300.0), made.iptc((2, 5, "a")), (Text("Title", "a"),))
    assert metadata.for_output(full, "strip", picture.size) == Metadata()
