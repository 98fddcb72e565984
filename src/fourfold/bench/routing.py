"""Measure routing: the quality it loses and the time it saves against the big network alone, for every threshold.

All contenders take turns on each picture, so that a slow spell of the machine hits all of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fourfold.bench.datasets import SCALE, Picture
from fourfold.imaging.metrics import psnr_y
from fourfold.pages import chart
from fourfold.pages.report import text_table

Setting = float | Literal["little", "big", "fitted"]
"""A threshold in dB, one network for all, or the threshold the gate was fitted to."""


@dataclass(frozen=True)
class RoutedRun:
    """One picture routed with one setting: the result, seconds of the whole call, the fraction of tiles sent on."""

    output: Picture
    seconds: float
    forwarded: float


@dataclass(frozen=True)
class Point:
    """One setting over all pictures.

    Attributes:
        setting: as asked; forwarded: mean fraction of tiles that went to the big network.
        time: seconds over those of the big network alone, both summed over the pictures.
        psnr_y: mean dB against the truth, None without one.
        to_big: mean and least PSNR-Y in dB against the big network's own result, None where all are equal to it.
    """

    setting: Setting
    forwarded: float
    time: float
    psnr_y: float | None
    to_big: tuple[float, float] | None


@dataclass(frozen=True)
class RoutingReport:
    """Every setting over one group of pictures."""

    name: str
    pictures: int
    points: tuple[Point, ...]


@dataclass(frozen=True)
class RoutedGroups:
    """All groups of pictures."""

    groups: tuple[RoutingReport, ...]


def measure(
    name: str,
    pictures: Sequence[tuple[Picture, Picture | None]],
    run: Callable[[Picture, Setting], RoutedRun],
    thresholds: Sequence[float],
    rounds: int,
) -> RoutingReport:
    """Route every picture with every setting.

    Args:
        name: of the group; pictures: each small one, with the large truth if it is known.
        run: upscales; it is called once before the measured rounds for each picture and setting.
        thresholds: in dB; little, big and the fitted threshold are added.
        rounds: of which each picture's least time counts.
    """
    settings: list[Setting] = ["big", "little", "fitted", *thresholds]
    seconds = np.full((len(settings), len(pictures)), np.inf)
    forwarded = np.zeros((len(settings), len(pictures)))
    truths, nears = np.zeros((2, len(settings), len(pictures)))
    for column, (low, high) in enumerate(pictures):
        outputs = [run(low, setting).output for setting in settings]
        for row, output in enumerate(outputs):
            nears[row, column] = psnr_y(output, outputs[0], border=SCALE)
            truths[row, column] = np.nan if high is None else psnr_y(output, high, border=SCALE)
        for _ in range(rounds):
            for row, setting in enumerate(settings):
                done = run(low, setting)
                seconds[row, column] = min(seconds[row, column], done.seconds)
                forwarded[row, column] = done.forwarded
    total = seconds.sum(1)
    points = [
        Point(
            setting=setting,
            forwarded=float(forwarded[row].mean()),
            time=float(total[row] / total[0]),
            psnr_y=None if np.isnan(truths[row]).any() else float(truths[row].mean()),
            to_big=None if np.isinf(nears[row]).all() else (_mean(nears[row]), float(nears[row].min())),
        )
        for row, setting in enumerate(settings)
    ]
    return RoutingReport(name, len(pictures), tuple(points))


def _mean(decibels: NDArray[np.float64]) -> float:
    """Mean over the pictures that differ at all."""
    return float(decibels[np.isfinite(decibels)].mean())


def table(report: RoutingReport) -> str:
    """The points as aligned text, cheapest first."""
    header = [f"{report.name} ({report.pictures})", "to big", "time / big", "PSNR-Y", "against big: mean", "least"]
    rows = [
        [
            point.setting if isinstance(point.setting, str) else f"below {point.setting:g} dB",
            f"{100 * point.forwarded:.0f} %",
            f"{point.time:.3f}",
            "" if point.psnr_y is None else f"{point.psnr_y:.3f} dB",
            *([f"{value:.2f} dB" for value in point.to_big] if point.to_big else ["equal", "equal"]),
        ]
        for point in sorted(report.points, key=lambda point: point.time)
    ]
    return text_table([header, *rows])


def plot(path: Path, report: RoutingReport) -> None:
    """Draw quality against time to a PNG file: every threshold, both networks alone, and the fitted point.

    Quality is PSNR-Y against the truth, or against the big network's result where the truth is not known.
    """
    spots = {point.setting: (point.time, _quality(point)) for point in report.points}
    drawn = [(x, y) for x, y in spots.values() if y is not None]
    low, high = min(y for _, y in drawn), max(y for _, y in drawn)
    margin = 0.08 * (high - low) or 0.1
    axes = chart.Axes((0.0, 1.1 * max(x for x, _ in drawn)), (low - margin, high + margin))
    truth = report.points[0].psnr_y is not None
    titles = chart.Titles(
        title=f"Little and big, routed by tile: {report.name}",
        summary=f"{report.pictures} pictures{'' if truth else ', against what the big network makes of them'}; "
        "each point is a threshold, the ring the fitted one",
        across="time, as a part of the big network's alone",
        up="PSNR-Y",
        write_across=lambda part: f"{100 * part:.0f} %",
        write_up=lambda decibels: f"{decibels:.5g} dB",
    )
    canvas, draw = chart.canvas(axes, titles, axes.across[1])
    line = sorted(
        axes.at(x, y) for setting, (x, y) in spots.items() if y is not None and setting not in ("fitted", "big")
    )
    draw.line(line, fill=chart.BLUE, width=3 * chart.FINER, joint="curve")
    for setting, (x, y) in spots.items():
        if y is None:
            continue
        spot = axes.at(x, y)
        if setting in ("little", "big"):
            chart.square(draw, spot)
            chart.text(draw, (spot[0] / chart.FINER + 12, spot[1] / chart.FINER + 8), f"{setting} alone", 17, chart.INK)
        else:
            chart.disc(draw, spot, 9 if setting == "fitted" else 5, filled=setting != "fitted")
    chart.save(path, canvas)


def _quality(point: Point) -> float | None:
    if point.psnr_y is not None:
        return point.psnr_y
    return point.to_big[0] if point.to_big else None
