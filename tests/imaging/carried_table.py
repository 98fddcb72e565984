"""Measures, for each pair of formats, what a result carries on of what stood beside the picture."""

import io
from collections.abc import Callable
from typing import Any, NamedTuple

import metadata_charts as made
import numpy as np
import picture_charts as charts
from PIL import Image as Pillow

from fourfold.core.image import Metadata
from fourfold.imaging import files, metadata
from fourfold.imaging.codecs import ifd
from fourfold.imaging.formats import FORMATS
from fourfold.imaging.metadata import xmp

WORD = "Qorbulent"
MOVIE = b"\0\0\0\x18ftypmp42\0\0\0\0isommp42" + bytes(500)
GAIN = charts.file_of("JPEG", charts.gradient(8, 8, 1)[..., 0])
TARGETS = [row for row in FORMATS.values() if row.writable]


class Case(NamedTuple):
    """Something that a file of a format holds beside its picture, and where its word is found again."""

    what: str
    source: str
    make: Callable[[], bytes]
    native: Callable[[Metadata], Any]


def _xmp() -> bytes:
    return made.packet(made.alt("dc:title", WORD))


def _iptc() -> bytes:
    return made.iptc((2, 120, WORD))


def _exif(**options: Any) -> bytes:
    return made.block({0x010F: made.ascii_entry(WORD)}, **options)


def _heif(**options: Any) -> bytes:
    return charts.file_of("HEIF", charts.gradient(16, 24, 3), **options)


def _gif(**options: Any) -> bytes:
    target = io.BytesIO()
    Pillow.fromarray(charts.gradient(16, 24, 3)).quantize(8).save(target, "GIF", **options)
    return target.getvalue()


def _bmp(**options: Any) -> bytes:
    return charts.file_of("BMP", charts.gradient(16, 24, 3), **options)


def _gained() -> bytes:
    return made.jpeg([made.xmp_segment(made.packet(' hdrgm:Version="1.0"'))], GAIN)


def _extended() -> bytes:
    guid = b"0123456789ABCDEF" * 2
    main = made.packet(f' xmpNote:HasExtendedXMP="{guid.decode()}"')
    return made.jpeg([made.xmp_segment(main), *made.extended_segments(_xmp(), guid, 100)])


def _clip() -> bytes:
    return made.jpeg([made.photoshop_segment((2000, bytes(26)))])


def _thumbnail() -> bytes:
    return made.jpeg([made.exif_segment(charts.exif(thumbnail=charts.file_of("JPEG", charts.gradient(8, 8, 3))))])


def _word(of: Callable[[Metadata], Any]) -> Callable[[Metadata], bool]:
    return lambda found: WORD in str(of(found))


def _dpi(found: Metadata) -> bool:
    return found.dpi is not None and abs(found.dpi[0] - 300) < 0.1


def _wide_tiff() -> bytes:
    return made.tiff({282: ifd.rational(2), 283: ifd.rational(1), 296: ifd.short(1)})


def _aspect(found: Metadata) -> bool:
    return found.aspect == (2, 1)


EXIF, XMP = _word(lambda found: found.exif), _word(lambda found: found.xmp)
IPTC, TEXTS = _word(lambda found: found.iptc), _word(lambda found: found.texts)


def _never(_: Metadata) -> bool:
    return False


def _note_kept(found: Metadata) -> bool:
    return charts.MAKER_NOTE in found.exif


def _text(keyword: str) -> bytes:
    return made.png([made.text_chunk(b"iTXt", keyword, WORD)])


