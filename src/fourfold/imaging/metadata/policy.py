"""Collect the metadata of an input file, and decide what of it a written picture keeps."""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any, Literal

from fourfold.core.image import Metadata, Text
from fourfold.imaging.metadata import exif as exif_blocks
from fourfold.imaging.metadata import privacy, xmp

MetadataPolicy = Literal["keep", "strip", "strip-location"]
"""``keep`` everything, ``strip`` all but the colour profile, or ``strip-location``: drop where it was taken."""

_THUMBNAIL = "The thumbnail in EXIF is not carried over: it shows the photo as it was."
_ROOM = 60_000  # bytes of a packet that, with a recipe more, still fits into a JPEG


def orientation(exif: bytes, xmp_packet: bytes = b"") -> int:
    """The orientation, 1 to 8, that a file states in EXIF, else in XMP; 1 if it states none.

    Damage elsewhere in the block does not matter.
    """
    stated = exif_blocks.orientation(exif)
    return xmp.orientation(xmp_packet) if stated is None else stated


def received(
    exif: bytes,
    xmp_packet: bytes,
    dpi: tuple[float, float] | None,
    iptc: bytes = b"",
    texts: tuple[Text, ...] = (),
    aspect: tuple[float, float] | None = None,
) -> tuple[Metadata, tuple[str, ...]]:
    """What a file carried, for a picture that is upright by now.

    Args:
        exif: the block as found, with or without its ``Exif`` prefix; empty if none.
        xmp_packet: as found; empty if none.
        dpi: resolution as found, possibly nonsense.
        iptc: an IIM stream as found; empty if none.
        texts: text chunks and comments.
        aspect: pixels on the same length across and down as found, possibly nonsense.

    Returns:
        The metadata with orientation 1, and a note about each part that had to be dropped.
    """
    notes: tuple[str, ...] = ()
    exif = exif.removeprefix(b"Exif\0\0")
    if exif:
        exif, notes = exif_blocks.repaired(exif)
        notes += (_THUMBNAIL,) if exif_blocks.has_thumbnail(exif) else ()
    packet = xmp_packet if xmp_packet.strip(b"\0 \r\n") else b""
    if packet:
        try:
            packet = xmp.in_utf8(packet).strip(b"\0 \r\n")
            xmp.parsed(packet)
            packet, more = xmp.split_texts(packet)
            texts += more
        except xmp.FAILURES:
            packet = b""
            notes += ("The XMP packet is damaged and was dropped.",)
    dpi = next((each for each in (dpi, exif_blocks.resolution(exif)) if each and _sound(each)), None)
    shape = None if dpi else _ratio(aspect)
    return Metadata(exif, packet, dpi and (float(dpi[0]), float(dpi[1])), iptc, texts, shape), notes


def _ratio(aspect: tuple[float, float] | None) -> tuple[int, int] | None:
    """In small whole numbers; None if pixels are square, or the file states nonsense."""
    if not aspect or not (0.01 < aspect[0] / max(aspect[1], 1e-9) < 100):
        return None
    ratio = Fraction(aspect[0] / aspect[1]).limit_denominator(500)
    return None if ratio == 1 else (ratio.numerator, ratio.denominator)


def _sound(dpi: tuple[float, float]) -> bool:
    return all(1 < value < 65536 for value in dpi)


def for_output(metadata: Metadata, policy: MetadataPolicy, size: tuple[int, int]) -> Metadata:
    """The metadata for a written picture of ``size`` (height, width).

    Orientation becomes 1, stated sizes become the new ones, embedded thumbnails go, and so do properties that point
    at data which is not carried over (depth and gain maps, motion pictures). With ``keep``, makers' notes stay byte
    for byte. A damaged block is left out.
    """
    if policy == "strip":
        return Metadata(aspect=metadata.aspect)
    exif, packet = metadata.exif, metadata.xmp
    if exif:
        try:
            exif = exif_blocks.renewed(exif, size)
        except ValueError:
            exif = b""
    if packet:
        try:
            packet = xmp.renewed(packet, size)
        except xmp.FAILURES:
            packet = b""
    renewed = replace(metadata, exif=exif, xmp=packet)
    return privacy.without_places(renewed) if policy == "strip-location" else renewed


def with_recipe(metadata: Metadata, recipe: Mapping[str, Any]) -> Metadata:
    """The metadata with an XMP property that says how the picture was made; everything else in it stays byte for byte.

    Args:
        metadata: as ``for_output`` gives it.
        recipe: plain values; left out if they are longer than ``LONGEST_RECIPE`` as JSON, or the packet has no room.
    """
    return replace(metadata, xmp=xmp.with_recipe(metadata.xmp, recipe, _ROOM))


def recipe_of(metadata: Metadata) -> dict[str, Any] | None:
    """What ``with_recipe`` put into the metadata, None if there is nothing of the kind."""
    return xmp.recipe_of(metadata.xmp)
