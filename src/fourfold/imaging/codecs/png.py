"""PNG: chunks in, and a streaming writer out.

Source: Portable Network Graphics (third edition), W3C 2025.
"""

import io
import struct
import textwrap
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import PngImagePlugin

from fourfold.core.contract import Levels
from fourfold.core.errors import Damaged
from fourfold.core.image import Metadata, Text
from fourfold.imaging.codecs import extras
from fourfold.imaging.color import SRGB_CHROMATICITIES, CodePoints, simple_profile
from fourfold.imaging.metadata.fields import keyword_of
from fourfold.imaging.metadata.iptc import IPTC, resource, resources

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_XMP_KEYWORD, _PROFILE_KEYWORD = "XML:com.adobe.xmp", "Raw profile type "
_PROFILES = ("exif", "APP1", "xmp", "iptc", "8bim", _XMP_KEYWORD)
_LONGEST_PROFILE = 1 << 24
_KNOWN = {
    *(b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"cHRM", b"cICP", b"gAMA", b"iCCP", b"sBIT", b"sRGB", b"bKGD"),
    *(b"hIST", b"sPLT", b"tIME", b"pHYs", b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"acTL", b"fcTL", b"fdAT", b"caBX"),
    *(b"iDOT", b"CgBI", b"vpAg", b"caNv", b"orNT", b"oFFs"),
}
_BAND_BYTES = 1 << 20


@dataclass(frozen=True)
class Start:
    """All of a file but its pixels.

    Attributes:
        height, width: in pixels.
        bits: a sample, 1 to 16.
        colour: PNG's colour type; 0 grey, 2 RGB, 3 palette, 4 grey with alpha, 6 RGB with alpha.
        chunks: all chunks but the pixels, the first of each type.
        exif: the EXIF block, also where ImageMagick used to put it; empty if none.
        xmp: the XMP packet; empty if none.
        iptc: the IPTC-IIM stream, where ImageMagick puts it; empty if none.
        texts: the other text chunks.
        not_carried: notes about what nothing here knows.
    """

    height: int
    width: int
    bits: int
    colour: int
    chunks: dict[bytes, bytes]
    exif: bytes
    xmp: bytes
    iptc: bytes
    texts: tuple[Text, ...]
    not_carried: tuple[str, ...]

    @property
    def channels(self) -> int:
        """1 grey, 2 grey with alpha, 3 RGB, 4 RGB with alpha; palettes count as RGB."""
        return (3 if self.colour in (2, 3, 6) else 1) + (self.colour in (4, 6) or b"tRNS" in self.chunks)


def read_start(stream: BinaryIO) -> Start:
    """Everything but the pixels, which are skipped.

    Raises:
        ValueError: the file is damaged or ends within these parts.
    """
    chunks: dict[bytes, bytes] = {}
    found = []
    for kind, data in _chunks(stream, pixels=False):
        chunks.setdefault(kind, data)
        if kind in (b"iTXt", b"zTXt", b"tEXt"):
            found.append((kind, data))
    if len(chunks.get(b"IHDR", b"")) != 13:
        raise Damaged("there is no header chunk")
    width, height, bits, colour = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    if colour not in (0, 2, 3, 4, 6) or bits not in (1, 2, 4, 8, 16) or 0 in (width, height):
        raise Damaged("the header chunk makes no sense")
    texts, profiles, lost = _texts(found)
    notes = (*_not_carried(stream, chunks), *lost)
    exif = chunks.get(b"eXIf") or _raw_profile(profiles.get("exif", b"") or profiles.get("APP1", b""))
    packet = profiles.get(_XMP_KEYWORD) or _raw_profile(profiles.get("xmp", b""))
    fields = _raw_profile(profiles.get("iptc", b"") or profiles.get("8bim", b""))
    fields = next((content for number, content in resources(fields) if number == IPTC), fields)
    return Start(height, width, bits, colour, chunks, exif, packet, fields, texts, notes)


def read_pixels(stream: BinaryIO, start: Start) -> Levels:
    """``H×W×C`` of 8 or 16 bits, C as ``Start.channels``.

    Raises:
        ValueError, OSError, SyntaxError: the file is damaged or ends early.
    """
    return unpacked(start, (data for kind, data in _chunks(stream, pixels=True) if kind == b"IDAT"))


