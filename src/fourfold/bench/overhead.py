"""Measure overhead: time two ways of doing the same thing, in turns."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from fourfold.bench.speed import Spread, busy, load_average, spread, spread_table


@dataclass(frozen=True)
class Overhead:
    """A finished measurement.

    Attributes:
        what: both ways do; rounds: that counted.
        direct, around: seconds of each way; ratio: of the second to the first, round by round, 1 = no overhead.
        processor_ratio: the same of processor time, all threads together, which other programs disturb less.
        busy: whether other work ran beside the measurement, so that its times should not be published.
    """

    what: str
    rounds: int
    direct: Spread
    around: Spread
    ratio: Spread
    processor_ratio: Spread
    busy: bool


def measure(
    what: str,
    direct: Callable[[], object],
    around: Callable[[], object],
    tidy: Callable[[], object],
    rounds: int,
    threads: int,
) -> Overhead:
    """Time two ways in turns, each first in every other round; one round before them does not count.

    Args:
        what: both do. direct, around: do it once. tidy: called after both, outside of the time.
        rounds: at least 1. threads: of the machine, to judge its load by.
    """
    before = load_average()
    ways = (direct, around)
    counted: list[list[tuple[float, float]]] = []
    for turn in range(rounds + 1):
        order = (0, 1) if turn % 2 else (1, 0)
        spent = {way: _spent(ways[way]) for way in order}
        counted.append([spent[0], spent[1]])
        tidy()
    wall, processor = ([[way[kind] for way in turn] for turn in counted[1:]] for kind in (0, 1))
    return Overhead(
        what,
        rounds,
        spread([turn[0] for turn in wall]),
        spread([turn[1] for turn in wall]),
        spread([turn[1] / turn[0] for turn in wall]),
        spread([turn[1] / turn[0] for turn in processor]),
        busy(before, load_average(), threads),
    )


def _spent(call: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock and of the processor."""
    wall, processor = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - processor


def table(found: Overhead) -> str:
    """The measurement as aligned text."""
    rows = {
        "direct, s": found.direct, "as a workflow, s": found.around, "ratio": found.ratio,
        "ratio of processor time": found.processor_ratio,
    }  # fmt: skip
    lines = [f"{found.what}, {found.rounds} rounds in turns", spread_table(rows, digits=3)]
    if found.busy:
        lines.append("busy machine: only the ratios mean something, and the last one most")
    return "\n".join(lines)
