"""Accuracy against cost of a cascade, drawn with Pillow: every operating point, and the chosen one."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from fourfold.api.cascade.logits import Samples
from fourfold.api.cascade.report import CascadeReport, text_macs
from fourfold.methods import gate
from fourfold.methods.cascade import ENDS
from fourfold.pages import chart
from fourfold.pages.chart import BLUE, BOX, FINER, GREY, GRID, INK, ORANGE, Axes, Point, broken, square, text

_LEGEND = (378, 148)  # width, height


def plot(path: Path, pair: Samples, report: CascadeReport) -> None:
    """Draw the pair to a PNG file, which appears whole or not at all.

    The line is every distinct threshold on all samples; the broken one is random routing. Filled: the chosen point on
    the samples it was chosen on. Ring with bars: on samples it was not chosen on, with 95 % bootstrap intervals.

    Raises:
        UsageError: the name does not end in ``.png``, or the folder cannot be written to.
    """
    chart.save(path, _drawn(pair, report))


def curve(pair: Samples) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """MACs and accuracy of every distinct operating point, cheapest first."""
    little, big = pair.little, pair.big
    points = gate.sweep(pair.confidence, big.correct.astype(np.int64) - little.correct, ENDS)
    forwarded = points.forwarded / len(pair)
    return little.macs + forwarded * big.macs, (int(big.correct.sum()) - points.lost) / len(pair)


def _drawn(pair: Samples, report: CascadeReport) -> Image.Image:
    little, big = pair.little, pair.big
    macs, accuracy = curve(pair)
    shown = [accuracy.min(), accuracy.max(), little.correct.mean(), big.correct.mean()]
    if report.held_out:
        shown += [report.held_out.accuracy.low, report.held_out.accuracy.high]
    margin = max(0.08 * (max(shown) - min(shown)), 0.002)
    axes = Axes((0.0, 1.04 * float(macs[-1])), (min(shown) - margin, max(shown) + margin))
    titles = chart.Titles(
        title=f"Little-Big: {little.name}, then {big.name}",
        summary=_summary(report),
        across="multiply-accumulate operations a sample, mean",
        up="accuracy",
        write_across=lambda macs: text_macs(macs) if macs else "0",
        write_up=lambda accuracy: f"{100 * accuracy:.4g} %",
    )
    canvas, draw = chart.canvas(axes, titles, little.macs + big.macs)
    floor = float(big.correct.mean()) - report.max_loss
    broken(draw, axes.at(0, floor), axes.at(axes.across[1], floor), GREY)
    broken(draw, axes.at(macs[0], accuracy[0]), axes.at(macs[-1], accuracy[-1]), GREY)
    line = _thinned([axes.at(x, y) for x, y in zip(macs, accuracy, strict=True)])
    draw.line(line, fill=BLUE, width=3 * FINER, joint="curve")
    for one in (little, big):
        spot = axes.at(one.macs, float(one.correct.mean()))
        square(draw, spot)
        text(draw, (spot[0] / FINER + 12, spot[1] / FINER + 8), f"{one.name} alone", 17, INK)
    _chosen(draw, axes, report)
    _legend(draw, _free_corner(line))
    return canvas


def _summary(report: CascadeReport) -> str:
    point = report.in_sample or (report.held_out.fit if report.held_out else None)
    assert point is not None
    saved = f"MACs {-100 * point.reduction:+.1f} %"
    text = f"threshold {point.threshold:.3g}, forwarded {100 * point.forwarded:.1f} %, {saved}"
    if report.in_sample and report.held_out:
        text += f" in sample; {-100 * report.held_out.fit.reduction:+.1f} % on samples held out"
    return text


def _chosen(draw: ImageDraw.ImageDraw, axes: Axes, report: CascadeReport) -> None:
    if report.held_out:
        point, around = report.held_out.fit, report.held_out
        x, y = axes.at(point.macs, point.accuracy)
        draw.line([(x, axes.y(around.accuracy.low)), (x, axes.y(around.accuracy.high))], fill=ORANGE, width=2 * FINER)
        chart.disc(draw, (x, y), 9, filled=False)
    if report.in_sample:
        chart.disc(draw, axes.at(report.in_sample.macs, report.in_sample.accuracy), 6, filled=True)


def _free_corner(line: list[Point]) -> Point:
    """Where the legend hides least of the line: its left and top, in the finished picture."""
    across, down = _LEGEND
    left, top, right, bottom = (BOX[0] + 12, BOX[1] + 12, BOX[2] - 12 - across, BOX[3] - 12 - down)
    corners = ((right, bottom), (right, top), (left, top), (left, bottom))
    points = np.array(line) / FINER

    def hidden(corner: Point) -> int:
        inside = (points > np.array(corner) - 12) & (points < np.array(corner) + np.array(_LEGEND) + 12)
        return int(inside.all(axis=1).sum())

    return min(corners, key=hidden)


def _legend(draw: ImageDraw.ImageDraw, corner: Point) -> None:
    left, top = corner
    draw.rounded_rectangle(
        [FINER * left, FINER * top, FINER * (left + _LEGEND[0]), FINER * (top + _LEGEND[1])],
        8 * FINER, fill="white", outline=GRID, width=FINER,
    )  # fmt: skip
    x, y = left + 16, top + 22
    spots = [(FINER * (x + 14), FINER * (y + 34 * row)) for row in range(4)]
    reach = 14 * FINER
    draw.line([(spots[0][0] - reach, spots[0][1]), (spots[0][0] + reach, spots[0][1])], fill=BLUE, width=3 * FINER)
    broken(draw, (spots[1][0] - reach, spots[1][1]), (spots[1][0] + reach, spots[1][1]), GREY)
    chart.disc(draw, spots[2], 6, filled=True)
    chart.disc(draw, spots[3], 9, filled=False)
    texts = (
        "every threshold, all samples",
        "random routing; the loss allowed",
        "chosen, in sample (as the paper)",
        "on samples it was not chosen on",
    )
    for row, words in enumerate(texts):
        text(draw, (x + 40, y + 34 * row), words, 17, INK, "lm")


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
