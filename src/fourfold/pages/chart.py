"""Charts drawn with Pillow: axes, lines, marks and text on a canvas twice as fine, shrunk at the end."""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from fourfold.core.atomic import replacing
from fourfold.core.errors import UsageError

FINER = 2
"""Drawn twice as large and shrunk: smooth edges."""

SIZE = (1200, 760)
BOX = (110, 92, 1160, 672)
"""Left, top, right and bottom of the axes."""

INK, FAINT, GRID, BLUE, ORANGE, GREY = "#1b1f24", "#5b6470", "#e3e7ec", "#1f6fb2", "#d9730d", "#9aa3ad"

Point = tuple[float, float]


@dataclass(frozen=True)
class Axes:
    """From values to pixels of the fine canvas; ``across`` and ``up`` are the ranges shown."""

    across: tuple[float, float]
    up: tuple[float, float]

    def at(self, x: float, y: float) -> Point:
        """The pixel of a pair of values."""
        return self.x(x), self.y(y)

    def x(self, value: float) -> float:
        """The column of a value."""
        low, high = self.across
        return FINER * (BOX[0] + (BOX[2] - BOX[0]) * (value - low) / (high - low))

    def y(self, value: float) -> float:
        """The row of a value."""
        low, high = self.up
        return FINER * (BOX[3] - (BOX[3] - BOX[1]) * (value - low) / (high - low))


@dataclass(frozen=True)
class Titles:
    """What is written around a chart, and how values are written along its axes."""

    title: str
    summary: str
    across: str
    up: str
    write_across: Callable[[float], str]
    write_up: Callable[[float], str]


def canvas(axes: Axes, titles: Titles, last_across: float) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """An empty chart with its grid, ticks up to ``last_across``, and titles."""
    picture = Image.new("RGB", (SIZE[0] * FINER, SIZE[1] * FINER), "white")
    draw = ImageDraw.Draw(picture)
    left, top, right, bottom = (FINER * side for side in BOX)
    for value in ticks(*axes.up):
        y = axes.y(value)
        draw.line([(left, y), (right, y)], fill=GRID, width=FINER)
        text(draw, (BOX[0] - 10, y / FINER), titles.write_up(value), 16, FAINT, "rm")
    for value in ticks(axes.across[0], last_across):
        x = axes.x(value)
        draw.line([(x, top), (x, bottom)], fill=GRID, width=FINER)
        text(draw, (x / FINER, BOX[3] + 14), titles.write_across(value), 16, FAINT, "mt")
    draw.line([(left, bottom), (right, bottom)], fill=FAINT, width=FINER)
    text(draw, ((BOX[0] + BOX[2]) / 2, SIZE[1] - 34), titles.across, 17, INK, "mm")
    text(draw, (BOX[0] - 90, BOX[1] - 14), titles.up, 17, INK, "lm")
    text(draw, (BOX[0], 28), titles.title, 26, INK)
    text(draw, (BOX[0], 62), titles.summary, 17, FAINT)
    return picture, draw


def save(path: Path, picture: Image.Image) -> None:
    """Shrink the canvas and write it as a PNG file, which appears whole or not at all.

    Raises:
        UsageError: the name does not end in ``.png``, or the folder cannot be written to.
    """
    if path.suffix.lower() != ".png":
        raise UsageError(f"{path}: expected a name ending in .png")
    stream = BytesIO()
    picture.resize(SIZE, Image.Resampling.LANCZOS).save(stream, "PNG", optimize=True)
    try:
        with replacing(path) as file:
            file.write(stream.getvalue())
    except OSError as error:
        raise UsageError(f"{path}: the plot cannot be written there: {error}") from error


def ticks(low: float, high: float) -> list[float]:
    """About six round values between the two."""
    rough = (high - low) / 6
    power = 10.0 ** np.floor(np.log10(rough))
    step = float(power * next(factor for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough))
    return [step * number for number in range(int(np.ceil(low / step)), int(np.floor(high / step)) + 1)]


def broken(draw: ImageDraw.ImageDraw, start: Point, end: Point, colour: str) -> None:
    """A dashed line between two pixels."""
    length = float(np.hypot(end[0] - start[0], end[1] - start[1]))
    dash = 8 * FINER
    for number in range(int(length / dash / 2) + 1):
        first, last = (min(1.0, (2 * number + half) * dash / max(length, 1)) for half in (0, 1))
        ends = [tuple(a + (b - a) * part for a, b in zip(start, end, strict=True)) for part in (first, last)]
        draw.line([(ends[0][0], ends[0][1]), (ends[1][0], ends[1][1])], fill=colour, width=2 * FINER)


def square(draw: ImageDraw.ImageDraw, spot: Point) -> None:
    """A square mark."""
    half = 7 * FINER
    draw.rectangle([spot[0] - half, spot[1] - half, spot[0] + half, spot[1] + half], fill=INK)


def text(draw: ImageDraw.ImageDraw, at: Point, words: str, size: int, colour: str, anchor: str = "lt") -> None:
    """Text that stays inside the picture: shifted to the left, and smaller if it is wider than all of it."""
    font = ImageFont.load_default(size * FINER)
    room = FINER * (SIZE[0] - 40)
    if font.getlength(words) > room:
        font = ImageFont.load_default(size * FINER * room / font.getlength(words))
    x, y = at[0] * FINER, at[1] * FINER
    over = draw.textbbox((x, y), words, font=font, anchor=anchor)[2] - FINER * (SIZE[0] - 10)
    draw.text((x - max(0, over), y), words, fill=colour, font=font, anchor=anchor)


def disc(draw: ImageDraw.ImageDraw, spot: Point, radius: int, *, filled: bool) -> None:
    """A disc, or a ring filled with white, of a radius in pixels of the finished picture."""
    (x, y), reach = spot, radius * FINER
    fill = ORANGE if filled else "white"
    draw.ellipse([x - reach, y - reach, x + reach, y + reach], fill=fill, outline=ORANGE, width=3 * FINER)
