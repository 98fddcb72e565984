"""Synthetic graphics, seeded: text, line art, user interfaces, icons and halftone.

Everything is drawn at twice its size and shrunk, so that edges are as smooth as a renderer makes them.
"""

import functools
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFont

Graphic = NDArray[np.uint8]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Colour = tuple[int, int, int]

_FINER = 2
_FONTS = Path("/usr/share/fonts")
_SCRIPTS: tuple[str, ...] = (
    "The quick brown fox jumps over the lazy dog 0123456789 &%$€@#?! (reading) [12:45] +3.14 = x² – a/b",
    "Größe, façade, señor, naïve, Ørsted, Łódź, Škoda, İstanbul, œuvre, ﬁnally",
    "Съешь же ещё этих мягких французских булок, да выпей чаю",
    "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία",
    "다람쥐 헌 쳇바퀴에 타고파 작은 사진을 크게",
    "いろはにほへと ちりぬるを 小さな写真を大きく カタカナ",
    "天地玄黃 宇宙洪荒 日月盈昃 辰宿列張 放大小照片",
)  # fmt: skip


def graphic(rng: np.random.Generator, side: int = 768) -> Graphic:
    """A graphic ``side×side×3`` of a random kind; ``rng`` decides everything but which fonts are installed."""
    draw = KINDS[tuple(KINDS)[rng.integers(len(KINDS))]]
    return draw(rng, side)


@functools.cache
def held_out(count: int = 12, side: int = 480) -> tuple[Graphic, ...]:
    """Graphics that no training draws, of every kind in turn."""
    kinds = tuple(KINDS.values())
    return tuple(kinds[n % len(kinds)](np.random.default_rng([0x5EED, n]), side) for n in range(count))


def text(rng: np.random.Generator, side: int) -> Graphic:
    """Lines of text in many sizes, fonts and scripts on a plain or shaded ground."""
    ground, ink = _contrast(rng)
    canvas, pen = _canvas(side, ground)
    if rng.random() < 0.3:
        canvas = _shaded(canvas, rng)
        pen = ImageDraw.Draw(canvas)
    y = int(rng.integers(0, 20))
    while y < canvas.height:
        size = round(math.exp(rng.uniform(math.log(14), math.log(120))))
        font, words = _words(rng, size)
        colour = ink if rng.random() < 0.7 else _colour(rng)
        pen.text((int(rng.integers(-40, 60)), y), " ".join(words), fill=colour, font=font)
        y += round(size * rng.uniform(1.0, 1.6))
    return _finished(canvas)


def line_art(rng: np.random.Generator, side: int) -> Graphic:
    """Flat areas with inked outlines, as in comics, plans and maps."""
    ground, ink = _contrast(rng)
    canvas, pen = _canvas(side, ground)
    for _ in range(rng.integers(8, 30)):
        points = _blob(rng, canvas.width)
        width = int(rng.integers(1, 14))
        if rng.random() < 0.6:
            pen.polygon(points, fill=_colour(rng))
        pen.line([*points, points[0]], fill=ink, width=width, joint="curve")
    for _ in range(rng.integers(10, 60)):
        start, turn, curve = rng.uniform(0, canvas.width, 2), rng.uniform(0, 2 * math.pi), rng.uniform(-0.1, 0.1)
        angles = turn + curve * np.arange(40)
        steps = np.stack([np.cos(angles), np.sin(angles)], 1) * rng.uniform(3, 20)
        pen.line([tuple(p) for p in start + np.cumsum(steps, 0)], fill=ink, width=int(rng.integers(1, 9)))
    return _finished(canvas)


def interface(rng: np.random.Generator, side: int) -> Graphic:
    """Windows, cards, buttons and fields with labels, as on a screenshot."""
    ground, ink = _contrast(rng)
    canvas, pen = _canvas(side, ground)
    for _ in range(rng.integers(12, 40)):
        x, y = (int(v) for v in rng.integers(-50, canvas.width - 40, 2))
        wide, high = (int(math.exp(rng.uniform(math.log(40), math.log(600)))) for _ in range(2))
        box = (x, y, x + wide, y + high)
        fill, edge = _colour(rng), _colour(rng)
        pen.rounded_rectangle(
            box, radius=int(rng.integers(0, 30)), fill=fill, outline=edge, width=int(rng.integers(0, 6))
        )
        font, words = _words(rng, int(rng.integers(16, 48)))
        label = (20, 20, 24) if sum(fill) > 384 else (245, 245, 245)
        pen.text((x + 12, y + 8), " ".join(words[: rng.integers(1, 5)]), fill=label, font=font)
    for row in range(rng.integers(0, 20)):
        pen.line([(0, row * 60), (canvas.width, row * 60)], fill=ink, width=2)
    return _finished(canvas)


def icons(rng: np.random.Generator, side: int) -> Graphic:
    """A sheet of simple icons: discs, rings, stars, arrows, arcs and checks of one or two colours."""
    ground, ink = _contrast(rng)
    canvas, pen = _canvas(side, ground)
    cell = int(rng.integers(60, 240))
    for y in range(0, canvas.height, cell):
        for x in range(0, canvas.width, cell):
            centre, radius = np.array([x + cell / 2, y + cell / 2]), cell * rng.uniform(0.25, 0.48)
            colour = ink if rng.random() < 0.6 else _colour(rng)
            _icon(pen, rng, centre, radius, colour)
    return _finished(canvas)


