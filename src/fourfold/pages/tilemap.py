"""The map of a routed run: which tiles went on to the big network, and how much it changed them."""

import base64
import io
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from fourfold.core.contract import Floats
from fourfold.imaging.resize import bicubic
from fourfold.methods.guided import joint_bilateral

_LONG_SIDE = 320
_ORANGE = np.array([217, 115, 13], np.float32) / np.float32(255)


def picture(routing: Mapping[str, Any], photo: Floats, profile: bytes | None) -> bytes:
    """The photo in grey, tinted where the big network changed it, along its edges: a WebP picture.

    Args:
        routing: of an upscale report; photo: ``H×W×C`` in 0..1, what was upscaled; profile: of its colours, if any.
    """
    shrink = min(1, 2 * _LONG_SIDE / max(photo.shape))
    small = np.clip(bicubic(photo, (math.ceil(photo.shape[0] * shrink), math.ceil(photo.shape[1] * shrink))), 0, 1)
    tiles = np.array([[_shade(value) for value in row] for row in routing["measured"]], np.float32)
    tint = joint_bilateral(tiles[: small.shape[0], : small.shape[1]], small)[..., None] * np.float32(0.8)
    grey = 0.35 + 0.6 * small.mean(2, keepdims=True)
    levels = np.rint(((1 - tint) * grey + tint * _ORANGE) * 255).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(levels).save(stream, "WEBP", quality=80, icc_profile=profile if photo.shape[2] == 3 else None)
    return stream.getvalue()


def html(routing: Mapping[str, Any], tinted: bytes | None = None) -> str:
    """A drawing and a sentence for the page, from the ``routing`` of an upscale report.

    Every tile is a square; the darker, the more the big network's answer differed from the little one's. Empty squares
    kept the little network's. Below it is ``tinted``, what ``picture`` gave.
    """
    big, measured = routing["big"], routing["measured"]
    rows, columns = len(big), len(big[0])
    side = max(2, _LONG_SIDE // max(rows, columns))
    squares = "".join(
        _square(x, y, side, measured[y][x] if big[y][x] else None, routing["expected"][y][x])
        for y in range(rows)
        for x in range(columns)
    )
    drawing = (
        f'<svg class="map" role="img" aria-label="Map of tiles" viewBox="0 0 {columns * side} {rows * side}" '
        f'width="{columns * side}" height="{rows * side}">{squares}</svg>'
    )
    title = "<h3>Where the big network was asked</h3>"
    photo = (
        ""
        if tinted is None
        else (
            '<img class="map" alt="The photo, tinted where the big network changed it" '
            f'src="data:image/webp;base64,{base64.b64encode(tinted).decode()}">'
        )
    )
    return f'<section class="routing">{title}{drawing}{photo}<p>{sentence(routing)}</p></section>'


def sentence(routing: Mapping[str, Any]) -> str:
    """What the routing did, and what it cost, for a person."""
    answers = [value for row in routing["measured"] for value in row if value is not None]
    total = sum(len(row) for row in routing["big"])
    milliseconds = [1000 * routing[key] for key in ("seconds_big", "seconds_little")]
    if not answers:
        return f"None of {total} tiles was expected to gain enough; the little network answered all of them."
    between = -10 * math.log10(sum(10 ** (-value / 10) for value in answers) / len(answers))
    return (
        f"{len(answers)} of {total} tiles went on to the big network: {milliseconds[0]:.0f} ms after the little "
        f"network's {milliseconds[1]:.0f} ms. There the two differ by {255 * 10 ** (-between / 20):.1f} of 255 levels "
        f"({between:.1f} dB); elsewhere they were expected to be nearer than {routing['threshold']:.1f} dB, and the "
        "little one's answer was kept."
    )


def _square(x: int, y: int, side: int, decibel: float | None, expected: float) -> str:
    if decibel is None:
        look, text = 'class="little"', f"little network, expected {expected:.0f} dB from the big one"
    else:
        look, text = (
            f'class="big" fill-opacity="{_shade(decibel):.2f}"',
            f"big network, {decibel:.1f} dB from the little one",
        )
    return f'<rect x="{x * side}" y="{y * side}" width="{side}" height="{side}" {look}><title>{text}</title></rect>'


def _shade(decibel: float | None) -> float:
    """How dark a tile is that the big network changed by so much, 0 where it was not asked."""
    return 0.0 if decibel is None else min(max((50 - decibel) / 22, 0.15), 1.0)
