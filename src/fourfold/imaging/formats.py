"""The table of picture file formats: what each can hold, what must go to fit it, and how its files are recognised."""

from dataclasses import dataclass, replace
from pathlib import Path

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


# Limits: libjpeg refuses more than 65500; WebP has 14 bits for a side; libavif reads at most 32768 and 2**28 pixels.
FORMATS: dict[str, Format] = {
    row.name: row
    for row in (
        Format("JPEG", (".jpg", ".jpeg", ".jpe", ".jfif"), True, False, False, True, 65500, quality=95),
        Format("PNG", (".png",), True, True, True, False, 2**31 - 1, streams=True),
        Format("WEBP", (".webp",), True, True, False, True, 16383, quality=95),
        Format("TIFF", (".tif", ".tiff"), True, True, True, False, 2**31 - 1, streams=True),
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
    raise UsageError(f"expected a picture format ({expected}), got {text!r}.{near(word, known)}")


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
        notes += (f"{kind.name} holds 8 bits a channel: the input has 16",)
        image = replace(image, depth=8)
    return replace(image, notes=notes)


def sniff(start: bytes) -> str | None:
    """The name of the format that a file's first 64 bytes announce, None if they announce none of the table."""
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
