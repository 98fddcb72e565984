"""Texts in EXIF come through in every encoding and byte order, and are searched for places in each."""

import io
import struct
from pathlib import Path

import metadata_charts as made
import numpy as np
import odd_files
import picture_charts as charts
import pytest

from fourfold.imaging import files, metadata
from fourfold.imaging.codecs import ifd
from fourfold.imaging.formats import FORMATS

WRITABLE = [row.name for row in FORMATS.values() if row.writable]
TEXT = "Grüße 안녕 3"
COMMENTS = {
    "UTF-16": (b"UNICODE\0", TEXT.encode("utf-16-le"), TEXT),
    "ASCII": (b"ASCII\0\0\0", b"Gruss 3", "Gruss 3"),
    "JIS": (b"JIS\0\0\0\0\0", "挨拶".encode("iso2022_jp"), ""),
    "undefined": (bytes(8), TEXT.encode(), TEXT),
}
"""By encoding: the mark, the text in a little-endian block, the text, but where exiftool reads it otherwise."""


def directory(order: str, comment: bytes, at: int, kind: int = 7) -> bytes:
    """An EXIF directory, to stand at an offset, that holds a comment."""
    return struct.pack(order + "HHHIII", 1, 0x9286, kind, len(comment), at + 18, 0) + comment


def block(order: str, comment: bytes) -> bytes:
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    return head + struct.pack(order + "HHHIII", 1, 0x8769, 4, 1, 26, 0) + directory(order, comment, 26)


def tiff(order: str, comment: bytes) -> bytes:
    page, segments = odd_files.tiff_page(charts.gradient(16, 24, 3), 8, 2, order=order, _34665=0)
    length = len(odd_files.tiff([(page, segments)], order))
    length += length % 2
    data = odd_files.tiff([({**page, 34665: length}, segments)], order).ljust(length, b"\0")
    return data + directory(order, comment, length)


def result(data: bytes, name: str, policy: metadata.MetadataPolicy) -> bytes:
    picture = files.read(data)
    kept = metadata.for_output(picture.metadata, policy, picture.size)
    target = io.BytesIO()
    with files.open_writer(target, files.Spec(name, *picture.size, 3, metadata=kept)) as writer:
        writer.write(np.zeros((*picture.size, 3), np.uint8))
    return target.getvalue()


@pytest.mark.parametrize("policy", ["keep", "strip-location"])
@pytest.mark.parametrize("order", "<>")
def test_comments_come_through_every_format(order: str, policy: metadata.MetadataPolicy, tmp_path: Path) -> None:
    wanted = {}
    for kind, (mark, text, read) in COMMENTS.items():
        wide = read.encode("utf-16-be") if kind == "UTF-16" and order == ">" else text
        exif = made.exif_segment(block(order, mark + wide))
        for source, data in {"jpeg": made.jpeg([exif]), "tiff": tiff(order, mark + wide)}.items():
            for name in WRITABLE:
                path = tmp_path / f"{kind}-{source}-{name}{FORMATS[name].suffixes[0]}"
                path.write_bytes(result(data, name, policy))
                wanted |= {path.name: read} if read else {}
                assert read or mark + text in path.read_bytes()
    found = made.exiftool(tmp_path)
    seen = {name: found[name].get("ExifIFD:UserComment") for name in wanted}
    assert seen == wanted


def test_utf_8_of_exif_3_comes_through() -> None:
    data = TEXT.encode() + b"\0"
    exif = made.block({0x010E: ifd.Entry(129, len(data), data), 0x013B: ifd.Entry(129, len(data), data)})
    source = made.jpeg([made.exif_segment(exif)])
    for name in WRITABLE:
        for policy in ("keep", "strip-location"):
            assert result(source, name, policy).count(TEXT.encode()) >= 2, name


WIDE = "４８．８５８４，２．２９４５１"


PLACES = {
    "JIS": b"JIS\0\0\0\0\0" + WIDE.encode("iso2022_jp"),
    "Shift JIS": bytes(8) + WIDE.encode("shift_jis"),
    "EUC": bytes(8) + WIDE.encode("euc_jp"),
    "UTF-16": b"UNICODE\0" + WIDE.encode("utf-16-le"),
    "UTF-8": bytes(8) + WIDE.encode(),
    "degrees": b"UNICODE\0" + "48º 51' 30\" N".encode("utf-16-le"),
}


@pytest.mark.parametrize("kind", PLACES)
def test_coordinates_in_any_encoding_are_found(kind: str) -> None:
    data = result(made.jpeg([made.exif_segment(block("<", PLACES[kind]))]), "JPEG", "strip-location")
    assert PLACES[kind][8:] not in data


def test_a_thumbnail_that_is_left_out_is_named() -> None:
    block = charts.exif(thumbnail=charts.file_of("JPEG", charts.gradient(8, 8, 3)))
    for data in (made.jpeg([made.exif_segment(block)]), made.png([(b"eXIf", block)]), made.webp((), exif=block)):
        assert any("thumbnail" in note for note in files.read(data).notes)
    assert not any(
        "thumbnail" in note for note in files.read(made.jpeg([made.exif_segment(charts.exif(thumbnail=b""))])).notes
    )
