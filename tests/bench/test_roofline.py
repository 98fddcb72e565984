import pytest

from fourfold.bench import roofline
from fourfold.catalog import load
from fourfold.engines import choose, profile

CARD = load.find("image-to-image/super-resolution", 4, "little", "faithful")


def test_the_table_compares_layers_with_the_ceiling():
    layers = (profile.Layer("conv", "Convolution x", 0.002, 200_000_000), profile.Layer("add", "Add", 0.002, 0))
    report = roofline.Roofline(2, (roofline.Roof("net", "fp32", 200e9, layers),))
    lines = roofline.table(report).splitlines()
    expected = ["net", "fp32", "200", "GMAC/s", "100", "GMAC/s", "50", "%", "4.0", "ms", "50", "%"]
    assert lines[3].split() == expected
    assert lines[-1].split() == ["add", "Add", "2.00", "ms"]


@pytest.mark.skipif("openvino" not in choose.installed(), reason="needs openvino")
def test_the_layers_hold_every_operation_of_the_card():
    found = profile.layers(CARD, (64, 48), 1, "fp32")
    copy_of_the_input = 3 * 48  # a 1×1 convolution in the file, and no operation of the network
    assert sum(layer.macs for layer in found) == (CARD.macs_per_pixel + copy_of_the_input) * 64 * 48
    assert all(layer.seconds > 0 for layer in found)
    assert profile.ceiling(1, "fp32") > 1e8