def halftone(rng: np.random.Generator, side: int) -> Graphic:
    """A soft picture printed in dots of one or several inks on paper."""
    canvas, _ = _canvas(side, (250, 248, 240))
    inks = [(20, 20, 20)] if rng.random() < 0.5 else [(0, 160, 220), (220, 30, 120), (250, 220, 20)]
    for ink in inks:
        layer, pen = _canvas(side, (255, 255, 255))
        pitch, angle = rng.uniform(8, 26), rng.uniform(0, math.pi / 2)
        waves = rng.uniform(-0.008, 0.008, (3, 2))
        count = int(0.75 * canvas.width / pitch)
        grid = np.stack(np.meshgrid(np.arange(-count, count), np.arange(-count, count)), -1).reshape(-1, 2) * pitch
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        places = grid @ turn + canvas.width / 2
        radii = pitch * 0.6 * np.sqrt(0.5 + 0.5 * np.sin(places @ waves.T).mean(1))
        for (x, y), r in zip(places, radii, strict=True):
            if -r < x < canvas.width + r and -r < y < canvas.height + r:
                pen.ellipse((x - r, y - r, x + r, y + r), fill=ink)
        canvas = ImageChops.multiply(canvas, layer)
    return _finished(canvas)


KINDS: dict[str, Callable[[np.random.Generator, int], Graphic]] = {
    "text": text, "line art": line_art, "interface": interface, "icons": icons, "halftone": halftone,
}  # fmt: skip


def _icon(
    pen: ImageDraw.ImageDraw, rng: np.random.Generator, centre: NDArray[np.float64], r: float, colour: Colour
) -> None:
    x, y = (float(v) for v in centre)
    box, width = (x - r, y - r, x + r, y + r), max(2, int(r * rng.uniform(0.05, 0.3)))
    kind = rng.integers(5)
    if kind == 0:
        pen.ellipse(box, fill=colour)
    elif kind == 1:
        pen.arc(box, float(rng.uniform(0, 180)), float(rng.uniform(200, 360)), fill=colour, width=width)
    elif kind == 2:
        points = int(rng.integers(3, 9))
        angles = np.arange(2 * points) * math.pi / points + rng.uniform(0, 6)
        lengths = np.where(np.arange(2 * points) % 2, r * rng.uniform(0.3, 1), r)
        pen.polygon(
            [(x + math.cos(a) * n, y + math.sin(a) * n) for a, n in zip(angles, lengths, strict=True)], fill=colour
        )
    elif kind == 3:
        pen.line([(x - r, y), (x - r / 4, y + r * 0.7), (x + r, y - r * 0.7)], fill=colour, width=width, joint="curve")
    else:
        pen.rectangle(box, outline=colour, width=width)
        pen.line([(x - r, y), (x + r, y)], fill=colour, width=width)


def _canvas(side: int, ground: Colour) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    canvas = Image.new("RGB", (_FINER * side, _FINER * side), ground)
    return canvas, ImageDraw.Draw(canvas)


def _finished(canvas: Image.Image) -> Graphic:
    return np.asarray(canvas.resize((canvas.width // _FINER, canvas.height // _FINER), Image.Resampling.BOX))


def _shaded(canvas: Image.Image, rng: np.random.Generator) -> Image.Image:
    """The ground with a gradient towards another colour."""
    other = Image.new("RGB", canvas.size, _colour(rng))
    ramp = Image.linear_gradient("L").rotate(int(rng.integers(4)) * 90).resize(canvas.size)
    return Image.composite(other, canvas, ramp.point(lambda level: level // 3))


def _contrast(rng: np.random.Generator) -> tuple[Colour, Colour]:
    """A ground and an ink on it: dark on light, light on dark, or two colours."""
    light, dark = _colour(rng, 215, 256), _colour(rng, 0, 60)
    if rng.random() < 0.3:
        light, dark = (255, 255, 255), (0, 0, 0)
    return (light, dark) if rng.random() < 0.65 else (dark, light)


def _colour(rng: np.random.Generator, low: int = 0, high: int = 256) -> Colour:
    red, green, blue = (int(v) for v in rng.integers(low, high, 3))
    return red, green, blue


def _blob(rng: np.random.Generator, side: int) -> list[tuple[float, float]]:
    """A closed outline, rough or smooth."""
    corners, centre, size = (
        int(rng.integers(3, 40)),
        rng.uniform(0, side, 2),
        math.exp(rng.uniform(2.5, math.log(side / 2))),
    )
    angles = np.sort(rng.uniform(0, 2 * math.pi, corners))
    radii = size * rng.uniform(0.5, 1, corners)
    return [
        (float(centre[0] + r * math.cos(a)), float(centre[1] + r * math.sin(a)))
        for a, r in zip(angles, radii, strict=True)
    ]


@functools.cache
def _files() -> tuple[str, ...]:
    return tuple(sorted(str(path) for path in _FONTS.rglob("*") if path.suffix in (".ttf", ".otf", ".ttc")))


@functools.lru_cache(512)
def _loaded(file: str, size: int) -> Font:
    return ImageFont.truetype(file, size) if file else ImageFont.load_default(size)


@functools.cache
def _written(file: str) -> tuple[str, ...]:
    """The texts that a font has all letters of."""
    font = _loaded(file, 24)
    missing = bytes(font.getmask("\U0010fffe"))
    return tuple(
        text for text in _SCRIPTS if all(bytes(font.getmask(letter)) != missing for letter in set(text) - {" "})
    )


def _words(rng: np.random.Generator, size: int) -> tuple[Font, list[str]]:
    """A font of those installed, or Pillow's own where there are none, and the words of a text it can write."""
    files = [file for file in (rng.permutation(_files())[:20] if _files() else ()) if _written(file)]
    file = str(files[0]) if files else ""
    words = str(rng.choice(_written(file) or _SCRIPTS[:1])).split()
    rng.shuffle(words)
    return _loaded(file, size), words
