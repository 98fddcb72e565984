"""HEIF: the picture of a HEIC file through libheif, with what its binding does not report.

Source: ISO/IEC 23008-12 (HEIF), 23091-2 (code points of colour spaces).
"""

from typing import BinaryIO

import numpy as np

from fourfold.core.contract import Levels
from fourfold.core.errors import MissingExtra, PictureError
from fourfold.imaging import color
from fourfold.imaging.codecs import bmff, damage, extras
from fourfold.imaging.codecs.opened import RARE, SEVERAL, Decoded, Opened, page_number


def open_heif(stream: BinaryIO, page: int | None, *, damaged: bool) -> Opened:
    """Read the header of a HEIF file; see ``decode.open_stream``.

    Raises:
        PictureError, MissingExtra: as there. RuntimeError, ValueError: the file is damaged.
    """
    try:
        import pi_heif
    except ImportError:
        raise MissingExtra("reading HEIC pictures", "heif") from None
    properties = bmff.properties(stream)
    extras.check_codec(stream)
    beside = extras.of_boxes(stream, properties)
    stream.seek(0)
    try:
        file = pi_heif.open_heif(stream, convert_hdr_to_8bit=False)
    except (RuntimeError, ValueError) as error:
        if "unsupported" not in str(error).lower():
            raise
        raise PictureError(RARE.format("HEIF")) from error
    number = file.primary_index if page is None else page_number(page, len(file))
    picture = file[number]
    info = picture.info
    bits = int(info.get("bit_depth", 8))
    bands = picture.mode.split(";")[0]
    channels = {"L": 1, "I": 1, "LA": 2, "La": 2, "RGB": 3, "RGBA": 4, "RGBa": 4}[bands]

    def decode() -> Decoded:
        levels: Levels = np.asarray(picture).reshape(picture.size[1], picture.size[0], channels)
        found = damage.find_in_heif(stream, properties) if number == file.primary_index else None
        flaws = [damage.judged(found, "HEIF", accept=damaged)] if found else []
        if levels.dtype == np.uint16:
            top = 2**bits - 1
            levels = ((levels >> (16 - bits)).astype(np.uint32) * 65535 // top).astype(np.uint16)
        if bands.endswith("a"):
            levels = color.straight(levels)
        nclx = info.get("nclx_profile") or {}
        code = color.CodePoints(nclx.get("color_primaries", 1), nclx.get("transfer_characteristics", 13))
        exif = info.get("exif") or b""
        live = extras.of_exif(exif)
        notes = [*([SEVERAL] if page is None and len(file) > 1 else []), *flaws, *beside, *live]
        return Decoded(levels, info.get("icc_profile") or None, code, exif, info.get("xmp") or b"", None, tuple(notes))

    return Opened(picture.size[1], picture.size[0], channels, 8 if bits <= 8 else 16, True, decode, len(file))
