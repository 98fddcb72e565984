import numpy as np
import pytest

from fourfold.bench import speed
from fourfold.bench.quality import Contender
from fourfold.bench.speed import Clock, Rounds, busy, measure, paired, spread, stages, table
from fourfold.core.errors import InvalidInput

PICTURE = np.zeros((250, 250, 3), np.uint8)


class Bench:
    """A clock that only contenders move, and a record of whose turn it was."""

    def __init__(self):
        self.time = 100.0
        self.turns = []
        self.slept = []
        self.clock = Clock(lambda: self.time, self.slept.append)

    def contender(self, name, seconds):
        durations = iter(seconds)

        def enlarge(low):
            self.turns.append(name)
            self.time += next(durations)
            return low.repeat(4, 0).repeat(4, 1)

        return Contender(name, enlarge, f"{name} engine")


def test_contenders_take_turns_and_warm_up_does_not_count():
    bench = Bench()
    slow_start = [9, 9]  # the first answer, which is checked, and the warm-up
    a, b = bench.contender("a", [*slow_start, 1, 2, 4]), bench.contender("b", [*slow_start, 3, 4, 8])
    first, second = paired([a, b], PICTURE, Rounds(measured=3, warmup=1, pause=0.25), bench.clock)
    assert bench.turns == ["a", "b"] * 5
    assert bench.slept == [0.25] * 8
    assert (first.contender, first.how, first.seconds.median) == ("a", "a engine", 2)
    assert (first.ratio.minimum, first.ratio.maximum) == (1, 1)
    assert second.ratio.median == 2
    assert (second.ratio.minimum, second.ratio.maximum) == (2, 3)
    assert second.seconds_per_megapixel == pytest.approx(4)


def test_ratios_are_taken_within_a_round_so_that_a_slow_spell_cancels():
    bench = Bench()
    a, b = bench.contender("a", [0, 1, 10, 1]), bench.contender("b", [0, 2, 20, 2])
    _, second = paired([a, b], PICTURE, Rounds(measured=3, warmup=0), bench.clock)
    assert (second.ratio.minimum, second.ratio.maximum) == (2, 2)


def test_progress_is_told_after_each_round_outside_the_measured_time():
    bench = Bench()
    seen = []

    def progress(done, of):
        bench.time += 50
        seen.append((done, of))

    (only,) = paired([bench.contender("a", [0, 1, 1])], PICTURE, Rounds(1, 1), bench.clock, progress)
    assert only.seconds.maximum == 1
    assert seen == [(1, 2), (2, 2)]


@pytest.mark.parametrize("names", [[], ["a", "a"]])
def test_contenders_need_names_of_their_own(names):
    bench = Bench()
    with pytest.raises(InvalidInput, match="names of their own"):
        paired([bench.contender(name, [1] * 9) for name in names], PICTURE, Rounds(1, 0), bench.clock)


def test_a_contender_that_does_not_enlarge_is_refused_before_timing():
    with pytest.raises(InvalidInput, match="lazy: expected"):
        paired([Contender("lazy", lambda low: low)], PICTURE, Rounds(1, 0), Bench().clock)


def test_an_unmeasurable_time_is_refused():
    bench = Bench()
    with pytest.raises(InvalidInput, match="measurable"):
        paired([bench.contender("a", [0, 0])], PICTURE, Rounds(1, 0), bench.clock)


@pytest.mark.parametrize("wrong", [{"measured": 0}, {"warmup": -1}, {"pause": -0.1}])
def test_rounds_must_make_sense(wrong):
    with pytest.raises(InvalidInput, match="at least one round"):
        Rounds(**wrong)


def test_stages_compare_the_whole_with_the_network():
    runs = iter([(50.0, 1.0), (3.0, 2.0), (4.5, 3.0), (8.0, 2.0)])
    (result,) = stages({"12 megapixels": lambda: next(runs)}, measured=3, warmup=1)
    assert (result.name, result.seconds.median, result.seconds_model.median) == ("12 megapixels", 4.5, 2.0)
    assert (result.overhead.median, result.overhead.maximum) == (1.5, 4)
    assert (result.ratio.minimum, result.ratio.maximum) == (1, 1)


def test_stages_take_turns_and_are_compared_with_the_first():
    order = []

    def case(name, seconds):
        return lambda: (order.append(name), (seconds, 1.0))[1]

    first, second = stages({"a": case("a", 2.0), "b": case("b", 3.0)}, measured=2, warmup=0)
    assert order == ["a", "b", "a", "b"]
    assert (first.ratio.median, second.ratio.median) == (1, 1.5)


@pytest.mark.parametrize(("run", "measured"), [((1.0, 2.0), 1), ((1.0, 0.0), 1), ((2.0, 1.0), 0)])
def test_stages_that_cannot_be_are_refused(run, measured):
    with pytest.raises(InvalidInput, match="expected"):
        stages({"case": lambda: run}, measured=measured)


def test_spread_is_the_order_statistics():
    result = spread([5, 1, 4, 2, 3])
    assert (result.minimum, result.lower_quartile, result.median, result.upper_quartile, result.maximum) == (
        1,
        2,
        3,
        4,
        5,
    )


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [(0.1, 1.9, False), (0.6, 1.0, True), (0.1, 2.6, True), (None, None, False)],
)
def test_load_beside_the_measurement_is_noticed(before, after, expected):
    assert busy(before, after, threads=2) is expected


def test_measure_brings_it_together_and_the_table_says_when_it_was_busy(monkeypatch):
    loads = iter([1.5, 2.0])
    monkeypatch.setattr(speed, "load_average", lambda: next(loads))
    contenders = [Contender(name, lambda low: low.repeat(4, 0).repeat(4, 1)) for name in ("mine", "theirs")]
    report = measure(contenders, PICTURE[:4, :6], {"a photo": lambda: (0.5, 0.4)}, threads=2, rounds=Rounds(2, 0, 0))
    assert (report.load_before, report.load_after, report.busy, report.input_size) == (1.5, 2.0, True, (6, 4))
    text = table(report)
    assert "6×4 to 24×16 pixels, 2 threads, median of 2 rounds" in text
    assert "theirs" in text
    assert text.splitlines()[-3].split() == ["a", "photo", "500.0", "ms", "400.0", "ms", "1.25", "1.00"]
    assert text.splitlines()[-1].startswith("busy machine (load 1.5 before and 2.0 after)")
