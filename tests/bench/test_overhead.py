from fourfold.bench.overhead import Overhead, measure, table
from fourfold.bench.speed import Spread


def test_two_ways_are_timed_in_turns_each_first_every_other_time():
    calls = []
    found = measure(
        "nothing", lambda: calls.append("d"), lambda: calls.append("w"), lambda: calls.append("-"), 3, threads=2
    )
    assert "".join(calls) == "wd-dw-wd-dw-"
    assert found.rounds == 3
    assert found.ratio.median > 0


def test_the_table_says_the_ratios_and_whether_they_are_all():
    times = Spread(2.0, 1.9, 1.95, 2.1, 2.2)
    ratio = Spread(1.02, 1.0, 1.01, 1.03, 1.1)
    text = table(Overhead("summing", 5, times, times, ratio, ratio, busy=True))
    lines = text.splitlines()
    assert lines[0] == "summing, 5 rounds in turns"
    assert lines[5].split() == ["ratio", "1.020", "1.010", "to", "1.030"]
    assert lines[-1].startswith("busy machine")
