"""Compare speed: paired, interleaved rounds on one picture, and whole runs against the network's own time.

Absolute times move from machine to machine and from hour to hour, so contenders take turns within every round and each
is compared with the first one in the same round. In a report, read the ratios.
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fourfold.bench.datasets import SCALE
from fourfold.bench.quality import Contender, checked
from fourfold.core.contract import Progress
from fourfold.core.errors import InvalidInput
from fourfold.pages.report import text_table

WholeRun = Callable[[], tuple[float, float]]
"""Does everything from file to file once; answers its total seconds and the seconds inside the network."""


@dataclass(frozen=True)
class Clock:
    """Where time comes from: ``now`` in seconds, ``sleep`` for a number of them. Tests bring their own."""

    now: Callable[[], float] = time.perf_counter
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class Rounds:
    """How often to measure.

    Attributes:
        measured: rounds that count; warmup: rounds before them that do not.
        pause: seconds between two calls, so that the worker threads of one engine sleep before the next one's turn.
    """

    measured: int = 15
    warmup: int = 2
    pause: float = 0.1

    def __post_init__(self) -> None:
        if self.measured < 1 or self.warmup < 0 or self.pause < 0:
            raise InvalidInput(f"expected at least one round and no negative warm-up or pause, got {self}")


@dataclass(frozen=True)
class Spread:
    """Order statistics of repeated measurements, quartiles by linear interpolation."""

    median: float
    minimum: float
    lower_quartile: float
    upper_quartile: float
    maximum: float


def spread_table(rows: Mapping[str, Spread], digits: int) -> str:
    """The median and the middle half of each, as aligned text."""
    lines = [["", "median", "middle half"]]
    for name, one in rows.items():
        half = f"{one.lower_quartile:.{digits}f} to {one.upper_quartile:.{digits}f}"
        lines.append([name, f"{one.median:.{digits}f}", half])
    return text_table(lines)


@dataclass(frozen=True)
class Timing:
    """One contender in a paired run.

    Attributes:
        contender, how: as the contender says.
        seconds: of a whole call.
        seconds_per_megapixel: median seconds over output megapixels.
        ratio: its time over the first contender's time in the same round; 2 = twice as slow.
    """

    contender: str
    how: str
    seconds: Spread
    seconds_per_megapixel: float
    ratio: Spread


@dataclass(frozen=True)
class StageTiming:
    """Whole runs, from file to file, against the time inside the network alone.

    Attributes:
        name: of the case.
        seconds, seconds_model: of a whole run and of its network.
        overhead: whole time over network time, run by run; 1 = nothing but the network.
        ratio: whole time over that of the first case in the same round.
    """

    name: str
    seconds: Spread
    seconds_model: Spread
    overhead: Spread
    ratio: Spread


@dataclass(frozen=True)
class SpeedReport:
    """A finished measurement.

    Attributes:
        threads: that the machine grants this process.
        load_before, load_after: one-minute load averages; None where the system has none.
        busy: whether other work ran beside the measurement, so that its figures should not be published.
        input_size: ``(width, height)`` of the picture of the paired run.
        rounds: of the paired run.
        timings: of the paired run; stages: of whole runs.
    """

    threads: int
    load_before: float | None
    load_after: float | None
    busy: bool
    input_size: tuple[int, int]
    rounds: Rounds
    timings: tuple[Timing, ...]
    stages: tuple[StageTiming, ...]


def measure(
    contenders: Sequence[Contender],
    picture: NDArray[np.uint8],
    whole_runs: Mapping[str, WholeRun],
    threads: int,
    rounds: Rounds | None = None,
    progress: Progress | None = None,
) -> SpeedReport:
    """The whole benchmark: a ``paired`` run, then ``stages`` of every whole run, with the machine's load around them.

    Args:
        contenders: the first is the one that ratios refer to.
        picture: ``h×w×3``, given to every contender.
        whole_runs: by name, may be empty.
        threads: that the machine grants this process, to judge the load by.
        rounds: of the paired run.
        progress: as ``paired`` says.

    Raises:
        InvalidInput: as ``paired`` and ``stages`` say.
    """
    rounds = rounds or Rounds()
    before = load_average()
    timings = paired(contenders, picture, rounds, progress=progress)
    whole = stages(whole_runs)
    after = load_average()
    size = picture.shape[1], picture.shape[0]
    return SpeedReport(threads, before, after, busy(before, after, threads), size, rounds, timings, whole)


def paired(
    contenders: Sequence[Contender],
    picture: NDArray[np.uint8],
    rounds: Rounds | None = None,
    clock: Clock | None = None,
    progress: Progress | None = None,
) -> tuple[Timing, ...]:
    """Time contenders in turns: A B C, A B C, …

    Args:
        contenders: the first is the one that ratios refer to.
        picture: ``h×w×3``, given to every one of them.
        rounds: how often.
        clock: the real one by default.
        progress: called after each round, outside the measured time.

    Raises:
        InvalidInput: no contender, two of one name, or an answer that is not four times the picture.
    """
    rounds, clock = rounds or Rounds(), clock or Clock()
    names = [contender.name for contender in contenders]
    if not names or len(set(names)) < len(names):
        raise InvalidInput(f"expected one or more contenders with names of their own, got {names}")
    for contender in contenders:
        checked(contender, picture)
    seconds: list[list[float]] = [[] for _ in contenders]
    for turn in range(rounds.warmup + rounds.measured):
        for own, contender in zip(seconds, contenders, strict=True):
            clock.sleep(rounds.pause)
            started = clock.now()
            contender.enlarge(picture)
            own.append(clock.now() - started)
        if progress:
            progress(turn + 1, rounds.warmup + rounds.measured)
    counted = [own[rounds.warmup :] for own in seconds]
    megapixels = picture.shape[0] * picture.shape[1] * SCALE**2 / 1e6
    return tuple(
        Timing(one.name, one.how, spread(own), spread(own).median / megapixels, _ratios(own, counted[0]))
        for one, own in zip(contenders, counted, strict=True)
    )


def stages(runs: Mapping[str, WholeRun], measured: int = 5, warmup: int = 1) -> tuple[StageTiming, ...]:
    """Repeat whole runs in turns and compare the time of each with its network's own, and with the first one's.

    Args:
        runs: by name; each does it all once.
        measured: rounds that count, at least 1; warmup: rounds before them that do not.

    Raises:
        InvalidInput: no run to count, or the network took no time or longer than the whole.
    """
    if measured < 1 or warmup < 0:
        raise InvalidInput(f"expected at least one run and no negative warm-up, got {measured} and {warmup}")
    pairs: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for _ in range(warmup + measured):
        for name, run in runs.items():
            total, model = run()
            if not 0 < model <= total:
                raise InvalidInput(f"{name}: expected 0 < network time ≤ total time, got {model} s of {total} s")
            pairs[name].append((total, model))
    found = []
    first: tuple[float, ...] | None = None
    for name, counted in pairs.items():
        totals, models = zip(*counted[warmup:], strict=True)
        first = first or totals
        found.append(StageTiming(name, spread(totals), spread(models), _ratios(totals, models), _ratios(totals, first)))
    return tuple(found)


def spread(values: Sequence[float]) -> Spread:
    """Minimum, quartiles and maximum of at least one value."""
    low, lower, median, upper, high = (float(value) for value in np.percentile(values, (0, 25, 50, 75, 100)))
    return Spread(median, low, lower, upper, high)


def load_average() -> float | None:
    """Processes wanting to run, averaged over the last minute; None where the system does not say."""
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):
        return None


def busy(before: float | None, after: float | None, threads: int) -> bool:
    """Whether the load shows other work: over a quarter of the threads before, or over them all and a quarter after."""
    return (before or 0) > 0.25 * threads or (after or 0) > 1.25 * threads


def _ratios(own: Sequence[float], reference: Sequence[float]) -> Spread:
    if min(reference) <= 0:
        raise InvalidInput("expected a measurable time, got 0 s; use a larger picture")
    return spread([mine / other for mine, other in zip(own, reference, strict=True)])


def table(report: SpeedReport) -> str:
    """The report as aligned text: the paired run, the whole runs, and a warning if the machine was busy."""
    width, height = report.input_size
    sizes = f"{width}×{height} to {width * SCALE}×{height * SCALE} pixels"
    header = ["contender", "time", "middle half", "per megapixel", "ratio"]
    lines = [
        f"{sizes}, {report.threads} threads, median of {report.rounds.measured} rounds taken in turns",
        text_table([header, *map(_timing_row, report.timings)]),
    ]
    if report.stages:
        header = ["whole run", "time", "network", "time / network", "ratio"]
        lines += ["", text_table([header, *map(_stage_row, report.stages)])]
    if report.busy:
        load = f"load {report.load_before} before and {report.load_after} after"
        lines += ["", f"busy machine ({load}): these figures are noise, measure again when nothing else runs"]
    return "\n".join(lines)


def _timing_row(timing: Timing) -> list[str]:
    seconds = timing.seconds
    return [
        timing.contender,
        _milliseconds(seconds.median),
        f"{_milliseconds(seconds.lower_quartile)} to {_milliseconds(seconds.upper_quartile)}",
        _milliseconds(timing.seconds_per_megapixel),
        f"{timing.ratio.median:.2f}",
    ]


def _stage_row(stage: StageTiming) -> list[str]:
    return [
        stage.name,
        _milliseconds(stage.seconds.median),
        _milliseconds(stage.seconds_model.median),
        f"{stage.overhead.median:.2f}",
        f"{stage.ratio.median:.2f}",
    ]


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms"
