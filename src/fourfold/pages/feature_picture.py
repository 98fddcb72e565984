"""A photo and its feature maps side by side."""

from collections.abc import Mapping
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

SIDE, GAP, LINE, COLUMNS = 360, 12, 26, 3

TITLES = {
    "low": "the encoder's own",
    "bilinear": "interpolated",
    "jbu": "along the photo's edges (JBU)",
    "tiles": "of enlarged parts (tiles)",
    "sharp": "FeatSharp",
}


def png(photo: NDArray[np.uint8], maps: Mapping[str, NDArray[np.uint8]]) -> bytes:
    """The photo ``H×W×3`` and maps ``h×w×3`` by name, three a row, every cell of a map a plain square."""
    height, width = photo.shape[:2]
    size = max(1, round(SIDE * width / max(photo.shape))), max(1, round(SIDE * height / max(photo.shape)))
    shown = [("the photo", Image.fromarray(photo).resize(size, Image.Resampling.LANCZOS))]
    for name, values in maps.items():
        title = f"{TITLES[name]}, {values.shape[1]} by {values.shape[0]}"
        shown.append((title, Image.fromarray(values).resize(size, Image.Resampling.NEAREST)))
    rows = -(-len(shown) // COLUMNS)
    step = size[0] + GAP, size[1] + LINE + GAP
    page = Image.new("RGB", (COLUMNS * step[0] + GAP, rows * step[1] + GAP), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(15)
    for place, (title, picture) in enumerate(shown):
        x, y = GAP + place % COLUMNS * step[0], GAP + place // COLUMNS * step[1]
        draw.text((x, y), title, fill="#1b1f24", font=font)
        page.paste(picture, (x, y + LINE))
    stream = BytesIO()
    page.save(stream, "PNG", optimize=True)
    return stream.getvalue()
