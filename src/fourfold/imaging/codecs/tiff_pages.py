"""Find the pages of a TIFF file that are pictures, and not thumbnails, masks or raw sensor data.

Source: TIFF 6.0 (NewSubfileType), TIFF technical note 1 (SubIFDs), DNG 1.7 (raw pictures).
"""

from collections.abc import Iterator

from PIL import TiffImagePlugin

from fourfold.core.errors import Damaged, PictureError
from fourfold.imaging.codecs import ifd
from fourfold.imaging.codecs.tiff import Layout

_SUBFILE, _OLD_SUBFILE, _PHOTOMETRIC, _SUBIFDS, _DNG = 254, 255, 262, 330, 50706
_REDUCED, _MASK = 1, 4
_SENSOR = (32803, 34892)
_LONGEST_CHAIN = 10_000

RARE = (
    "expected a TIFF of grey, palette, RGB, CMYK, YCbCr or L*a*b* colours of at most 16 bits, got a rarer kind that "
    "cannot be read faithfully. Save it as 8- or 16-bit grey, RGB or CMYK with the program it comes from"
)
_NAMES = {
    33003: "JPEG 2000", 33004: "JPEG 2000", 33005: "JPEG 2000", 34712: "JPEG 2000", 34661: "JBIG", 34887: "LERC",
    50002: "JPEG XL", 52546: "JPEG XL", 32908: "PixarFilm", 32909: "PixarLog",
    50001: "WebP", 34676: "SGILog", 34677: "SGILog", 32809: "ThunderScan",
}  # fmt: skip


OPTIONAL = (50001, 34676, 34677, 32809)
"""Numbers of compressions that Pillow's library can be built without: WebP, SGILog, ThunderScan."""


def packed_otherwise(compression: int) -> str:
    """The refusal of a compression that is not read."""
    name = _NAMES.get(compression, f"number {compression}")
    return (
        "expected a TIFF packed with LZW, Deflate, PackBits, LZMA, Zstandard, JPEG, CCITT or not at all, got the "
        f"compression {name}, which is not read here. Convert it, for example with tiffcp or GDAL"
    )


def check_kind(page: ifd.Directory, layout: Layout) -> None:
    """Make sure that Pillow can read a page.

    Raises:
        PictureError: its compression or its samples are of a kind that is not read.
    """
    if layout.compression not in TiffImagePlugin.COMPRESSION_INFO:
        raise PictureError(packed_otherwise(layout.compression))
    if layout.separate or max(page.entries[258].numbers if 258 in page.entries else (1,), default=1) > 8:
        raise PictureError(RARE)


def pages(reader: ifd.Reader) -> list[ifd.Directory]:
    """The directories of a file's pictures at their full size, in order; none if it is a camera raw.

    Where all are marked as reduced or as masks, the largest counts as the picture.

    Raises:
        ValueError: the first directory cannot be read, or the one of the picture beside a thumbnail.
    """
    chain = list(_chain(reader))
    nested, unread = [], False
    for page in chain:
        found, lacks = _nested(reader, page)
        nested += found
        unread |= lacks
    every = [*chain, *nested]
    full = [page for page in chain if _is_full(page)] or [page for page in nested if _is_full(page)]
    if any(page.number(_PHOTOMETRIC, 0) in _SENSOR for page in every if _is_full(page)):
        return []
    if not full and _DNG in chain[0].entries:
        return []
    if not full and unread:
        raise Damaged("only a thumbnail can be found")
    return full or [max(every, key=lambda page: page.number(256, 0) * page.number(257, 0))]


def _chain(reader: ifd.Reader) -> Iterator[ifd.Directory]:
    """The directories one after the other; the first must be sound, the others end where they are not."""
    page = reader.directory()
    seen = {page.offset}
    yield page
    while page.following and page.following not in seen and len(seen) < _LONGEST_CHAIN:
        seen.add(page.following)
        try:
            page = reader.directory(page.following)
        except ValueError:
            return
        yield page


def _nested(reader: ifd.Reader, page: ifd.Directory) -> tuple[list[ifd.Directory], bool]:
    """The directories that a page points at, and whether some of them cannot be read."""
    entry = page.entries.get(_SUBIFDS)
    found, unread = [], entry is not None and not entry.data
    for offset in entry.numbers[:100] if entry else ():
        try:
            found.append(reader.directory(offset))
        except ValueError:
            unread = True
    return found, unread


def _is_full(page: ifd.Directory) -> bool:
    if page.number(_OLD_SUBFILE, 1) == 2 or page.number(256, 0) * page.number(257, 0) == 0:
        return False
    return not page.number(_SUBFILE, 0) & (_REDUCED | _MASK)
