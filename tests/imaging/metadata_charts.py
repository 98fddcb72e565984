"""Files that hold much beside their picture, made by hand, and what an independent reader finds in files."""

import io
import json
import re
import shutil
import struct
import subprocess
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import picture_charts as charts
import pytest
from PIL import Image as Pillow

from fourfold.imaging.codecs import ifd

Segment = tuple[int, bytes]
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"


def exiftool(folder: Path) -> dict[str, dict[str, Any]]:
    """All that exiftool finds in the files of a folder: by file name, values by group and name."""
    if shutil.which("exiftool") is None:
        pytest.skip("needs exiftool, the Debian package libimage-exiftool-perl")
    command = ["exiftool", "-j", "-a", "-u", "-U", "-G1:4", "-n", "-ee", "-struct", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = {Path(one.pop("SourceFile")).name: one for one in json.loads(done.stdout)}
    return {name: _tags(tags) for name, tags in found.items()}


def _tags(found: dict[str, Any]) -> dict[str, Any]:
    """Values without those about the file itself; each also under its name without the number of its copy."""
    kept = {key: value for key, value in found.items() if not key.startswith(("System:", "ExifTool:", "Composite:"))}
    return {re.sub(r"Copy\d+:", "", key): value for key, value in kept.items()} | kept


def jpeg(segments: Sequence[Segment] = (), behind: bytes = b"", size: tuple[int, int] = (24, 16)) -> bytes:
    """A JPEG with more segments after its start, and bytes after its end."""
    plain = charts.file_of("JPEG", charts.gradient(*size, 3), quality=90)
    return plain[:2] + b"".join(segment(*one) for one in segments) + plain[2:] + behind


def jpeg_with_density(across: int, down: int, *segments: Segment) -> bytes:
    """A JPEG that states pixels that are not square, and no unit."""
    plain = charts.file_of("JPEG", charts.gradient(24, 16, 3))
    head = plain[:13] + struct.pack(">BHH", 0, across, down) + plain[18:20]
    return head + b"".join(segment(*one) for one in segments) + plain[20:]


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def exif_segment(block: bytes) -> Segment:
    return 0xE1, b"Exif\0\0" + block


def xmp_segment(packet: bytes) -> Segment:
    return 0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet


def extended_segments(packet: bytes, guid: bytes, step: int = 500) -> list[Segment]:
    head = b"http://ns.adobe.com/xmp/extension/\0" + guid
    return [
        (0xE1, head + struct.pack(">II", len(packet), at) + packet[at : at + step])
        for at in range(0, len(packet), step)
    ]


def photoshop_segment(*resources: tuple[int, bytes]) -> Segment:
    return 0xED, b"Photoshop 3.0\0" + photoshop(*resources)


def photoshop(*resources: tuple[int, bytes]) -> bytes:
    return b"".join(
        b"8BIM" + struct.pack(">HHI", number, 0, len(data)) + data + bytes(len(data) % 2) for number, data in resources
    )


def iptc(*fields: tuple[int, int, str]) -> bytes:
    values = [(record, number, text.encode()) for record, number, text in ((1, 90, "\x1b%G"), *fields)]
    return b"".join(struct.pack(">BBBH", 0x1C, *one[:2], len(one[2])) + one[2] for one in values)


def packet(*properties: str, spaces: str = "") -> bytes:
    """An XMP packet; a property is an attribute where it starts with a space, else an element."""
    attributes = "".join(one for one in properties if one.startswith(" "))
    elements = "".join(one for one in properties if not one.startswith(" "))
    names = {
        "xmp": "http://ns.adobe.com/xap/1.0/", "dc": "http://purl.org/dc/elements/1.1/",
        "tiff": "http://ns.adobe.com/tiff/1.0/", "exif": "http://ns.adobe.com/exif/1.0/",
        "photoshop": "http://ns.adobe.com/photoshop/1.0/", "hdrgm": "http://ns.adobe.com/hdr-gain-map/1.0/",
        "GCamera": "http://ns.google.com/photos/1.0/camera/", "xmpNote": "http://ns.adobe.com/xmp/note/",
        "geo": "http://www.w3.org/2003/01/geo/wgs84_pos#", "drone-dji": "http://www.dji.com/drone-dji/1.0/",
        "Iptc4xmpCore": "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/", "made": "http://example.com/made-up/",
        "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/", "lr": "http://ns.adobe.com/lightroom/1.0/",
    }  # fmt: skip
    declared = "".join(f' xmlns:{prefix}="{uri}"' for prefix, uri in names.items()) + spaces
    return (
        f'<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        f'<rdf:RDF xmlns:rdf="{RDF}"><rdf:Description rdf:about=""{declared}{attributes}>{elements}'
        f'</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def alt(name: str, text: str) -> str:
    return f'<{name}><rdf:Alt><rdf:li xml:lang="x-default">{text}</rdf:li></rdf:Alt></{name}>'


def ascii_entry(text: str) -> ifd.Entry:
    return ifd.Entry(2, len(text) + 1, text.encode() + b"\0")


def fractions(*values: tuple[int, int]) -> ifd.Entry:
    return ifd.Entry(5, len(values), b"".join(struct.pack("<II", *value) for value in values))


def block(
    first: dict[int, ifd.Entry], photo: dict[int, ifd.Entry] | None = None, place: dict[int, ifd.Entry] | None = None
) -> bytes:
    """A little-endian EXIF block with these entries in its first, its photographic and its GPS directory."""
    tree = ifd.Directory(dict(first))
    if photo is not None:
        tree.nested[ifd.EXIF] = ifd.Directory(dict(photo))
    if place is not None:
        tree.nested[ifd.GPS] = ifd.Directory(dict(place))
    return b"II*\0\x08\0\0\0" + ifd.encode(tree, 8)


def png(chunks: Sequence[tuple[bytes, bytes]]) -> bytes:
    return charts.png_file(charts.gradient(16, 24, 3), 8, 2, chunks)


def text_chunk(kind: bytes, keyword: str, text: str, language: str = "") -> tuple[bytes, bytes]:
    start, data = keyword.encode("latin-1") + b"\0", text.encode()
    if kind == b"tEXt":
        return kind, start + data
    if kind == b"zTXt":
        return kind, start + b"\0" + zlib.compress(data)
    return kind, start + b"\0\0" + language.encode() + b"\0\0" + data


def iptc_profile(fields: bytes) -> tuple[bytes, bytes]:
    """IPTC as ImageMagick puts it into a PNG."""
    data = photoshop((0x0404, fields))
    return text_chunk(b"zTXt", "Raw profile type iptc", f"\niptc\n{len(data):8}\n{data.hex()}\n")


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


def gif_with_xmp(data: bytes, packet: bytes) -> bytes:
    """A GIF with an application extension after its palette."""
    at = 13 + 3 * 2 ** (1 + (data[10] & 7))
    trailer = b"\1" + bytes(range(255, -1, -1)) + b"\0"
    return data[:at] + b"\x21\xff\x0bXMP DataXMP" + packet + trailer + data[at:]


def webp(chunks: Sequence[tuple[bytes, bytes]], **options: Any) -> bytes:
    """A WebP with more chunks at its end."""
    data = charts.file_of("WEBP", charts.gradient(16, 24, 3), lossless=True, **options)
    more = b"".join(kind + struct.pack("<I", len(body)) + body + bytes(len(body) % 2) for kind, body in chunks)
    return data[:4] + struct.pack("<I", len(data) - 8 + len(more)) + data[8:] + more


def tiff(entries: dict[int, ifd.Entry], nested: dict[int, ifd.Directory] | None = None, levels: Any = None) -> bytes:
    """An uncompressed RGB page with more entries and nested directories."""
    levels = charts.gradient(16, 24, 3) if levels is None else levels
    height, width = levels.shape[:2]
    page = ifd.Directory(
        {
            256: ifd.long(width), 257: ifd.long(height), 258: ifd.short(8, 8, 8), 259: ifd.short(1), 262: ifd.short(2),
            273: ifd.long(8), 277: ifd.short(3), 278: ifd.long(height), 279: ifd.long(levels.nbytes), **entries,
        },
        nested or {},
    )  # fmt: skip
    at = 8 + levels.nbytes
    return b"II*\0" + struct.pack("<I", at) + levels.tobytes() + ifd.encode(page, at)


def avif(**options: Any) -> bytes:
    target = io.BytesIO()
    Pillow.fromarray(np.full((16, 24, 3), 120, np.uint8)).save(target, "AVIF", speed=10, **options)
    return target.getvalue()


def strings(tags: dict[str, Any]) -> str:
    """All values of a file that exiftool read, as one text."""
    return json.dumps(tags, ensure_ascii=False)


PLACE_NAMES = re.compile(
    r"GPS|Latitude|Longitude|Altitude|City|\bState|Country|[Ll]ocation|Address|Province|geo|Elevation|Pressure"
)
