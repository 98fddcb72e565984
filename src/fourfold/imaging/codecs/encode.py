"""Encoders through Pillow: JPEG in strips as rows come; WebP and AVIF, which need the whole picture at once."""

import io
from typing import Any, BinaryIO, cast

import numpy as np
from PIL import Image as Pillow

from fourfold.core.contract import Levels
from fourfold.core.image import Metadata
from fourfold.imaging import color
from fourfold.imaging.codecs import jpeg
from fourfold.imaging.metadata import without_orientation

_EXIF_PREFIX = b"Exif\0\0"
_JPEG_EXIF = 65533 - len(_EXIF_PREFIX)
_STRIP, _INTERVAL = 1 << 19, 65535  # pixels of a strip of a JPEG, about; blocks of one at most


class JpegEncoder:
    """Writes a JPEG strip by strip, each a picture of its own to Pillow; never seeks.

    The strips are restart intervals of one scan (ITU-T T.81, E.1.4): blocks know nothing of those beside them, and
    after a restart marker not even of the brightness before it, so pixels are those of the picture written whole.

    Attributes:
        notes: sentences about what the format could not hold.
    """

    def __init__(
        self,
        stream: BinaryIO,
        shape: tuple[int, int, int],
        quality: int,
        profile: bytes | None,
        metadata: Metadata,
    ) -> None:
        extra, self.notes = jpeg.segments(metadata)
        exif, dpi = metadata.exif, metadata.dpi
        if len(exif) > _JPEG_EXIF:
            exif = b""
            self.notes = ("The EXIF block is too long for a JPEG and was left out.", *self.notes)
        self._stream, self._height, self._strips = stream, shape[0], 0
        self._blocks = -(-shape[1] // 8)
        self._rows = 8 * max(1, min(_STRIP // (8 * shape[1]), _INTERVAL // self._blocks))
        self._held: Levels = np.empty((0, *shape[1:]), np.uint8)
        self._options: dict[str, Any] = {"quality": quality, "subsampling": 0}
        across, down = dpi or metadata.aspect or (0, 0)
        self._unitless = dpi is None
        self._first: dict[str, Any] = {
            "dpi": (round(across), round(down)), "icc_profile": profile,
            "exif": _EXIF_PREFIX + exif if exif else b"", "extra": extra,
        }  # fmt: skip

    def write(self, band: Levels) -> None:
        """Add rows, ``h×W×C`` of 8 bits."""
        rows = np.concatenate([self._held, band]) if len(self._held) else band
        whole = len(rows) // self._rows * self._rows
        for top in range(0, whole, self._rows):
            self._strip(rows[top : top + self._rows])
        self._held = rows[whole:].copy()

    def finish(self) -> None:
        """Write the last rows and the end of the file."""
        if len(self._held):
            self._strip(self._held)
        self._stream.write(b"\xff\xd9")

    def _strip(self, rows: Levels) -> None:
        alone = io.BytesIO()
        picture = Pillow.fromarray(rows[..., 0] if rows.shape[2] == 1 else np.ascontiguousarray(rows))
        picture.save(alone, "JPEG", **self._options, **({} if self._strips else self._first))
        head, scan, blocks = jpeg.split(alone.getvalue())
        if self._strips:
            self._stream.write(bytes([0xFF, 0xD0 + (self._strips - 1) % 8]))
        else:
            head = jpeg.without_unit(head) if self._unitless else head
            self._stream.write(jpeg.with_restarts(head, self._height, self._blocks * self._rows // 8) + scan)
        self._stream.write(blocks)
        self._strips += 1


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
                self.notes = (f"{name} has no grey pictures, and this grey colour profile fits no other.",)

    def write(self, band: Levels) -> None:
        """Add rows, ``h×W×C`` of 8 bits."""
        part = Pillow.fromarray(band[..., 0] if band.shape[2] == 1 else band)
        self._picture.paste(part, (0, self._row))
        self._row += len(band)

    def finish(self) -> None:
        """Compress and write the picture."""
        exif, xmp = self._metadata.exif, self._metadata.xmp
        options: dict[str, object] = {"quality": self._quality}
        if self._name == "WEBP" and self._quality == 100:
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


class _Sink(io.RawIOBase):
    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return self._stream.write(data)
