"""Camera raws: developed by LibRaw, where it is installed.

What the sensor saw becomes a picture only by choices: of white, of brightness, of colours. These are LibRaw's plain
ones, which a note names; the camera's own look is not imitated.

Source: the documentation of LibRaw 0.22 and rawpy 0.28; DNG 1.7.
"""

from typing import BinaryIO

from fourfold.core.contract import Levels
from fourfold.core.errors import PictureError
from fourfold.imaging.codecs import ifd
from fourfold.imaging.codecs.opened import Decoded, Opened
from fourfold.imaging.metadata import block_of

_XMP, _SRGB_CURVE = 700, (2.4, 12.92)
_DEVELOP = "Develop it first: save it as a 16-bit TIFF or a JPEG with the camera's program, darktable or RawTherapee"
_CUT_SHORT = (
    "expected a finished picture or a whole camera raw, got one that is damaged or cut short. Copy it again from where "
    "it comes from"
)
_NOTE = (
    "The camera raw was developed by LibRaw {}: white {}, brightness so that 1 % of the pixels "
    "is white, colours in sRGB with 16 bits; the camera's own look is not imitated."
)
_NO_METADATA = "The metadata of this kind of camera raw is not carried over."


def open_raw(stream: BinaryIO, page: ifd.Directory | None = None) -> Opened:
    """Read the header of a camera raw; see ``decode.open_stream``.

    Args:
        stream: at any place.
        page: the first directory of one that is made like a TIFF, which holds its metadata.

    Raises:
        PictureError: rawpy is not installed, or LibRaw cannot read this one.
    """
    try:
        import rawpy
    except ImportError:
        raise PictureError(
            f"expected a finished picture, got a camera raw, which holds what the sensor saw. {_DEVELOP}. Or have it "
            "developed here by LibRaw: pip install 'fourfold[raw]'"
        ) from None
    stream.seek(0)
    try:
        file = rawpy.imread(stream)
    except (rawpy.LibRawFileUnsupportedError, rawpy.NotSupportedError) as error:
        raise PictureError(
            f"expected a finished picture, got a camera raw of a kind that LibRaw does not read. {_DEVELOP}"
        ) from error
    except rawpy.LibRawError as error:
        raise PictureError(_CUT_SHORT) from error
    size = (file.sizes.iheight, file.sizes.iwidth)
    size = size[::-1] if file.sizes.flip in (5, 6) else size

    def decode() -> Decoded:
        try:
            levels: Levels = file.postprocess(
                use_camera_wb=True, output_color=rawpy.ColorSpace.sRGB, output_bps=16, gamma=_SRGB_CURVE
            )
        except rawpy.LibRawError as error:
            raise PictureError(_CUT_SHORT) from error
        red, _, blue, _ = file.camera_whitebalance
        white = "as the camera balanced it" if min(red, blue) > 0 else "for daylight"
        note = _NOTE.format(".".join(map(str, rawpy.libraw_version)), white)
        notes = (note,) if page else (note, _NO_METADATA)
        return Decoded(levels, exif=block_of(page) if page else b"", xmp=_packet(page), notes=notes)

    return Opened(*size, 3, 16, False, decode, raw=True)


def _packet(page: ifd.Directory | None) -> bytes:
    return page.entries[_XMP].data if page and _XMP in page.entries else b""