def unpacked(start: Start, parts: Iterable[bytes]) -> Levels:
    """As ``read_pixels``, from the contents of the chunks that hold the pixels."""
    alone = bytearray(SIGNATURE)
    for kind in (b"IHDR", b"PLTE"):
        if kind in start.chunks:
            alone += _chunk(kind, start.chunks[kind])
    for data in parts:
        alone += _chunk(b"IDAT", data)
    alone += _chunk(b"IEND", b"")
    return _levels(bytes(alone), start)


def _chunks(stream: BinaryIO, *, pixels: bool) -> Iterator[tuple[bytes, bytes]]:
    """Type and data of every chunk; the checksums of those that pictures cannot do without are verified.

    What is damaged after the pixels have begun matters to those who want ``pixels`` only.
    """
    end = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    if stream.read(8) != SIGNATURE:
        raise Damaged("the signature is missing")
    begun = False
    while len(head := stream.read(8)) == 8:
        size, kind = int.from_bytes(head[:4], "big"), head[4:]
        begun |= kind == b"IDAT"
        if kind == b"IDAT" and not pixels:
            stream.seek(size + 4, io.SEEK_CUR)
            continue
        data, check = stream.read(min(size, end)), stream.read(4)
        flaw = _flaw(kind, size, data, check)
        if flaw and begun and not pixels:
            return
        if flaw:
            raise Damaged(flaw)
        yield kind, data
        if kind == b"IEND":
            return
    if pixels:
        raise Damaged("its end is missing")


def _flaw(kind: bytes, size: int, data: bytes, check: bytes) -> str:
    """What is wrong with a chunk; empty if nothing is."""
    if len(data) < size or len(check) < 4:
        return f"it ends within a chunk of type {kind!r}"
    if kind[:1].isupper() and int.from_bytes(check, "big") != zlib.crc32(data, zlib.crc32(kind)):
        return f"a chunk of type {kind!r} has a wrong checksum"
    return ""


