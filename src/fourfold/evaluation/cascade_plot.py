"""Accuracy against cost of a cascade, drawn with Pillow: every operating point, and the chosen one."""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from fourfold.core.atomic import replacing
from fourfold.core.errors import UsageError
from fourfold.evaluation.cascade import Report, text_macs
from fourfold.evaluation.logits import Samples
from fourfold.methods import gate
from fourfold.methods.cascade import ENDS

_FINER = 2  # drawn twice as large and shrunk: smooth edges
_SIZE = (1200, 760)
_BOX = (110, 92, 1160, 672)  # left, top, right, bottom of the axes
_LEGEND = (378, 148)  # width, height
_INK, _FAINT, _GRID, _BLUE, _ORANGE, _GREY = "#1b1f24", "#5b6470", "#e3e7ec", "#1f6fb2", "#d9730d", "#9aa3ad"

Point = tuple[float, float]


@dataclass(frozen=True)
class _Axes:
    """From MACs and accuracy to pixels of the fine canvas."""

    cost: tuple[float, float]
    accuracy: tuple[float, float]

    def x(self, macs: float) -> float:
        low, high = self.cost
        return _FINER * (_BOX[0] + (_BOX[2] - _BOX[0]) * (macs - low) / (high - low))

    def y(self, accuracy: float) -> float:
        low, high = self.accuracy
        return _FINER * (_BOX[3] - (_BOX[3] - _BOX[1]) * (accuracy - low) / (high - low))

    def at(self, macs: float, accuracy: float) -> Point:
        return self.x(macs), self.y(accuracy)


def plot(path: Path, pair: Samples, report: Report) -> None:
    """Draw the pair to a PNG file, which appears whole or not at all.

    The line is every distinct threshold on all samples; the broken one is random routing. Filled: the chosen point on
    the samples it was chosen on. Ring with bars: on samples it was not chosen on, with 95 % bootstrap intervals.

    Raises:
        UsageError: the name does not end in ``.png``, or the folder cannot be written to.
    """
    if path.suffix.lower() != ".png":
        raise UsageError(f"{path}: expected a name ending in .png")
    stream = BytesIO()
    _drawn(pair, report).save(stream, "PNG", optimize=True)
    try:
        with replacing(path) as file:
            file.write(stream.getvalue())
    except OSError as error:
        raise UsageError(f"{path}: the plot cannot be written there: {error}") from error


def curve(pair: Samples) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """MACs and accuracy of every distinct operating point, cheapest first."""
    little, big = pair.little, pair.big
    points = gate.sweep(pair.confidence, big.correct.astype(np.int64) - little.correct, ENDS)
    forwarded = points.forwarded / len(pair)
    return little.macs + forwarded * big.macs, (int(big.correct.sum()) - points.lost) / len(pair)


def _drawn(pair: Samples, report: Report) -> Image.Image:
    little, big = pair.little, pair.big
    macs, accuracy = curve(pair)
    shown = [accuracy.min(), accuracy.max(), little.correct.mean(), big.correct.mean()]
    if report.held_out:
        shown += [report.held_out.accuracy.low, report.held_out.accuracy.high]
    margin = max(0.08 * (max(shown) - min(shown)), 0.002)
    axes = _Axes((0.0, 1.04 * float(macs[-1])), (min(shown) - margin, max(shown) + margin))
    canvas = Image.new("RGB", (_SIZE[0] * _FINER, _SIZE[1] * _FINER), "white")
    draw = ImageDraw.Draw(canvas)
    _grid(draw, axes, little.macs + big.macs)
    _text(draw, (_BOX[0], 28), f"Little-Big: {little.name}, then {big.name}", 26, _INK)
    _text(draw, (_BOX[0], 62), _summary(report), 17, _FAINT)
    floor = float(big.correct.mean()) - report.max_loss
    _broken(draw, axes.at(0, floor), axes.at(axes.cost[1], floor), _GREY)
    _broken(draw, axes.at(macs[0], accuracy[0]), axes.at(macs[-1], accuracy[-1]), _GREY)
    line = _thinned([axes.at(x, y) for x, y in zip(macs, accuracy, strict=True)])
    draw.line(line, fill=_BLUE, width=3 * _FINER, joint="curve")
    for one in (little, big):
        spot = axes.at(one.macs, float(one.correct.mean()))
        _square(draw, spot)
        _text(draw, (spot[0] / _FINER + 12, spot[1] / _FINER + 8), f"{one.name} alone", 17, _INK)
    _chosen(draw, axes, report)
    _legend(draw, _free_corner(line))
    return canvas.resize(_SIZE, Image.Resampling.LANCZOS)


def _summary(report: Report) -> str:
    point = report.in_sample or (report.held_out.fit if report.held_out else None)
    assert point is not None
    saved = f"MACs {-100 * point.reduction:+.1f} %"
    text = f"threshold {point.threshold:.3g}, forwarded {100 * point.forwarded:.1f} %, {saved}"
    if report.in_sample and report.held_out:
        text += f" in sample; {-100 * report.held_out.fit.reduction:+.1f} % on samples held out"
    return text


def _grid(draw: ImageDraw.ImageDraw, axes: _Axes, cost: float) -> None:
    left, top, right, bottom = (_FINER * side for side in _BOX)
    for accuracy in _ticks(*axes.accuracy):
        y = axes.y(accuracy)
        draw.line([(left, y), (right, y)], fill=_GRID, width=_FINER)
        _text(draw, (_BOX[0] - 10, y / _FINER), f"{100 * accuracy:.4g} %", 16, _FAINT, "rm")
    for macs in _ticks(0, cost):
        x = axes.x(macs)
        draw.line([(x, top), (x, bottom)], fill=_GRID, width=_FINER)
        _text(draw, (x / _FINER, _BOX[3] + 14), text_macs(macs) if macs else "0", 16, _FAINT, "mt")
    draw.line([(left, bottom), (right, bottom)], fill=_FAINT, width=_FINER)
    _text(
        draw, ((_BOX[0] + _BOX[2]) / 2, _SIZE[1] - 34), "multiply-accumulate operations a sample, mean", 17, _INK, "mm"
    )
    _text(draw, (_BOX[0] - 90, _BOX[1] - 14), "accuracy", 17, _INK, "lm")


