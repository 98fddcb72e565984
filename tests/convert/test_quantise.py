import numpy as np
import onnx
import pytest
import torch

from fourfold.convert.export import to_onnx
from fourfold.convert.quantise import to_int8
from fourfold.engines.onnxruntime import OnnxRunner
from fourfold.networks.upscaler import Upscaler


@pytest.fixture(scope="module")
def network():
    """Random, but like a trained one in that it changes flat areas by little."""
    torch.manual_seed(4)
    network = Upscaler(8, 3).eval()
    with torch.no_grad():
        for parameter in network.convs[-1].parameters():
            parameter.mul_(0.02)
    return to_onnx(network)


@pytest.fixture(scope="module")
def tiles():
    rows, columns = np.mgrid[:40, :40] / np.float32(40)
    scenes = [0.5 + 0.4 * np.sin(k * rows + 3 * columns) for k in (4, 9, 17)]
    return [np.repeat(scene[None].astype(np.float32), 3, axis=0) for scene in scenes]


def test_the_quantised_network_is_close_smaller_in_arithmetic_and_always_the_same(network, tiles):
    made = to_int8(network, tiles)
    exact, eight = (OnnxRunner(model, 4, (40, 40), 1)(tiles[1][None]) for model in (network, made))
    assert np.abs(eight - exact).max() < 0.03
    assert (eight != exact).any()
    assert to_int8(network, tiles) == made


def test_the_last_layer_and_the_most_sensitive_one_stay_as_they_were(network, tiles):
    graph = onnx.load_from_string(to_int8(network, tiles)).graph
    quantised = {node.output[0] for node in graph.node if node.op_type == "DequantizeLinear"}
    eight = [node for node in graph.node if node.op_type == "Conv" and node.input[1] in quantised]
    plain = [node for node in graph.node if node.op_type == "Conv" and node.input[1] not in quantised]
    assert len(eight) == 3
    assert len(plain) == 3  # one spared, the last layer, and the copy of the input
    last = {node.input[0] for node in graph.node if node.op_type == "Add"} | {
        node.input[1] for node in graph.node if node.op_type == "Add"
    }
    assert sum(node.output[0] in last for node in plain) == 2


def test_kernels_that_stay_are_stored_in_half_the_bytes(network, tiles):
    graph = onnx.load_from_string(to_int8(network, tiles)).graph
    kinds = {one.name: one.data_type for one in graph.initializer}
    casts = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "Cast"}
    plain = [node.input[1] for node in graph.node if node.op_type == "Conv" and node.input[1] in casts]
    assert len(plain) == 3
    assert all(kinds[casts[name]] == onnx.TensorProto.FLOAT16 for name in plain)
    assert sum(np.prod(one.dims) for one in graph.initializer if one.data_type == onnx.TensorProto.FLOAT) < 500


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_flat_black_and_white_come_back_exactly(network, tiles, engine):
    made = to_int8(network, tiles)
    side = 48
    runner = OnnxRunner(made, 4, (side, side), 1) if engine == "onnxruntime" else openvino(made, (side, side))
    for level in (0, 1):
        flat = np.full((1, 3, side, side), level, np.float32)
        inner = runner.levels(flat)[:, 60:-60, 60:-60]
        assert (inner == 255 * level).all()
        assert np.abs(runner(flat)[..., 60:-60, 60:-60] - level).max() < 0.25 / 255


def openvino(model, tile):
    module = pytest.importorskip("fourfold.engines.openvino", reason="needs openvino")
    pytest.importorskip("openvino", reason="openvino is not built for this processor")
    return module.OpenVinoRunner(model, tile, 1, "int8")
