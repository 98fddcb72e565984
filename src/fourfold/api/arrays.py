"""Convert PIL images and arrays to an ``Image``, and rows of a result back to the kind that was given."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageOps

from fourfold.core.contract import Levels
from fourfold.core.errors import InvalidInput
from fourfold.core.image import Image
from fourfold.core.size import Size


class Canvas(Protocol):
    """A result that is filled row by row."""

    @property
    def picture(self) -> Any:
        """The finished result, once every row is written."""
        ...

    def write(self, band: Levels, /) -> None:
        """Add the next rows from the top."""


@dataclass(frozen=True)
class Taken:
    """A PIL image or an array as an ``Image``.

    Attributes:
        image: the converted value; canvas: for a result of the same kind, by its ``(height, width)``.
        held: bytes that a pixel of such a result takes.
    """

    image: Image
    canvas: Callable[[Size], Canvas]
    held: int


def taken(image: Any) -> Taken:
    """Convert a PIL image, which is turned upright, or an ``H×W``, ``H×W×2``, ``H×W×3`` or ``H×W×4`` array.

    Raises:
        InvalidInput: the value is no such picture, or its range is not known.
    """
    if isinstance(image, Pillow.Image):
        with suppress(SyntaxError):  # EXIF that is damaged states no orientation
            image = ImageOps.exif_transpose(image)
        pixels, profile = _pillow_pixels(image)
        mode = "I;16" if pixels.dtype == np.uint16 else ("L", "LA", "RGB", "RGBA")[pixels[0, 0].size - 1]
        held = {"L": 1, "I;16": 2}.get(mode, 4)
        return Taken(_from_array(pixels, profile), lambda size: _PillowCanvas(mode, size, profile), held)
    array = np.asarray(image)
    if array.ndim not in (2, 3) or 0 in array.shape or (array.ndim == 3 and array.shape[2] not in (1, 2, 3, 4)):
        raise InvalidInput(
            f"expected a path, a PIL image or an H×W, H×W×3 or H×W×4 array; got {type(image).__name__} "
            f"of shape {array.shape}"
        )
    if array.dtype.kind != "f" and array.dtype not in (np.uint8, np.uint16):
        raise InvalidInput(f"expected uint8, uint16 or floating point values, got {array.dtype}")
    return Taken(_from_array(array, None), lambda size: _ArrayCanvas(array, size), array[0, 0].nbytes)


class _PillowCanvas:
    def __init__(self, mode: str, size: Size, profile: bytes | None) -> None:
        self.picture = Pillow.new(mode, size[::-1])
        if profile:
            self.picture.info["icc_profile"] = profile
        self._row = 0

    def write(self, band: Levels) -> None:
        if len(band):
            self.picture.paste(Pillow.fromarray(band[..., 0] if band.shape[2] == 1 else band), (0, self._row))
        self._row += len(band)


class _ArrayCanvas:
    def __init__(self, like: NDArray[Any], size: Size) -> None:
        self.picture = np.empty((*size, *like.shape[2:]), like.dtype)
        self._row = 0

    def write(self, band: Levels) -> None:
        rows = self.picture[self._row : self._row + len(band)]
        shaped = band[..., 0] if rows.ndim == 2 else band
        rows[:] = shaped if rows.dtype == band.dtype else shaped / np.float32(65535)
        self._row += len(band)


def _pillow_pixels(image: Pillow.Image) -> tuple[NDArray[Any], bytes | None]:
    """Levels of a PIL image, and its profile as long as that still describes them."""
    if image.mode in ("I", "F"):
        raise InvalidInput(
            f"expected a PIL image of 8 bits a channel or mode I;16, got mode {image.mode}; its range is not known"
        )
    profile = image.info.get("icc_profile")
    if image.mode in ("L", "LA", "RGB", "RGBA"):
        return np.asarray(image), profile
    if image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16), profile
    plain = "L" if image.mode == "1" else "RGBA" if image.has_transparency_data else "RGB"
    return np.asarray(image.convert(plain)), None if image.mode in ("CMYK", "LAB") else profile


def _from_array(array: NDArray[Any], profile: bytes | None) -> Image:
    """Integers by their own range, floats as 0..1 at sixteen bits, so that little is lost on the way."""
    if array.dtype.kind == "f":
        if not np.isfinite(array).all() or array.min() < 0 or array.max() > 1:
            raise InvalidInput("expected floating point values within 0..1")
        values, depth = array.astype(np.float32), 16
    else:
        values = array.astype(np.float32) / np.float32(np.iinfo(array.dtype).max)
        depth = 8 * array.dtype.itemsize
    if values.ndim == 2:
        values = values[..., None]
    colors = 1 if values.shape[2] < 3 else 3
    alpha = values[..., colors] if values.shape[2] > colors else None
    return Image(np.ascontiguousarray(values[..., :colors]), alpha, depth, profile)
