"""What the batch benchmark makes of moments and memory."""

import pytest
from PIL import Image

from fourfold.bench import scaling
from fourfold.bench.scaling import Scaling, WorkerCount, measure, table, timed

ONE, TWO = WorkerCount("local", 1), WorkerCount("local", 2)


def run(way: WorkerCount, every: float, start: float = 5.0):
    """A hundred photos, one every so many seconds after a slow start; the worker's memory grows until the tenth."""
    ready = [start + every * number for number in range(100)]
    return timed(way, ready, [min(100 + number, 110) for number in range(100)], 90.0, (1000, 9000))


def test_the_rate_does_not_count_the_start():
    assert run(ONE, 0.5).steady == pytest.approx(2)
    assert run(ONE, 0.5, start=60).steady == pytest.approx(2)
    assert run(ONE, 0.5, start=60).seconds == pytest.approx(109.5)


def test_ways_are_taken_in_turns_and_compared_within_their_round():
    asked = []

    def once(way: WorkerCount):
        asked.append(way)
        return run(way, {ONE: 1.0, TWO: 0.5}[way] * (1 if len(asked) < 3 else 2))

    found = measure([ONE, TWO], once, rounds=2, threads=2)
    assert asked == [ONE, TWO, TWO, ONE]
    rows = [line.split() for line in table(found).splitlines()[2:6]]
    assert [row[5] for row in rows] == ["1.00", "2.00", "2.00", "1.00"]
    assert rows[0][6:] == ["900", "110", "110"]


def test_a_busy_machine_is_told():
    assert "rough" in table(Scaling((run(ONE, 1.0),), busy=True))
    assert "rough" not in table(Scaling((run(ONE, 1.0),), busy=False))


def test_the_plot_is_a_picture(tmp_path):
    scaling.plot(tmp_path / "memory.png", Scaling((run(ONE, 1.0), run(TWO, 0.5)), busy=False))
    with Image.open(tmp_path / "memory.png") as picture:
        assert picture.size == (1200, 760)
