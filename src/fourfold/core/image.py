"""Image: the picture value that all layers share."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fourfold.core.errors import InvalidInput

_BAND_ROWS = 256


@dataclass(frozen=True)
class Text:
    """A text with a keyword, as PNG files hold them; the comment of a JPEG or GIF has the keyword ``Comment``.

    Attributes:
        keyword: 1 to 79 characters.
        text: of any length.
        language: an RFC 3066 tag such as ``de``; empty if none is stated.
    """

    keyword: str
    text: str
    language: str = ""


@dataclass(frozen=True)
class Metadata:
    """What travels beside the pixels.

    Attributes:
        exif: a TIFF-structured EXIF block without the ``Exif\\0\\0`` prefix, orientation already 1; empty if none.
        xmp: an XMP packet in UTF-8; empty if none.
        dpi: horizontal and vertical resolution in dots per inch, if the file stated one.
        iptc: an IPTC-IIM stream; empty if none.
        texts: text chunks and comments, in their order.
        aspect: pixels on the same length across and down, where the file states no resolution but pixels that are not
            square; whole numbers up to 65535.
        notes: sentences for the person about what was left out of it.
    """

    exif: bytes = b""
    xmp: bytes = b""
    dpi: tuple[float, float] | None = None
    iptc: bytes = b""
    texts: tuple[Text, ...] = ()
    aspect: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Image:
    """A picture, upright, in memory; an immutable value.

    Attributes:
        pixels: ``H×W×C`` ``float32`` in 0..1, C = 1 (grey) or 3 (RGB), gamma-encoded in the space of ``profile``.
        alpha: ``H×W`` ``float32`` in 0..1, straight (not premultiplied), or None when opaque.
        depth: bits a channel of the file it came from or goes to, 8 or 16.
        profile: the ICC profile of ``pixels``; None means sRGB.
        metadata: EXIF, XMP and resolution.
        format: of the file it came from, as ``imaging.files.FORMATS`` names it; empty if it came from none.
        lossy: whether that file was compressed with loss.
        notes: sentences for the person about anything that had to be changed while reading.
    """

    pixels: NDArray[np.float32]
    alpha: NDArray[np.float32] | None = None
    depth: int = 8
    profile: bytes | None = None
    metadata: Metadata = field(default_factory=Metadata)
    format: str = ""
    lossy: bool = False
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        shape = self.pixels.shape
        if len(shape) != 3 or shape[2] not in (1, 3) or 0 in shape or self.pixels.dtype != np.float32:
            raise InvalidInput(f"expected H×W×1 or H×W×3 float32 pixels, got {shape} {self.pixels.dtype}")
        if self.alpha is not None and self.alpha.shape != shape[:2]:
            raise InvalidInput(f"expected alpha of shape {shape[:2]}, got {self.alpha.shape}")
        if self.depth not in (8, 16):
            raise InvalidInput(f"expected a depth of 8 or 16 bits, got {self.depth}")

    @classmethod
    def of_levels(cls, levels: NDArray[np.integer[Any]], **beside: Any) -> Self:
        """The picture that ``H×W×C`` integers of 8 or 16 bits hold, alpha last; ``beside``: profile and so on."""
        colours = 1 if levels.shape[2] < 3 else 3
        peak = np.float32(np.iinfo(levels.dtype).max)
        pixels: NDArray[np.float32] = np.divide(levels[..., :colours], peak, dtype=np.float32)
        alpha: NDArray[np.float32] | None = None
        if levels.shape[2] > colours:
            alpha = np.divide(levels[..., colours], peak, dtype=np.float32)
        return cls(pixels, alpha, **{"depth": 8 * levels.dtype.itemsize, **beside})

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]

    def levels(self, rows: slice = slice(None)) -> NDArray[np.uint8] | NDArray[np.uint16]:
        """Some or all rows as a file holds them: clamped, rounded to ``depth`` bits, alpha as the last channel."""
        pixels = np.clip(self.pixels[rows], 0, 1)
        if self.alpha is not None:
            pixels = np.dstack([pixels, np.clip(self.alpha[rows], 0, 1)])
        levels: NDArray[np.uint8] | NDArray[np.uint16] = np.rint(pixels * np.float32(2**self.depth - 1)).astype(
            np.uint8 if self.depth == 8 else np.uint16
        )
        return levels

    def bands(self) -> Iterator[NDArray[np.uint8] | NDArray[np.uint16]]:
        """All rows as ``levels`` gives them, some after the other."""
        return (self.levels(slice(top, top + _BAND_ROWS)) for top in range(0, len(self.pixels), _BAND_ROWS))

    def rgb8(self) -> NDArray[np.uint8]:
        """``H×W×3`` levels as seen on black, grey as three equal channels."""
        seen = self.pixels if self.alpha is None else self.pixels * self.alpha[..., None]
        levels = np.rint(seen * 255).clip(0, 255).astype(np.uint8)
        return np.ascontiguousarray(np.broadcast_to(levels, (*levels.shape[:2], 3)))
