"""Reports: the figures of a run as a JSON file or as one page with the photo before and after."""

import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow

from fourfold.api.photos import Failure
from fourfold.api.session import Report
from fourfold.core.atomic import write_text
from fourfold.core.errors import FourfoldError, PictureError
from fourfold.evaluation import tilemap
from fourfold.evaluation.report import html
from fourfold.imaging import files
from fourfold.imaging.resize import bicubic
from fourfold.methods.upscale import visible

_CROP = 640  # pixels of the result, shown one to one


def document(done: Sequence[Report], failed: Sequence[Failure]) -> dict[str, Any]:
    """What ``upscale --json`` prints: plain values."""
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
        text = html(_tinted(document(done, failed)), *_crops(done))
    try:
        write_text(path, text)
    except OSError as error:
        raise PictureError(f"{path}: expected to write the report here: {error.strerror}") from error


def _tinted(shown: dict[str, Any]) -> dict[str, Any]:
    """The document with, under ``tinted``, the photo of every routed run as ``evaluation.tilemap.picture`` draws it."""
    for entry in shown["files"]:
        if entry["routing"]:
            try:
                image = files.read(Path(entry["input"]))
            except FourfoldError:
                continue  # a pipe, or a file moved meanwhile: the map of squares stands alone
            entry["tinted"] = tilemap.picture(entry["routing"], visible(image.pixels, image.alpha))
    return shown


def _crops(done: Sequence[Report]) -> tuple[bytes | None, bytes | None]:
    """The middle of the first photo that can be read again: enlarged plainly, and as it came out."""
    for entry in done:
        try:
            small, large = files.read(Path(entry.input)), files.read(Path(entry.output))
        except FourfoldError:
            continue  # a pipe, or a file moved meanwhile: the figures stand without pictures
        plain = np.clip(bicubic(small.pixels, large.size), 0, 1)
        top, left = (max(0, (side - _CROP) // 2) for side in large.size)
        return _png(plain[top : top + _CROP, left : left + _CROP]), _png(
            large.pixels[top : top + _CROP, left : left + _CROP]
        )
    return None, None


def _png(pixels: Any) -> bytes:
    levels = np.rint(pixels * 255).astype(np.uint8)
    data = io.BytesIO()
    Pillow.fromarray(levels[..., 0] if levels.shape[2] == 1 else levels).save(data, "PNG")
    return data.getvalue()
