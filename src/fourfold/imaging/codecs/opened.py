"""What a decoder gives of an open file: what its header says, and how to read its pixels."""

from collections.abc import Callable
from dataclasses import dataclass

from fourfold.core.contract import Levels
from fourfold.core.errors import PictureError
from fourfold.core.image import Text
from fourfold.imaging import color

SEVERAL = "The file holds more than one picture; the first was taken."
RARE = (
    "expected a {} file of a usual kind, got a rare one, which is not read here. Convert it to PNG or TIFF, for "
    "example with ImageMagick or the program it comes from"
)


@dataclass(frozen=True)
class Decoded:
    """A picture as its file has it, but upright.

    Attributes:
        levels: ``H×W×C``, C = 1 grey, 2 grey with alpha, 3 RGB, 4 RGB with alpha.
        profile: ICC profile as found, empty if it could not be unpacked, None if there is none.
        code: code points of the colour space, where the file gives those instead of a profile.
        exif, xmp: as found; empty if none.
        dpi: as found.
        notes: sentences about what had to be changed.
        iptc: an IPTC-IIM stream as found; empty if none.
        texts: text chunks and comments.
        aspect: pixels on the same length across and down, as found.
    """

    levels: Levels
    profile: bytes | None = None
    code: color.CodePoints | None = None
    exif: bytes = b""
    xmp: bytes = b""
    dpi: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()
    iptc: bytes = b""
    texts: tuple[Text, ...] = ()
    aspect: tuple[float, float] | None = None


@dataclass(frozen=True)
class Opened:
    """A file whose header has been read.

    Attributes:
        height, width: of the upright picture.
        channels: 1 grey, 2 grey with alpha, 3 RGB, 4 RGB with alpha.
        depth: 8 or 16, what ``decode`` will give.
        lossy: whether its compression loses detail.
        decode: reads the pixels; the stream must still be open.
        pages: how many pictures the file holds.
        raw: whether it is a camera raw.
    """

    height: int
    width: int
    channels: int
    depth: int
    lossy: bool
    decode: Callable[[], Decoded]
    pages: int = 1
    raw: bool = False


def page_number(page: int | None, pages: int) -> int:
    """The page to take, from 0; raises ``PictureError`` if there is none of that number."""
    if page is not None and not 1 <= page <= pages:
        raise PictureError(f"expected a page from 1 to {pages}, got {page}. Ask for one that the file has")
    return 0 if page is None else page - 1


def upright(levels: Levels, turned: int) -> Levels:
    """Undo an EXIF orientation, 1 to 8; the result is contiguous."""
    if turned >= 5:
        levels = levels.swapaxes(0, 1)
    rows = slice(None, None, -1) if turned in (3, 4, 7, 8) else slice(None)
    columns = slice(None, None, -1) if turned in (2, 3, 6, 7) else slice(None)
    flipped: Levels = levels[rows, columns]
    return flipped if flipped.flags.c_contiguous else flipped.copy()


def turned_pair(pair: tuple[float, float] | None, turned: int) -> tuple[float, float] | None:
    """Values across and down, of a picture that an EXIF orientation turns upright."""
    return pair[::-1] if pair and turned >= 5 else pair
