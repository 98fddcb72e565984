import numpy as np
import pytest
from PIL import Image as Pillow

from fourfold.bench import routing
from fourfold.bench.routing import RoutedRun
from fourfold.core.errors import UsageError
from fourfold.imaging.metrics import psnr_y


def picture(seed):
    return np.random.default_rng(seed).integers(60, 200, (12, 12, 3), np.uint8)


class Networks:
    """A big network that is exact and slow, a little one that is two levels off; thresholds mix them."""

    def __init__(self):
        self.asked = []

    def __call__(self, low, way):
        self.asked.append(way)
        share = {"little": 0.0, "big": 1.0, "fitted": 0.5}.get(way, None if isinstance(way, str) else way / 100)
        output = low.repeat(4, 0).repeat(4, 1)
        output[: round((1 - share) * len(output))] += 2
        return RoutedRun(output, 1.0 + 3.0 * share, share)


@pytest.fixture
def report():
    pairs = [(picture(seed), picture(seed).repeat(4, 0).repeat(4, 1)) for seed in (1, 2)]
    return routing.measure("two", pairs, Networks(), [25.0, 75.0], rounds=2)


def test_every_way_is_compared_with_the_big_network(report):
    points = {point.setting: point for point in report.points}
    assert list(points) == ["big", "little", "fitted", 25.0, 75.0]
    assert [points[way].time for way in points] == pytest.approx([1, 0.25, 2.5 / 4, 1.75 / 4, 3.25 / 4])
    assert points["big"].to_big is None
    assert points["big"].psnr_y == np.inf
    low = picture(1)
    off = low.repeat(4, 0).repeat(4, 1) + np.uint8(2)
    assert points["little"].to_big[0] == pytest.approx(psnr_y(off, low.repeat(4, 0).repeat(4, 1)), abs=0.05)
    assert points["little"].to_big[0] < points[25.0].to_big[0] < points[75.0].to_big[0]


def test_networks_take_turns_on_each_picture():
    run = Networks()
    routing.measure("one", [(picture(1), None)], run, [], rounds=2)
    assert run.asked == ["big", "little", "fitted"] * 3


def test_without_a_truth_only_the_big_network_is_the_measure():
    report = routing.measure("one", [(picture(1), None)], Networks(), [50.0], rounds=1)
    assert all(point.psnr_y is None for point in report.points)
    text = routing.table(report)
    assert text.splitlines()[0].startswith("one (1)")
    assert text.splitlines()[2].split()[0] == "little"
    assert "below 50 dB" in text


def test_the_curve_is_drawn(tmp_path):
    report = routing.measure("photos", [(picture(1), None)], Networks(), [30.0, 60.0, 90.0], rounds=1)
    routing.plot(tmp_path / "curve.png", report)
    with Pillow.open(tmp_path / "curve.png") as drawn:
        colours = {colour for _, colour in drawn.convert("RGB").getcolors(1 << 20)}
    assert {(31, 111, 178), (217, 115, 13)} <= colours
    with pytest.raises(UsageError, match=r"\.png"):
        routing.plot(tmp_path / "curve.svg", report)
