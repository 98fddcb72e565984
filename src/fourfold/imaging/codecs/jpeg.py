"""JPEG segments: read and write the metadata that they hold.

Source: ITU-T T.81, annex B; JFIF 1.02; EXIF 2.32, section 4.7; ICC.1:2022, annex B.4; XMP specification part 3,
section 1.1.3; CIPA DC-007 (Multi-Picture Format).
"""

import hashlib
import io
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from fourfold.core.image import Metadata, Text
from fourfold.imaging.codecs import extras, ifd
from fourfold.imaging.metadata import iptc, xmp
from fourfold.imaging.metadata.fields import COMMENT

_EXIF, _XMP, _EXTENDED = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"
_ICC, _PHOTOSHOP, _MULTI = b"ICC_PROFILE\0", b"Photoshop 3.0\0", b"MPF\0"
_APP1, _APP2, _APP13, _COM, _START, _END, _SCAN = 0xE1, 0xE2, 0xED, 0xFE, 0xD8, 0xD9, 0xDA
_FRAMES, _RESTARTS = (0xC0, 0xC1), 0xDD
_ALONE = (_START, 0x01)
_LONGEST = 65533
Segment = tuple[int, bytes]
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
# Frames of JFIF and Adobe, old thumbnails, notes of encoders: they describe the old file only.
_OF_THE_FILE = (b"JFIF", b"JFXX", b"Adobe\0", b"Ducky", _EXIF, _XMP, _EXTENDED, _ICC, _PHOTOSHOP, _MULTI)
_PREVIEWS, _PRIMARY, _UNDEFINED = (0x010001, 0x010002), 0x030000, 0


@dataclass(frozen=True)
class Parts:
    """What a file holds beside its picture.

    Attributes:
        exif, xmp, iptc: as found, put together from their segments; empty if none.
        texts: its comments.
        profile: the ICC profile, empty if its parts fit together in no way, None if there is none.
        notes: sentences about what is not carried over.
        segments: markers and contents of all segments before the pixels of a JPEG, which begin at ``scan``.
    """

    exif: bytes = b""
    xmp: bytes = b""
    iptc: bytes = b""
    texts: tuple[Text, ...] = ()
    profile: bytes | None = None
    notes: tuple[str, ...] = ()
    segments: tuple[Segment, ...] = ()
    scan: int = 0


def parts(stream: BinaryIO) -> Parts:
    """Everything that stands before the pixels; damaged parts are left out, and noted."""
    found, scan = _before_the_pixels(stream)
    app1 = [content for marker, content in found if marker == _APP1]
    exif, notes = _exif([content[6:] for content in app1 if content.startswith(_EXIF)])
    packet, more = _xmp(app1)
    resources = iptc.resources(b"".join(content[14:] for _, content in found if content.startswith(_PHOTOSHOP)))
    chunks = [content[12:] for marker, content in found if marker == _APP2 and content.startswith(_ICC)]
    return Parts(
        exif,
        packet,
        next((content for number, content in resources if number == iptc.IPTC), b""),
        tuple(comment(content) for marker, content in found if marker == _COM),
        _profile(chunks) if chunks else None,
        (*notes, *more, *extras.of_resources(resources), *_unknown(found)),
        tuple(found),
        scan,
    )


def around(stream: BinaryIO, before: Parts) -> tuple[bool, list[str]]:
    """What can only be found by reading the whole file.

    Returns:
        Whether it holds more pictures of the person's, not thumbnails or gain maps; and notes about what is not
        carried over.
    """
    stream.seek(before.scan)
    data = stream.read()
    end = next((match.end() for match in _MARKER.finditer(data) if match.group() == b"\xff\xd9"), len(data))
    notes = extras.of_jpeg(b"".join(content for _, content in before.segments), data[end:], before.exif)
    return _several(before.segments, gain_map=extras.GAIN_MAP in notes), notes


def _before_the_pixels(stream: BinaryIO) -> tuple[list[Segment], int]:
    """The segments, and where the first scan begins; little of a large file is read."""
    size = 1 << 17
    while True:
        stream.seek(0)
        data = stream.read(size)
        found, scan = _segments(data)
        if scan < len(data) or len(data) < size:
            return found, scan
        size *= 8


def _segments(data: bytes) -> tuple[list[Segment], int]:
    """Markers and contents of the segments before the first scan, and where that begins: at the end if it is not there.

    What stands between segments is passed over.
    """
    found: list[Segment] = []
    at = 2
    while match := _MARKER.search(data, at):
        marker, at = data[match.start() + 1], match.end()
        if marker in (_SCAN, _END):
            return found, match.start()
        size = int.from_bytes(data[at : at + 2], "big")
        if marker in _ALONE or size < 2:
            continue
        if marker >= 0xE0:
            found.append((marker, data[at + 2 : at + size]))
        at += size
    return found, len(data)


def _exif(blocks: list[bytes]) -> tuple[bytes, list[str]]:
    """The first block, with the segments that continue it; a second one is not carried over."""
    starts = [at for at, block in enumerate(blocks) if block[:4] in (b"II*\0", b"MM\0*")]
    last = starts[1] if len(starts) > 1 else len(blocks)
    return b"".join(blocks[:last]), ["A second EXIF block is not carried over."] if len(starts) > 1 else []


