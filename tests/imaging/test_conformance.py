"""Every format, depth, alpha, grey, orientation and kind of metadata, there and back; and the page that says so.

The page ``docs/reference/formats.md`` is made of what is measured here. Refresh it with ``make docs``
(``FOURFOLD_UPDATE_DOCS=1 pytest tests/imaging/test_conformance.py``).
"""

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import carried_table
import heif_files
import metadata_charts as made
import numpy as np
import picture_charts as charts
import pytest
from PIL import Image as Pillow

from fourfold.core.image import Image, Metadata
from fourfold.imaging import files, metadata

pillow_heif = pytest.importorskip("pillow_heif", reason="makes the HEIC files; pip install 'fourfold[dev]'")
tifffile = pytest.importorskip("tifffile", reason="makes 16-bit TIFF files; comes with scikit-image")

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "formats.md"
ROWS = list(files.FORMATS.values())
WRITABLE = [row for row in ROWS if row.writable]
PROFILES = {
    "sRGB": None,
    "Display P3": charts.icc_rgb(charts.P3, None, 4),
    "Adobe RGB": charts.icc_rgb(charts.ADOBE, 2.19921875, 2),
}


def made_elsewhere(name: str, levels: np.ndarray, orientation: int = 1, **options: Any) -> bytes:
    """A file with this EXIF orientation, written by other software."""
    target = io.BytesIO()
    exif = b"Exif\0\0" + charts.exif("<", orientation)
    plain = levels[..., 0] if levels.shape[-1] == 1 else levels
    if name == "PNG":
        bits, colour = 8 * levels.itemsize, {1: 0, 2: 4, 3: 2, 4: 6}[levels.shape[2]]
        return charts.png_file(levels, bits, colour, [(b"eXIf", exif[6:])])
    if name == "TIFF":
        photometric = "rgb" if levels.shape[2] > 2 else "minisblack"
        extra = {"extrasamples": ["unassalpha"]} if levels.shape[2] in (2, 4) else {}
        tags = [(274, 3, 1, orientation, True)]
        tifffile.imwrite(target, plain, photometric=photometric, extratags=tags, metadata=None, **extra)
    elif name == "HEIF":
        pillow_heif.from_pillow(Pillow.fromarray(plain)).save(target, quality=95, chroma=444, exif=exif, **options)
    elif name in ("BMP", "GIF"):
        Pillow.fromarray(plain).save(target, name)
    else:
        Pillow.fromarray(plain).save(target, name, quality=95, exif=exif, **options)
    return target.getvalue()


def image(channels: int, depth: int, **options: Any) -> Image:
    levels = charts.gradient(36, 50, channels, depth)
    values = (levels / np.float32(2**depth - 1)).astype(np.float32)
    colours = 1 if channels < 3 else 3
    return Image(values[..., :colours], values[..., colours] if channels in (2, 4) else None, depth, **options)


def there_and_back(picture: Image, name: str) -> Image:
    target = io.BytesIO()
    files.write(picture, target, name)
    return files.read(target.getvalue())


def same(picture: Image, levels: np.ndarray, *, exact: bool) -> bool:
    """Whether a picture shows these levels: to the bit, or as near as compression with loss comes."""
    top = float(np.iinfo(levels.dtype).max)
    colours = 1 if levels.shape[2] < 3 else 3
    wanted = levels[..., :colours] / top
    if picture.pixels.shape[:2] != wanted.shape[:2] or (picture.alpha is not None) != (levels.shape[2] in (2, 4)):
        return False
    off = np.abs(picture.pixels - wanted)
    if picture.alpha is not None:
        visible = levels[..., -1:] > 0
        off = np.concatenate([off * visible, np.abs(picture.alpha - levels[..., -1] / top)[..., None]], -1)
    return bool(off.max() < 0.4 / top) if exact else bool(off.mean() < 0.012)


@pytest.mark.parametrize("row", WRITABLE, ids=lambda row: row.name)
@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("profile", PROFILES)
def test_there_and_back(row: files.Format, depth: int, channels: int, profile: str) -> None:
    if (channels in (2, 4) and not row.alpha) or (depth == 16 and not row.sixteen):
        with pytest.raises(files.UsageError, match="--format png"):
            files.Spec(row.name, 36, 50, channels, depth)
        return
    icc = PROFILES[profile] if channels > 2 or profile == "sRGB" else charts.icc_grey(2.2)
    picture = image(channels, depth, profile=icc, metadata=Metadata(charts.exif(), charts.XMP))
    back = there_and_back(picture, row.name)
    assert same(back, charts.gradient(36, 50, channels, depth), exact=not row.lossy)
    assert back.depth == depth
    assert (back.profile is None) == (icc is None)
    assert back.profile == icc or back.pixels.shape[2] > picture.pixels.shape[2]
    assert back.notes == ()
    assert charts.MAKER_NOTE in back.metadata.exif
    assert b"Bridge" in back.metadata.xmp


