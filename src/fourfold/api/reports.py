"""Reports: the figures of a run as a JSON file or as one page with the photo before and after."""

import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow

from fourfold.api.features import likeness_of
from fourfold.api.targets import Failure
from fourfold.core import atomic
from fourfold.core.contract import Floats
from fourfold.core.errors import FourfoldError
from fourfold.core.image import Image
from fourfold.core.machine import memory_available
from fourfold.imaging import files
from fourfold.imaging.fidelity import PHONE, phone_size
from fourfold.imaging.resize import Resizer
from fourfold.methods.restorer import Report
from fourfold.methods.upscale import visible
from fourfold.pages import tilemap
from fourfold.pages.report import BeforeAfter, html

_DETAIL = 700  # pixels of the result, as wide as the page shows them one to one
_ROWS = 256


def document(done: Sequence[Report], failed: Sequence[Failure]) -> dict[str, Any]:
    """What ``--json`` prints: plain values."""
    return {
        "files": [asdict(entry) for entry in done],
        "failed": [{"input": entry.input, "error": str(entry.error)} for entry in failed],
    }


def write_document(path: Path, done: Sequence[Report], failed: Sequence[Failure]) -> None:
    """Write the ``document`` to ``path``, as JSON or as a page by its suffix, whole or not at all.

    Raises:
        PictureError: the file cannot be written.
    """
    if path.suffix == ".json":
        text = json.dumps(document(done, failed), indent=2, ensure_ascii=False) + "\n"
    else:
        shown, reread = _tinted(document(done, failed)), _reread(done)
        if reread is not None:
            seen = (visible(image.pixels, image.alpha) for image in (reread.large, reread.small))
            shown["files"][reread.place]["likeness"] = round(likeness_of(*seen), 4)
        text = html(shown, _pairs(reread) if reread else ())
    atomic.write_document(path, text, "the report")


def _tinted(shown: dict[str, Any]) -> dict[str, Any]:
    """The document with, under ``tinted``, the photo of every routed run as ``pages.tilemap.picture`` draws it."""
    for entry in shown["files"]:
        if entry.get("routing"):
            try:
                image = files.read(Path(entry["input"]))
            except FourfoldError:
                continue  # a pipe, or a file moved meanwhile: the map of squares stands alone
            entry["tinted"] = tilemap.picture(entry["routing"], visible(image.pixels, image.alpha), image.profile)
    return shown


@dataclass(frozen=True)
class _Reread:
    """A photo read again, before and after; place: of its report, name: of the result."""

    place: int
    name: str
    small: Image
    large: Image


def _reread(done: Sequence[Report]) -> _Reread | None:
    """The first photo that can be read again."""
    for place, entry in enumerate(done):
        width, height = entry.output_size
        if width * height * 3 * 4 * 2 > memory_available():
            continue
        try:
            small, large = files.read(Path(entry.input)), files.read(Path(entry.output))
        except FourfoldError:
            continue  # a pipe, or a file moved meanwhile: the figures stand without pictures
        return _Reread(place, Path(entry.output).name, small, large)
    return None


def _pairs(photo: _Reread) -> list[BeforeAfter]:
    """A photo plainly enlarged and as it came out: a detail, and it on a phone."""
    small, large = photo.small, photo.large
    before = _views(_plain(small, large.size), large.size, small.profile)
    after = _views(_bands(large), large.size, large.profile)
    pairs = [BeforeAfter(f"A detail of {photo.name}", before[0], after[0])]
    if large.size[1] > PHONE:
        caption = f"{photo.name} with the pixels of a phone's screen, {PHONE} across"
        pairs.append(BeforeAfter(caption, before[1], after[1]))
    return pairs


def _views(bands: Iterable[Floats], size: tuple[int, int], profile: bytes | None) -> tuple[bytes, bytes]:
    """The middle of a picture that comes in bands of rows, as PNG, and the whole as large as on a phone, as WebP."""
    top, left = (max(0, (side - _DETAIL) // 2) for side in size)
    phone = Resizer(size, phone_size(size))
    middle, whole, row = [], [], 0
    for band in bands:
        middle.append(band[max(0, top - row) : max(0, top + _DETAIL - row), left : left + _DETAIL].copy())
        whole.append(phone.push(band))
        row += len(band)
    return _encoded(np.concatenate(middle), "PNG", profile), _encoded(np.concatenate(whole), "WEBP", profile)


def _bands(image: Image) -> Iterator[Floats]:
    pixels = visible(image.pixels, image.alpha)
    for top in range(0, len(pixels), _ROWS):
        yield pixels[top : top + _ROWS]


def _plain(image: Image, size: tuple[int, int]) -> Iterator[Floats]:
    """A bicubic enlargement."""
    enlarge = Resizer(image.size, size)
    for band in _bands(image):
        yield np.clip(enlarge.push(band), 0, 1)


def _encoded(pixels: Floats, kind: str, profile: bytes | None) -> bytes:
    levels = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    colours = profile if levels.shape[2] == 3 else None
    data = io.BytesIO()
    shown = Pillow.fromarray(levels[..., 0] if levels.shape[2] == 1 else levels)
    shown.save(data, kind, quality=90, icc_profile=colours)
    return data.getvalue()
