"""Encoders of formats that need the whole picture at once: JPEG, WebP and AVIF, through Pillow."""

import io
from typing import Any, BinaryIO, cast

from PIL import Image as Pillow

from fourfold.core.contract import Levels
from fourfold.core.image import Metadata
from fourfold.imaging import color
from fourfold.imaging.codecs import jpeg
from fourfold.imaging.metadata import without_orientation

_EXIF_PREFIX = b"Exif\0\0"
_JPEG_EXIF = 65533 - len(_EXIF_PREFIX)


class Encoder:
    """Collects bands in one picture of Pillow's (up to four bytes a pixel) and writes it at the end.

    Attributes:
        notes: sentences about what the format could not hold.
    """

    def __init__(
        self,
        stream: BinaryIO,
        name: str,
        shape: tuple[int, int, int],
        quality: int,
        profile: bytes | None,
        metadata: Metadata,
    ) -> None:
        self.notes: tuple[str, ...] = ()
        self._stream, self._name, self._quality = stream, name, quality
        self._profile, self._metadata = profile, metadata
        self._picture = Pillow.new(("L", "LA", "RGB", "RGBA")[shape[2] - 1], (shape[1], shape[0]))
        self._row = 0
        if profile and (name == "WEBP" or (name == "AVIF" and shape[2] == 2)) and shape[2] < 3:
            self._profile = color.rgb_from_grey(profile)
            if self._profile is None:
                self._note(f"{name} has no grey pictures, and this grey colour profile fits no other.")

    def write(self, band: Levels) -> None:
        """Add rows, ``h×W×C`` of 8 bits."""
        part = Pillow.fromarray(band[..., 0] if band.shape[2] == 1 else band)
        self._picture.paste(part, (0, self._row))
        self._row += len(band)

    def finish(self) -> None:
        """Compress and write the picture."""
        exif, xmp, dpi = self._metadata.exif, self._metadata.xmp, self._metadata.dpi
        options: dict[str, object] = {"quality": self._quality}
        if self._name == "JPEG":
            density = dpi or self._metadata.aspect or (0, 0)
            options |= {"subsampling": 0, "dpi": (round(density[0]), round(density[1]))}
            if len(exif) > _JPEG_EXIF:
                exif = b""
                self._note("The EXIF block is too long for a JPEG and was left out.")
            exif = _EXIF_PREFIX + exif if exif else b""
            options["extra"], notes = jpeg.segments(self._metadata)
            self.notes += notes
            xmp = b""
        elif self._name == "WEBP" and self._quality == 100:
            options = {"lossless": True, "exact": True, "quality": 20, "method": 0}
        elif self._name == "WEBP":
            options |= {"method": 1, "exact": True}
        else:
            # Pillow writes a block anew, and breaks makers' notes, where it finds an orientation to take out.
            exif = without_orientation(exif) if exif else exif
            options |= {"speed": 8, "subsampling": "4:0:0" if self._picture.mode == "L" else "4:4:4"}
        # Pillow writes into files by their descriptor and then hides why that failed; this has none.
        target = cast("BinaryIO", _Sink(self._stream, unitless=self._name == "JPEG" and not dpi))
        self._picture.save(target, self._name, icc_profile=self._profile, exif=exif, xmp=xmp, **options)

    def _note(self, note: str) -> None:
        self.notes = (*self.notes, note)


class _Sink(io.RawIOBase):
    """Hands everything on; ``unitless`` takes the unit from the densities in the first segment of a JPEG."""

    def __init__(self, stream: BinaryIO, *, unitless: bool) -> None:
        self._stream, self._unitless = stream, unitless

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        if self._unitless:
            data, self._unitless = bytearray(data), False
            if data[6:11] == b"JFIF\0":
                data[13] = 0
        return self._stream.write(data)