TURNABLE = [
    (row.name, channels, depth)
    for row in ROWS
    for channels in ((1, 3, 4) if row.alpha else (1, 3))
    for depth in ((8, 16) if row.sixteen else (8,))
    if row.name not in ("BMP", "GIF")
]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("name", "channels", "depth"), TURNABLE)
def test_every_orientation_is_baked_in(name: str, orientation: int, channels: int, depth: int) -> None:
    upright = charts.gradient(36, 50, channels, depth)
    data = made_elsewhere(name, charts.turned(upright, orientation), orientation)
    picture = files.read(data)
    header = files.probe(data)
    assert (header.height, header.width) == picture.size == (36, 50)
    assert same(picture, upright, exact=name in ("PNG", "TIFF"))
    assert picture.pixels.flags.c_contiguous
    assert metadata.orientation(picture.metadata.exif) == 1
    written = io.BytesIO()
    files.write(picture, written, "PNG")
    assert files.probe(written.getvalue()).height == 36


# --- the page ----------------------------------------------------------------------------------------------------

HEAD = """# Picture formats

Made by `tests/imaging/test_conformance.py` from pictures sent through each format; refresh it with `make docs`.

"""
TAIL = """
- *Grey*: `as RGB` means that the format has no grey pictures; the colours stay the same.
- *Orientation*: how many of the eight EXIF orientations come out upright. Written files are always upright.
- *ICC*, *EXIF*, *XMP*, *dpi*: whether what the file carries is kept, from the file into the result for formats that
  are written, from the file into the picture for those that are only read. Pixels stay in the file's own colour space
  and are never squeezed into sRGB; only CMYK and L\\*a\\*b\\* are converted. Makers' notes stay byte for byte.
- PNG without a profile but with `gAMA`, `cHRM` or `cICP`, and AVIF and HEIC with code points, get the profile that
  says the same. Those of PQ and HLG hold the code points for readers that know HDR, and show what
  is not brighter than the reference white to all others.
- TIFF is read with 1 to 16 bits, as grey, palette, RGB, CMYK, YCbCr or L\\*a\\*b\\*, in strips, tiles or
  planes, and as floating point from 0 to 1. AVIF files of 10 or 12 bits are read with 8, which a note says.
- Of animations and files with several pictures the first is taken, which a note says; `--pages 2` takes another one,
  and `--pages all` makes a file of each (of a folder; a job of the service makes one). Pages of a TIFF that are marked
  as thumbnails or masks are no pictures.
- Camera raws (DNG, CR2, CR3, NEF, ARW, RAF …) are known by their content. With the extra `raw`, from
  `pip install 'fourfold[raw]'`, one that is named is developed by LibRaw, as a note says how, and its result is a TIFF
  of 16 bits. Without it they are refused: develop them first. Folders pass over them.
- Of a damaged JPEG, and of a HEIC of which tiles are missing, a note says how many of the pixels are missing or wrong;
  with more than half it is refused, unless `--damaged accept` is given. What can be read of a PNG, TIFF,
  GIF, WebP, AVIF or BMP that ends early or is damaged is read with `--damaged accept` only; what is missing is black or
  transparent, and a note says how much that is. Damage that costs no pixel is noted in any case.
- HEIC is read as phones write it: grids of tiles, turned pictures, 8 to 12 bits, PQ and HLG. Gain maps, depth maps,
  mattes and thumbnails beside it are not taken for pictures; what is lost of them is named. Pictures that other codecs
  than HEVC made in the same boxes are refused as such.
- HEIC needs the extra `heif`: `pip install 'fourfold[heif]'`; the extra `serve` brings it along.

## What is carried on, from one format into another

Of what stands in a file beside its picture, with `--metadata keep`:

"""
END = """
- *carried*: where readers of the format look for it. *in XMP*, *in EXIF*: translated by name, because the format has no
  other place for it: `Title` of a PNG and *Object Name* of IPTC become `dc:title`, and `Title` again in a PNG.
  Texts without such a name stand in a list with their keywords, which becomes text chunks again in a PNG.
- *named*: it cannot be carried on, and a note of the report says so. Thumbnails show the old picture.
- IPTC goes into a PNG as ImageMagick puts it there, and also as XMP. In WebP and AVIF it becomes XMP; what XMP holds
  already under that name with another value goes into the list.
- XMP that is too long for a segment of a JPEG is continued in others (extended XMP).
- Of a damaged EXIF block what is sound is kept; the orientation is found whatever else is broken. Where EXIF states
  none, that of XMP is taken.
- An ICC profile that a JPEG holds twice, or with wrong numbers, is put together where its own length says how; else a
  note says that it was dropped.

With `--metadata strip-location` only what is known to tell no place is carried on; whatever else there is, in any
namespace, maker's note, second block or chunk, goes, and a note names it. Captions, titles, keywords and comments stay,
unless they read as coordinates or as the address of a map: what else a person wrote in them about the place cannot be
known. Times keep their time zone.

The file of a result is dated now, as by `cp` and ImageMagick; with `--times keep` it has the date of its input. Objects
in a store are dated when they are stored.
"""