def _xmp(app1: list[bytes]) -> tuple[bytes, list[str]]:
    """The packet, with the properties of the extended one that it names."""
    packets = [content[len(_XMP) :] for content in app1 if content.startswith(_XMP)]
    packet = packets[0] if packets else b""
    chunks = [content[len(_EXTENDED) :] for content in app1 if content.startswith(_EXTENDED)]
    notes = ["A second XMP packet is not carried over."] if len({*packets}) > 1 else []
    if not chunks:
        return packet, notes
    of_this = [chunk for chunk in chunks if len(chunk) > 40 and chunk[:32] in packet] or chunks
    whole = b"".join(chunk[40:] for chunk in sorted(of_this, key=lambda chunk: chunk[36:40]))
    try:
        return xmp.merged(packet, whole), notes
    except xmp.FAILURES:
        return packet, [*notes, "The extended XMP is damaged and was dropped."]


def comment(content: bytes) -> Text:
    """A comment, in UTF-8 where it can be, else in Latin-1."""
    content = content.rstrip(b"\0")
    try:
        return Text(COMMENT, content.decode("utf-8"))
    except UnicodeDecodeError:
        return Text(COMMENT, content.decode("latin-1"))


def _profile(chunks: list[bytes]) -> bytes:
    """The profile of these parts, each after its number and their count: in order, as found, or one that is whole.

    Files state a part twice, or wrong numbers and counts; the profile itself says how long it is.
    """
    numbered: dict[int, bytes] = {}
    for chunk in chunks:
        numbered.setdefault(chunk[0] if chunk else 0, chunk[2:])
    in_order = b"".join(numbered[number] for number in sorted(numbered))
    for data in (in_order, b"".join(chunk[2:] for chunk in chunks), *(chunk[2:] for chunk in chunks)):
        size = int.from_bytes(data[:4], "big")
        if 128 < size <= len(data) and data[36:40] == b"acsp":
            return data[:size]
    return in_order if int.from_bytes(in_order[:4], "big") <= 128 else b""  # else a part is missing


def _several(found: Sequence[Segment], *, gain_map: bool) -> bool:
    """Whether a multi-picture index lists pictures that are neither previews nor the gain map."""
    index = next((content[4:] for marker, content in found if content.startswith(_MULTI)), b"")
    try:
        entry = ifd.Reader(io.BytesIO(index)).directory().entries[0xB002]
    except (ValueError, KeyError):
        return bool(index) and not gain_map
    order = "<" if index[:2] == b"II" else ">"
    rows = [struct.unpack_from(order + "I", entry.data, at)[0] & 0xFFFFFF for at in range(0, len(entry.data) - 15, 16)]
    others = [kind for kind in rows[1:] if kind not in _PREVIEWS and not (gain_map and kind in (_UNDEFINED, _PRIMARY))]
    return bool(others)


def _unknown(found: list[Segment]) -> list[str]:
    """A note about the segments that nothing here knows."""
    names = []
    for marker, content in found:
        if 0xE0 <= marker <= 0xEF and not content.startswith(_OF_THE_FILE) and not extras.known(content):
            label = re.match(rb"[!-~][ -~]{1,31}", content)
            names.append(f"APP{marker - 0xE0}" + (f" {label.group().decode().strip()}" if label else ""))
    return extras.of_names("Segments", names)


def without_unit(head: bytes) -> bytes:
    """The start of a file whose first segment (JFIF) states densities, with these as a mere ratio."""
    return head[:13] + b"\0" + head[14:] if head[6:11] == b"JFIF\0" else head


def segments(metadata: Metadata) -> tuple[bytes, tuple[str, ...]]:
    """The segments that hold XMP, IPTC and comments, and notes about what does not fit into a JPEG."""
    out, notes = bytearray(), []
    try:
        out += b"".join(_xmp_segments(metadata.xmp)) if metadata.xmp else b""
    except xmp.FAILURES:
        notes.append("The XMP packet is too long for a JPEG and was left out.")
    resource = iptc.resource(metadata.iptc) if metadata.iptc else b""
    step = _LONGEST - len(_PHOTOSHOP)
    for at in range(0, len(resource), step):
        out += _segment(_APP13, _PHOTOSHOP + resource[at : at + step])
    for text in metadata.texts:
        out += _segment(_COM, text.text.encode())
    return bytes(out), tuple(notes)


def _xmp_segments(packet: bytes) -> Iterator[bytes]:
    if len(packet) + len(_XMP) > _LONGEST:
        packet = re.sub(rb"\s+(<\?xpacket end)", rb"\n\1", packet)
    extended = b""
    if len(packet) + len(_XMP) > _LONGEST:
        packet, extended = xmp.halved(packet, _LONGEST - len(_XMP) - 400)
        digest = hashlib.md5(extended, usedforsecurity=False).hexdigest().upper()
        packet = xmp.with_properties(packet, [xmp.Property(xmp.NOTE, "HasExtendedXMP", "plain", (("", digest),))])
    yield _segment(_APP1, _XMP + packet)
    step = _LONGEST - len(_EXTENDED) - 40
    for at in range(0, len(extended), step):
        head = digest.encode() + struct.pack(">II", len(extended), at)
        yield _segment(_APP1, _EXTENDED + head + extended[at : at + step])


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def split(content: bytes) -> tuple[bytes, bytes, bytes]:
    """A JPEG of one scan, as Pillow writes it: what stands before the scan, the scan's header, and its coded blocks."""
    _, start = _segments(content)
    end = start + 2 + int.from_bytes(content[start + 2 : start + 4], "big")
    return content[:start], content[start:end], content[end:-2]


def with_restarts(head: bytes, height: int, blocks: int) -> bytes:
    """What stands before a scan, for a picture of another height whose scan restarts after so many blocks."""
    at = 2
    while head[at + 1] not in _FRAMES:
        at += 2 + int.from_bytes(head[at + 2 : at + 4], "big")
    frame = head[at : at + 5] + height.to_bytes(2, "big")
    return head[:at] + frame + head[at + 7 :] + struct.pack(">BBHH", 0xFF, _RESTARTS, 4, blocks)