def _chosen(draw: ImageDraw.ImageDraw, axes: _Axes, report: Report) -> None:
    if report.held_out:
        point, around = report.held_out.fit, report.held_out
        x, y = axes.at(point.macs, point.accuracy)
        draw.line([(x, axes.y(around.accuracy.low)), (x, axes.y(around.accuracy.high))], fill=_ORANGE, width=2 * _FINER)
        radius = 9 * _FINER
        draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill="white", outline=_ORANGE, width=3 * _FINER)
    if report.in_sample:
        x, y = axes.at(report.in_sample.macs, report.in_sample.accuracy)
        radius = 6 * _FINER
        draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=_ORANGE)


def _free_corner(line: list[Point]) -> Point:
    """Where the legend hides least of the line: its left and top, in the finished picture."""
    across, down = _LEGEND
    left, top, right, bottom = (_BOX[0] + 12, _BOX[1] + 12, _BOX[2] - 12 - across, _BOX[3] - 12 - down)
    corners = ((right, bottom), (right, top), (left, top), (left, bottom))
    points = np.array(line) / _FINER

    def hidden(corner: Point) -> int:
        inside = (points > np.array(corner) - 12) & (points < np.array(corner) + np.array(_LEGEND) + 12)
        return int(inside.all(axis=1).sum())

    return min(corners, key=hidden)


def _legend(draw: ImageDraw.ImageDraw, corner: Point) -> None:
    left, top = corner
    draw.rounded_rectangle(
        [_FINER * left, _FINER * top, _FINER * (left + _LEGEND[0]), _FINER * (top + _LEGEND[1])],
        8 * _FINER, fill="white", outline=_GRID, width=_FINER,
    )  # fmt: skip
    x, y = left + 16, top + 22
    spots = [(_FINER * (x + 14), _FINER * (y + 34 * row)) for row in range(4)]
    reach = 14 * _FINER
    draw.line([(spots[0][0] - reach, spots[0][1]), (spots[0][0] + reach, spots[0][1])], fill=_BLUE, width=3 * _FINER)
    _broken(draw, (spots[1][0] - reach, spots[1][1]), (spots[1][0] + reach, spots[1][1]), _GREY)
    for (middle, height), radius, filled in ((spots[2], 6 * _FINER, True), (spots[3], 9 * _FINER, False)):
        draw.ellipse(
            [middle - radius, height - radius, middle + radius, height + radius],
            fill=_ORANGE if filled else "white", outline=_ORANGE, width=3 * _FINER,
        )  # fmt: skip
    texts = (
        "every threshold, all samples",
        "random routing; the loss allowed",
        "chosen, in sample (as the paper)",
        "on samples it was not chosen on",
    )
    for row, text in enumerate(texts):
        _text(draw, (x + 40, y + 34 * row), text, 17, _INK, "lm")


def _ticks(low: float, high: float) -> list[float]:
    """About six round values between the two."""
    rough = (high - low) / 6
    power = 10.0 ** np.floor(np.log10(rough))
    step = float(power * next(factor for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough))
    return [step * number for number in range(int(np.ceil(low / step)), int(np.floor(high / step)) + 1)]


def _thinned(line: list[Point]) -> list[Point]:
    """No more than the highest, the lowest and the last point of each column of pixels."""
    columns: dict[int, list[Point]] = {}
    for point in line:
        columns.setdefault(round(point[0]), []).append(point)
    kept: list[Point] = []
    for points in columns.values():
        wanted = {points[0], min(points, key=_height), max(points, key=_height), points[-1]}
        kept += [point for point in points if point in wanted]
    return kept


def _height(point: Point) -> float:
    return point[1]


def _broken(draw: ImageDraw.ImageDraw, start: Point, end: Point, colour: str) -> None:
    length = float(np.hypot(end[0] - start[0], end[1] - start[1]))
    dash = 8 * _FINER
    for number in range(int(length / dash / 2) + 1):
        first, last = (min(1.0, (2 * number + half) * dash / max(length, 1)) for half in (0, 1))
        ends = [tuple(a + (b - a) * part for a, b in zip(start, end, strict=True)) for part in (first, last)]
        draw.line([(ends[0][0], ends[0][1]), (ends[1][0], ends[1][1])], fill=colour, width=2 * _FINER)


def _square(draw: ImageDraw.ImageDraw, spot: Point) -> None:
    half = 7 * _FINER
    draw.rectangle([spot[0] - half, spot[1] - half, spot[0] + half, spot[1] + half], fill=_INK)


def _text(draw: ImageDraw.ImageDraw, at: Point, text: str, size: int, colour: str, anchor: str = "lt") -> None:
    """Text that stays inside the picture: shifted to the left, and smaller if it is wider than all of it."""
    font = ImageFont.load_default(size * _FINER)
    room = _FINER * (_SIZE[0] - 40)
    if font.getlength(text) > room:
        font = ImageFont.load_default(size * _FINER * room / font.getlength(text))
    x, y = at[0] * _FINER, at[1] * _FINER
    over = draw.textbbox((x, y), text, font=font, anchor=anchor)[2] - _FINER * (_SIZE[0] - 10)
    draw.text((x - max(0, over), y), text, fill=colour, font=font, anchor=anchor)
