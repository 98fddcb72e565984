"""The table of picture file formats: what each can hold, and how its files are recognised."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from fourfold.core.errors import UsageError, near
from fourfold.core.image import Image


@dataclass(frozen=True)
class Format:
    """One row of the table.

    Attributes:
        name: as Pillow calls it.
        suffixes: of file names, lower case with the dot; the first is used for new files.
        writable: whether fourfold writes it.
        alpha: whether it holds an alpha channel.
        sixteen: whether fourfold writes 16 bits a channel into it.
        lossy: whether its usual compression loses detail.
        longest: longest side in pixels that its writer and its usual readers take.
        area: most pixels they take, 0 if only the sides count.
        quality: default quality of its writer, None where there is nothing to choose.
        streams: whether its writer compresses rows as they come, instead of collecting the whole picture.
        iptc: whether its writer has a place for IPTC fields; elsewhere they go into XMP.
        texts: which keyed texts its writer has a place for; the others go into XMP.
        dpi: whether its writer has a place for the resolution; elsewhere it goes into EXIF.
    """

    name: str
    suffixes: tuple[str, ...]
    writable: bool
    alpha: bool
    sixteen: bool
    lossy: bool
    longest: int
    area: int = 0
    quality: int | None = None
    streams: bool = False
    iptc: bool = False
    texts: Literal["all", "comment", "none"] = "none"
    dpi: bool = False


# Limits: libjpeg refuses more than 65500; WebP has 14 bits for a side; libavif reads at most 32768 and 2**28 pixels.
FORMATS: dict[str, Format] = {
    row.name: row
    for row in (
        Format(
            "JPEG",
            (".jpg", ".jpeg", ".jpe", ".jfif"),
            True,
            False,
            False,
            True,
            65500,
            quality=95,
            streams=True,
            iptc=True,
            texts="comment",
            dpi=True,
        ),
        Format("PNG", (".png",), True, True, True, False, 2**31 - 1, streams=True, iptc=True, texts="all", dpi=True),
        Format("WEBP", (".webp",), True, True, False, True, 16383, quality=95),
        Format("TIFF", (".tif", ".tiff"), True, True, True, False, 2**31 - 1, streams=True, iptc=True, dpi=True),
        Format("AVIF", (".avif",), True, True, False, True, 32768, area=2**28, quality=90),
        Format("HEIF", (".heic", ".heif", ".hif"), False, True, False, True, 32768),
        Format("BMP", (".bmp", ".dib"), False, False, False, False, 2**31 - 1),
        Format("GIF", (".gif",), False, True, False, False, 65535),
    )
}
"""Every format fourfold reads, by name."""


def format_of(name: Path | str) -> Format:
    """The format that a file name (``photo.jpg``), a suffix (``jpg``) or a format's own name (``JPEG``) stands for.

    Raises:
        UsageError: it stands for none of the table.
    """
    text = str(name)
    word = (Path(text).suffix or text).lower().removeprefix(".")
    for row in FORMATS.values():
        if word == row.name.lower() or f".{word}" in row.suffixes:
            return row
    known = [suffix.removeprefix(".") for row in FORMATS.values() for suffix in row.suffixes]
    expected = ", ".join(row.suffixes[0] for row in FORMATS.values() if row.writable)
    raise UsageError(f"expected a picture format ({expected}), got {text!r}. Give one of these.{near(word, known)}")


def writable_like(own: Format) -> Format:
    """The format itself if fourfold writes it, else the nearest that it writes."""
    return own if own.writable else FORMATS["JPEG" if own.lossy else "PNG"]


def fitting(image: Image, kind: Format) -> Image:
    """The image as the format can hold it, with a note about what had to go."""
    notes = image.notes
    if image.alpha is not None and not kind.alpha:
        notes += (f"{kind.name} cannot hold transparency: it was laid on white",)
        image = replace(image, pixels=image.pixels * image.alpha[..., None] + 1 - image.alpha[..., None], alpha=None)
    if image.depth == 16 and not kind.sixteen:
        notes += (f"{kind.name} holds 8 bits a channel: the input has more",)
        image = replace(image, depth=8)
    return replace(image, notes=notes)


def sniff(start: bytes) -> str | None:
    """The name of the format that a file's first 64 bytes announce, None if they announce none of the table.

    ``RAW`` is a camera raw; those made like a TIFF are announced as one.
    """
    if any(start.startswith(mark, at) for at, mark in _RAW_MARKS):
        return "RAW"
    prefixes = {
        b"\xff\xd8\xff": "JPEG",
        b"\x89PNG\r\n\x1a\n": "PNG",
        b"II*\0": "TIFF",
        b"MM\0*": "TIFF",
        b"II+\0": "TIFF",
        b"MM\0+": "TIFF",
        b"GIF87a": "GIF",
        b"GIF89a": "GIF",
        b"BM": "BMP",
    }
    for prefix, name in prefixes.items():
        if start.startswith(prefix):
            return name
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "WEBP"
    if start[4:8] == b"ftyp":
        brands = start[8 : min(64, int.from_bytes(start[:4], "big"))]
        if any(brand in brands for brand in (b"avif", b"avis")):
            return "AVIF"
        if any(brand in brands for brand in (b"hei", b"hev", b"mif1", b"msf1")):
            return "HEIF"
    return None


RAW_SUFFIXES = (
    ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".iiq", ".kdc", ".mef", ".mos", ".mrw",
    ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f",
)  # fmt: skip
"""Of names of camera raws, lower case with the dot."""

_RAW_MARKS = ((0, b"FUJIFILMCCD-RAW"), (0, b"IIRO"), (0, b"IIRS"), (0, b"MMOR"), (0, b"IIU\0"), (0, b"FOVb"),
              (0, b"\0MRM"), (6, b"HEAPCCDR"), (4, b"ftypcrx "), (8, b"CR\2\0"))  # fmt: skip
_OTHERS = (
    (0, b"\0\0\0\x0cjP  ", "a JPEG 2000 picture"), (0, b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (0, b"\xff\x0a", "a JPEG XL picture"), (0, b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (0, b"II\xbc", "a JPEG XR picture"), (0, b"8BPS", "a Photoshop document"), (0, b"gimp xcf", "a GIMP document"),
    (0, b"\x76\x2f\x31\x01", "an OpenEXR picture"), (0, b"#?RADIANCE", "a Radiance picture"),
    (0, b"DDS ", "a DDS texture"), (0, b"\0\0\1\0", "an icon"), (0, b"qoif", "a QOI picture"),
    (0, b"%PDF", "a PDF document"), (0, b"%!PS", "a PostScript document"), (0, b"\x0a\x05\x01", "a PCX picture"),
    (0, b"\0\5\x16\7", "what macOS keeps beside a file of the same name"), (4, b"ftyp", "a video"),
    (0, b"\x1a\x45\xdf\xa3", "a video"), (0, b"PK\3\4", "an archive"), (0, b"\x1f\x8b", "an archive"),
    *((0, b"P%d" % n + space, "a PNM picture") for n in range(1, 8) for space in (b"\n", b" ", b"\r")),
)  # fmt: skip


def refusal(start: bytes) -> str:
    """Why a file that starts with these 64 bytes is not read, and what to do."""
    expected = "expected a picture (JPEG, PNG, WebP, TIFF, AVIF, HEIC, BMP or GIF)"
    if not start:
        return "expected a picture, the file is empty. Copy it again from where it comes from"
    known = next((name for at, mark, name in _OTHERS if start.startswith(mark, at)), None)
    if known is not None:
        return f"{expected}, the file holds {known}, which is not read here. Export it as one of these"
    if not start.strip(b"\0"):
        return f"{expected}, the file begins with zero bytes only. Copy it again from where it comes from"
    if b"<svg" in start or start.lstrip().startswith(b"<?xml"):
        return f"{expected}, the file holds a drawing or a document in XML. Export it as one of these"
    is_text = all(byte >= 32 or byte in b"\t\r\n\f" for byte in start)
    what = "text" if is_text else f"something that starts with the bytes {start[:8].hex(' ')}"
    return f"{expected}, the file holds {what}. Export it as one of these"