def _reads(row: files.Format) -> str:
    depths = [8]
    if row.name == "HEIF":
        made = {bits: heif_files.heic([heif_files.coded(heif_files.picture(64, 96), bits)]) for bits in (10, 12)}
        depths += [bits for bits in (10, 12) if files.read(made[bits]).depth == 16]
    elif row.sixteen and files.read(made_elsewhere(row.name, charts.gradient(36, 50, 3, 16))).depth == 16:
        depths += [16]
    return ", ".join(map(str, depths))


def _writes(row: files.Format) -> str:
    depths = (
        [depth for depth in (8, 16) if there_and_back(image(3, depth), row.name).depth == depth] if row.writable else []
    )
    return ", ".join(map(str, depths)) or "no"


def _alpha(row: files.Format) -> str:
    levels = charts.gradient(36, 50, 4)
    if row.name == "GIF":
        target = io.BytesIO()
        Pillow.fromarray(levels[..., :3]).quantize(8).save(target, "GIF", transparency=0)
        return "yes" if files.read(target.getvalue()).alpha is not None else "no"
    if not row.alpha:
        return "no"
    data = made_elsewhere(row.name, levels)
    kept = same(files.read(data), levels, exact=not row.lossy)
    kept &= not row.writable or same(there_and_back(image(4, 8), row.name), levels, exact=not row.lossy)
    return "yes" if kept else "LOST"


def _grey(row: files.Format) -> str:
    grey = (
        there_and_back(image(1, 8), row.name)
        if row.writable
        else files.read(made_elsewhere(row.name, charts.gradient(36, 50, 1)))
    )
    return "yes" if grey.pixels.shape[2] == 1 else "as RGB"


def _orientation(row: files.Format) -> str:
    if row.name in ("BMP", "GIF"):
        return "none"
    upright = charts.gradient(36, 50, 3)
    good = 0
    for orientation in range(1, 9):
        picture = files.read(made_elsewhere(row.name, charts.turned(upright, orientation), orientation))
        good += same(picture, upright, exact=not row.lossy)
    return f"{good} of 8"


def _carried(row: files.Format) -> Image | None:
    profile = PROFILES["Display P3"]
    if row.writable:
        return there_and_back(
            image(3, 8, profile=profile, metadata=Metadata(charts.exif(), charts.XMP, (300, 300))), row.name
        )
    if row.name == "HEIF":
        return files.read(made_elsewhere(row.name, charts.gradient(36, 50, 3), icc_profile=profile, xmp=charts.XMP))
    if row.name == "GIF":
        target = io.BytesIO()
        Pillow.fromarray(charts.gradient(36, 50, 1)[..., 0]).save(target, "GIF")
        return files.read(made.gif_with_xmp(target.getvalue(), charts.XMP))
    if row.name == "BMP":
        target = io.BytesIO()
        Pillow.fromarray(charts.gradient(36, 50, 3)).save(target, "BMP", dpi=(300, 300))
        return files.read(target.getvalue())
    return None


def _kept(of: Callable[[Image], bool]) -> Callable[[files.Format], str]:
    def cell(row: files.Format) -> str:
        picture = _carried(row)
        return "yes" if picture is not None and of(picture) else "no"

    return cell


COLUMNS: dict[str, Callable[[files.Format], str]] = {
    "Format": lambda row: row.name,
    "Files": lambda row: " ".join(f"`{suffix}`" for suffix in row.suffixes),
    "Reads bits": _reads,
    "Writes bits": _writes,
    "Alpha": _alpha,
    "Grey": _grey,
    "Orientation": _orientation,
    "ICC": _kept(lambda picture: picture.profile == PROFILES["Display P3"]),
    "EXIF": _kept(lambda picture: charts.MAKER_NOTE in picture.metadata.exif),
    "XMP": _kept(lambda picture: b"Bridge" in picture.metadata.xmp),
    "dpi": _kept(lambda picture: picture.metadata.dpi is not None and abs(picture.metadata.dpi[0] - 300) < 0.1),
    "Longest side": lambda row: str(row.longest) if row.writable and row.longest < 2**31 - 1 else "–",
    "Quality": lambda row: str(row.quality or "–"),
}


def page() -> str:
    table = [list(COLUMNS), ["---"] * len(COLUMNS), *([cell(row) for cell in COLUMNS.values()] for row in ROWS)]
    return HEAD + "".join(f"| {' | '.join(cells)} |\n" for cells in table) + TAIL + carried_table.table() + END


def test_the_page_is_up_to_date() -> None:
    text = page()
    assert "LOST" not in text
    if os.environ.get("FOURFOLD_UPDATE_DOCS"):
        PAGE.parent.mkdir(parents=True, exist_ok=True)
        PAGE.write_text(text, encoding="utf-8")
    assert PAGE.is_file(), f"{PAGE.name} is missing: make docs"
    assert PAGE.read_text(encoding="utf-8") == text, f"{PAGE.name} is stale: make docs"