CASES = (
    Case("EXIF", "JPEG", lambda: made.jpeg([made.exif_segment(_exif())]), EXIF),
    Case("maker's note", "JPEG", lambda: made.jpeg([made.exif_segment(charts.exif())]), _note_kept),
    Case("XMP", "JPEG", lambda: made.jpeg([made.xmp_segment(_xmp())]), XMP),
    Case("extended XMP", "JPEG", _extended, XMP),
    Case("IPTC", "JPEG", lambda: made.jpeg([made.photoshop_segment((0x0404, _iptc()))]), IPTC),
    Case("comment", "JPEG", lambda: made.jpeg([(0xFE, WORD.encode())]), TEXTS),
    Case("dpi", "JPEG", lambda: charts.file_of("JPEG", dpi=(300, 300)), _dpi),
    Case("pixel aspect", "JPEG", lambda: made.jpeg_with_density(2, 1), _aspect),
    Case("gain map", "JPEG", _gained, _never),
    Case("motion photo's video", "JPEG", lambda: made.jpeg((), MOVIE), _never),
    Case("data after the end", "JPEG", lambda: made.jpeg((), b"SEFH" + bytes(range(1, 99))), _never),
    Case("second EXIF block", "JPEG", lambda: made.jpeg([made.exif_segment(_exif())] * 2), _never),
    Case("clipping path", "JPEG", _clip, _never),
    Case("program's own segment", "JPEG", lambda: made.jpeg([(0xE5, b"RMETA\0" + bytes(9))]), _never),
    Case("thumbnail", "JPEG", _thumbnail, _never),
    Case("EXIF", "PNG", lambda: made.png([(b"eXIf", _exif())]), EXIF),
    Case("XMP", "PNG", lambda: made.png([made.text_chunk(b"iTXt", "XML:com.adobe.xmp", _xmp().decode())]), XMP),
    Case("IPTC", "PNG", lambda: made.png([made.iptc_profile(_iptc())]), IPTC),
    Case("Title, Author …", "PNG", lambda: _text("Author"), TEXTS),
    Case("other text chunks", "PNG", lambda: _text("parameters"), TEXTS),
    Case("dpi", "PNG", lambda: charts.file_of("PNG", dpi=(300, 300)), _dpi),
    Case("pixel aspect", "PNG", lambda: made.png([(b"pHYs", bytes([0, 0, 0, 2, 0, 0, 0, 1, 0]))]), _aspect),
    Case("program's own chunk", "PNG", lambda: made.png([(b"prVt", b"x")]), _never),
    Case("EXIF", "WEBP", lambda: made.webp((), exif=_exif()), EXIF),
    Case("XMP", "WEBP", lambda: made.webp((), xmp=_xmp()), XMP),
    Case("program's own chunk", "WEBP", lambda: made.webp([(b"ODDS", b"x")]), _never),
    Case("EXIF", "TIFF", lambda: made.tiff({0x010F: made.ascii_entry(WORD)}), EXIF),
    Case("XMP", "TIFF", lambda: made.tiff({700: ifd.block(_xmp())}), XMP),
    Case("IPTC", "TIFF", lambda: made.tiff({33723: ifd.block(_iptc())}), IPTC),
    Case("dpi", "TIFF", lambda: charts.file_of("TIFF", dpi=(300, 300)), _dpi),
    Case("pixel aspect", "TIFF", _wide_tiff, _aspect),
    Case("layers", "TIFF", lambda: made.tiff({37724: ifd.block(b"Adobe Photoshop Document Data Block\0")}), _never),
    Case("program's own field", "TIFF", lambda: made.tiff({34737: made.ascii_entry("WGS 84|")}), _never),
    Case("EXIF", "AVIF", lambda: made.avif(exif=_exif()), EXIF),
    Case("XMP", "AVIF", lambda: made.avif(xmp=_xmp()), XMP),
    Case("motion photo's video", "AVIF", lambda: made.avif() + made.box(b"mpvd", MOVIE), _never),
    Case("EXIF", "HEIF", lambda: _heif(exif=b"Exif\0\0" + _exif()), EXIF),
    Case("XMP", "HEIF", lambda: _heif(xmp=_xmp()), XMP),
    Case("motion photo's video", "HEIF", lambda: _heif() + made.box(b"mpvd", MOVIE), _never),
    Case("dpi", "BMP", lambda: _bmp(dpi=(300, 300)), _dpi),
    Case("comment", "GIF", lambda: _gif(comment=WORD.encode()), TEXTS),
    Case("XMP", "GIF", lambda: made.gif_with_xmp(_gif(), _xmp()), XMP),
)  # fmt: skip


def cell(case: Case, target: files.Format) -> str:
    """``carried``, translated ``in XMP`` or ``in EXIF``, ``named``, else LOST."""
    picture = files.read(case.make())
    height, width = picture.size
    kept = metadata.for_output(picture.metadata, "keep", picture.size)
    out = io.BytesIO()
    spec = files.Spec(target.name, height, width, 3, metadata=kept)
    with files.open_writer(out, spec) as writer:
        writer.write(np.zeros((height, width, 3), np.uint8))
    found = files.read(out.getvalue()).metadata
    translated = case.native is TEXTS and xmp.TEXT.encode() in out.getvalue()
    if case.native(found) and not translated:
        return "carried" if case.what != "dpi" or target.dpi else "in EXIF"
    if translated or (case.native is not _never and XMP(found)):
        return "in XMP"
    return "named" if picture.notes or writer.notes else "LOST"


def table() -> str:
    """The table for ``docs/reference/formats.md``."""
    head = ["From", "What", *(row.name for row in TARGETS)]
    rows = [[case.source, case.what, *(cell(case, row) for row in TARGETS)] for case in CASES]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (head, ["---"] * len(head), *rows))
