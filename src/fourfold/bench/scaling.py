"""Batch throughput by number of workers: photos per second, and each worker's memory over the run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fourfold.bench.speed import busy, load_average
from fourfold.pages import chart
from fourfold.pages.report import text_table

_KEPT = 200
"""Points of memory that are kept of a run."""


@dataclass(frozen=True)
class WorkerCount:
    """An engine and its number of workers, of one thread each."""

    engine: Literal["local", "ray"]
    workers: int


@dataclass(frozen=True)
class BatchRun:
    """A batch that was timed.

    Attributes:
        seconds: from the start to the last photo, starting the workers included; steady: photos a second from the first
            tenth of the photos on, when every worker is at work.
        processor_seconds: of all local workers together, which other programs disturb little; None on Ray, whose
            workers are not ours to count. bytes_in, bytes_out: of all files.
        peak_mb: the most memory that a worker had taken, at photos evenly spaced in the order they were ready.
    """

    way: WorkerCount
    photos: int
    seconds: float
    steady: float
    processor_seconds: float | None
    bytes_in: int
    bytes_out: int
    peak_mb: tuple[int, ...]


@dataclass(frozen=True)
class Scaling:
    """Every run, in the order they were made, and whether other work ran beside them."""

    runs: tuple[BatchRun, ...]
    busy: bool


def measure(ways: Sequence[WorkerCount], run: Callable[[WorkerCount], BatchRun], rounds: int, threads: int) -> Scaling:
    """Run every way once a round, the other way round in every other one, so that a changing load is fair to all."""
    before = load_average()
    runs = tuple(run(way) for turn in range(rounds) for way in (ways if turn % 2 == 0 else ways[::-1]))
    return Scaling(runs, busy(before, load_average(), threads))


def timed(
    way: WorkerCount,
    ready: Sequence[float],
    peaks: Sequence[int],
    processor_seconds: float | None,
    sizes: tuple[int, int],
) -> BatchRun:
    """A run from the moments at which its photos were ready, in seconds from its start, and workers' memory then."""
    first = len(ready) // 10
    spaced = range(0, len(peaks), max(1, len(peaks) // _KEPT))
    steady = (len(ready) - 1 - first) / (ready[-1] - ready[first])
    return BatchRun(
        way, len(ready), round(ready[-1], 1), round(steady, 2), processor_seconds, *sizes,
        tuple(peaks[place] for place in spaced),
    )  # fmt: skip


def table(found: Scaling) -> str:
    """The runs as aligned text, with each rate beside that of one local worker in the same round."""
    rows = [
        [
            "",
            "photos",
            "s",
            "photos/s, steady",
            "to one worker",
            "processor ms a photo",
            "worker MB at 10 %",
            "at the end",
        ]
    ]
    base = 1.0
    ones = {index: run.steady for index, run in enumerate(found.runs) if run.way == WorkerCount("local", 1)}
    for index, run in enumerate(found.runs):
        base = ones[min(ones, key=lambda place: abs(place - index))] if ones else base
        spent = run.processor_seconds
        early = run.peak_mb[len(run.peak_mb) // 10]
        rows.append([
            f"{run.way.engine}, {run.way.workers}", str(run.photos), f"{run.seconds:.0f}", f"{run.steady:.2f}",
            f"{run.steady / base:.2f}", "" if spent is None else f"{1000 * spent / run.photos:.0f}", str(early),
            str(max(run.peak_mb)),
        ])  # fmt: skip
    lines = [text_table(rows)]
    if found.busy:
        lines.append("busy machine: only ratios mean something, and they are rough")
    return "\n".join(lines)


def plot(path: Path, found: Scaling) -> None:
    """Draw the memory of workers over each run to a PNG file."""
    top = max(max(run.peak_mb) for run in found.runs)
    axes = chart.Axes((0.0, float(max(run.photos for run in found.runs))), (0.0, 1.2 * top))
    titles = chart.Titles(
        title="Memory of a worker over a batch",
        summary="the most it had taken so far, every run of the measurement",
        across="photos done",
        up="MB",
        write_across=lambda photos: f"{photos:.0f}",
        write_up=lambda megabytes: f"{megabytes:.0f}",
    )
    canvas, draw = chart.canvas(axes, titles, axes.across[1])
    for run, colour in zip(found.runs, [chart.BLUE, chart.ORANGE, chart.GREY] * len(found.runs), strict=False):
        step = run.photos / len(run.peak_mb)
        line = [axes.at(step * place, peak) for place, peak in enumerate(run.peak_mb)]
        draw.line(line, fill=colour, width=2 * chart.FINER, joint="curve")
    chart.save(path, canvas)