def _levels(data: bytes, start: Start) -> Levels:
    chunks = start.chunks
    key = chunks.get(b"tRNS", b"")
    if start.bits == 16:
        levels: Levels = _deep(data, start.colour)
    else:
        picture = PngImagePlugin.PngImageFile(io.BytesIO(data))
        if start.colour == 3:
            if b"PLTE" not in chunks:
                raise Damaged("its palette is missing")
            picture.load()
            if b"tRNS" in chunks:
                picture.info["transparency"] = key[:256].ljust(256, b"\xff")
            return np.asarray(picture.convert("RGBA" if b"tRNS" in chunks else "RGB"))
        levels = np.asarray(picture.convert("L") if picture.mode == "1" else picture)
        levels = levels.reshape(start.height, start.width, -1)
    if b"tRNS" not in chunks or start.colour in (4, 6):
        return levels
    top = np.iinfo(levels.dtype).max
    wanted = np.frombuffer(key.ljust(6, b"\0")[: 2 * levels.shape[2]], ">u2").astype(np.int64)
    hidden = (levels == wanted * top // (2**start.bits - 1)).all(axis=2, keepdims=True)
    return np.concatenate([levels, np.where(hidden, 0, top).astype(levels.dtype)], axis=2)


def _deep(data: bytes, colour: int) -> NDArray[np.uint16]:
    """16-bit samples. Pillow keeps only high bytes of colour, so it decodes twice, once as if bytes were swapped."""

    def decoded(raw: str | None) -> NDArray[Any]:
        picture = PngImagePlugin.PngImageFile(io.BytesIO(data))
        if raw is not None:
            picture.tile = [tile._replace(args=raw) for tile in picture.tile]
        return np.asarray(picture)

    if colour == 0:
        return np.asarray(decoded(None), np.uint16)[..., None]
    if colour == 4:  # Pillow opens it as RGBA, and four bytes a pixel are just what it has
        return np.asarray(decoded("RGBA").view(">u2"), np.uint16)
    mode = "RGB" if colour == 2 else "RGBA"
    levels: NDArray[np.uint16] = np.left_shift(decoded(f"{mode};16B"), 8, dtype=np.uint16)
    levels |= decoded(f"{mode};16L")
    return levels


def _texts(found: list[tuple[bytes, bytes]]) -> tuple[tuple[Text, ...], dict[str, bytes], list[str]]:
    """Texts, profiles that stand as texts (by their kind, XMP too), and a note about what cannot be read."""
    texts, lost, room = [], [], _LONGEST_PROFILE
    profiles: dict[str, bytes] = {}
    for kind, data in found:
        keyword, _, rest = data.partition(b"\0")
        name = keyword.decode("latin-1")
        profile = name.removeprefix(_PROFILE_KEYWORD)
        try:
            text, language = _text(kind, rest, room)
        except (zlib.error, ValueError):
            lost.append(name)
            continue
        room -= len(text)
        if name == profile != _XMP_KEYWORD:
            texts.append(Text(name, text, language))
        elif profile in _PROFILES:
            profiles.setdefault(profile, text.encode())
        else:
            lost.append(name)
    note = f"Texts that are damaged, too long or of an unknown kind are not carried over: {', '.join(lost)}."
    return tuple(texts), profiles, [note] if lost else []


def _text(kind: bytes, rest: bytes, room: int) -> tuple[str, str]:
    """What follows the keyword of a text chunk: the text and its language.

    Some programs write UTF-8 where Latin-1 is due.

    Raises:
        zlib.error: it cannot be unpacked. ValueError: it is longer than ``room`` bytes.
    """
    language = b""
    packed = kind == b"zTXt" or (kind == b"iTXt" and rest[:1] == b"\1")
    if kind == b"iTXt":
        language, _, rest = rest[2:].partition(b"\0")
        rest = rest.partition(b"\0")[2]
    elif kind == b"zTXt":
        rest = rest[1:]
    rest = zlib.decompressobj().decompress(rest, room + 1) if packed else rest
    if len(rest) > room:
        raise ValueError(f"expected a text of at most {room} bytes")
    try:
        text = rest.decode("utf-8")
    except UnicodeDecodeError:
        text = rest.decode("latin-1")
    return text, language.decode("latin-1")


def _raw_profile(text: bytes) -> bytes:
    """ImageMagick's way: a name, a length, and the bytes in hexadecimal."""
    try:
        return bytes.fromhex("".join(text.decode("ascii").split()[2:]))
    except ValueError:
        return b""


def profile_of(chunks: dict[bytes, bytes], *, grey: bool) -> tuple[bytes | None, CodePoints | None]:
    """The ICC profile, made from gamma and chromaticities if need be, or the code points of a ``cICP`` chunk.

    None stands for sRGB: stated, or assumed because nothing is. A damaged profile comes back empty.
    """
    code = chunks.get(b"cICP", b"")
    if len(code) == 4:
        return None, CodePoints(code[0], code[1])
    if b"iCCP" in chunks:
        try:
            packed = chunks[b"iCCP"].partition(b"\0")[2][1:]
            return zlib.decompressobj().decompress(packed, _LONGEST_PROFILE), None
        except zlib.error:
            return b"", None
    if b"sRGB" in chunks:
        return None, None
    gamma = int.from_bytes(chunks.get(b"gAMA", b"")[:4], "big") / 100000
    space: tuple[tuple[float, float], ...] = SRGB_CHROMATICITIES
    if len(chunks.get(b"cHRM", b"")) == 32 and not grey:
        numbers = [number / 100000 for number in struct.unpack(">8I", chunks[b"cHRM"])]
        space = tuple(zip(numbers[2::2] + numbers[:1], numbers[3::2] + numbers[1:2], strict=True))
    usual = np.allclose(space, SRGB_CHROMATICITIES, atol=0.002)
    if usual and (gamma == 0 or abs(gamma - 1 / 2.2) < 0.005):
        return None, None
    try:
        return simple_profile(None if grey else space, 1 / gamma if gamma else None, "From gAMA and cHRM"), None
    except (struct.error, ZeroDivisionError, np.linalg.LinAlgError):  # numbers that describe no colour space
        return None, None


def dpi_of(chunks: dict[bytes, bytes]) -> tuple[float, float] | None:
    """Resolution of a ``pHYs`` chunk in dots per inch, None if it has no unit."""
    data = chunks.get(b"pHYs", b"")
    return (round(_inch(data[:4]), 2), round(_inch(data[4:8]), 2)) if len(data) == 9 and data[8] == 1 else None


def aspect_of(chunks: dict[bytes, bytes]) -> tuple[float, float] | None:
    """Pixels on the same length across and down, of a ``pHYs`` chunk without a unit."""
    data = chunks.get(b"pHYs", b"")
    return struct.unpack(">II", data[:8]) if len(data) == 9 and data[8] == 0 else None


def _not_carried(stream: BinaryIO, kinds: Iterable[bytes]) -> tuple[str, ...]:
    """Notes about chunks that nothing here knows, and about what follows the last one, where the stream stands.

    Those that describe the old file's pixels are known.
    """
    notes = [extras.CREDENTIALS] if b"caBX" in kinds else []
    notes += extras.of_names("Chunks", [kind.decode("latin-1") for kind in kinds if kind not in _KNOWN])
    return (*notes, *extras.behind(stream, stream.tell()))


def _inch(per_metre: bytes) -> float:
    return int.from_bytes(per_metre, "big") * 0.0254


class Encoder:
    """Writes a PNG band by band; never seeks.

    Rows are predicted from the row above, and packed by ISA-L in a third of the time of zlib at its fastest.
    """

    def __init__(
        self,
        stream: BinaryIO,
        shape: tuple[int, int, int],
        depth: int,
        profile: bytes | None,
        metadata: Metadata,
    ) -> None:
        self._stream = stream
        height, width, channels = shape
        colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
        self._packer = _packer()
        self._above: NDArray[np.uint8] = np.zeros((1, width * channels * depth // 8), np.uint8)
        stream.write(SIGNATURE + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)))
        if profile:
            stream.write(_chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(profile)))
        if metadata.dpi:
            x, y = (round(value / 0.0254) for value in metadata.dpi)
            stream.write(_chunk(b"pHYs", struct.pack(">IIB", x, y, 1)))
        elif metadata.aspect:
            stream.write(_chunk(b"pHYs", struct.pack(">IIB", *metadata.aspect, 0)))
        if metadata.exif:
            stream.write(_chunk(b"eXIf", metadata.exif))
        if metadata.xmp:
            stream.write(_chunk(b"iTXt", _XMP_KEYWORD.encode() + b"\0\0\0\0\0" + metadata.xmp))
        if metadata.iptc:
            stream.write(_chunk(b"zTXt", _iptc_profile(metadata.iptc)))
        for text in metadata.texts:
            stream.write(_text_chunk(text))

    def write(self, band: Levels) -> None:
        """Add rows, ``h×W×C`` of the depth the file was begun with."""
        samples = band.astype(">u2") if band.dtype == np.uint16 else band
        rows = np.ascontiguousarray(samples).view(np.uint8).reshape(len(band), -1)
        step = max(1, _BAND_BYTES // rows.shape[1])
        for top in range(0, len(rows), step):
            part = rows[top : top + step]
            filtered = np.empty((len(part), 1 + part.shape[1]), np.uint8)
            filtered[:, 0] = 2
            np.subtract(part[0], self._above[0], out=filtered[0, 1:])
            np.subtract(part[1:], part[:-1], out=filtered[1:, 1:])
            self._above = part[-1:].copy()
            self._pack(self._packer.compress(filtered.data))

    def finish(self) -> None:
        """Write what is left and the end of the file."""
        self._pack(self._packer.flush())
        self._stream.write(_chunk(b"IEND", b""))

    def _pack(self, data: bytes) -> None:
        if data:
            self._stream.write(_chunk(b"IDAT", data))


def _iptc_profile(fields: bytes) -> bytes:
    """ImageMagick's way, in hexadecimal, as the standard has no place for IPTC."""
    data = resource(fields)
    lines = textwrap.wrap(data.hex(), 72)
    text = "\n".join(("", "iptc", f"{len(data):8}", *lines, ""))
    return f"{_PROFILE_KEYWORD}iptc".encode() + b"\0\0" + zlib.compress(text.encode())


def _text_chunk(text: Text) -> bytes:
    """``tEXt`` where ASCII suffices, else ``iTXt``."""
    keyword, value = keyword_of(text).encode("latin-1"), text.text.replace("\0", "")
    if not text.language and value.isascii():
        return _chunk(b"tEXt", keyword + b"\0" + value.encode())
    return _chunk(b"iTXt", keyword + b"\0\0\0" + text.language.encode("ascii", "ignore") + b"\0\0" + value.encode())


def _packer() -> Any:
    """What compresses into a zlib stream; without ISA-L by run lengths and Huffman codes only, zlib's quickest way."""
    try:
        from isal import isal_zlib
    except ImportError:
        return zlib.compressobj(1, zlib.DEFLATED, 15, 9, zlib.Z_RLE)
    return isal_zlib.compressobj(2, zlib.DEFLATED, 15)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))
