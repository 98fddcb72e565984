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
            options |= {"subsampling": 0, "dpi": (round(dpi[0]), round(dpi[1])) if dpi else (0, 0)}
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
        target = cast("BinaryIO", _Sink(self._stream))
        self._picture.save(target, self._name, icc_profile=self._profile, exif=exif, xmp=xmp, **options)

    def _note(self, note: str) -> None:
        self.notes = (*self.notes, note)


class _Sink(io.RawIOBase):
    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return self._stream.write(data)
