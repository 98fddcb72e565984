"""Classifiers from files: MACs counted by hand, preparation, logits before the softmax, answers one by one."""

import re

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from fourfold.core.errors import InvalidInput, ModelError, RuntimeFailure
from fourfold.engines.onnxruntime import engine
from fourfold.models.classifier import Classifier


def saved(path, nodes, weights, classes, shape=("batch", 3, 16, 16), kind=TensorProto.FLOAT):
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("picture", kind, shape)],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["batch", classes])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def small(path, classes=5, softmax=True, scale=1.0):
    draw = np.random.default_rng(0)
    weights = {
        "w": draw.normal(size=(6, 3, 3, 3)).astype(np.float32),
        "d": draw.normal(size=(6, 1, 3, 3)).astype(np.float32),
        "f": (scale * draw.normal(size=(classes, 6))).astype(np.float32),
        "b": draw.normal(size=classes).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["picture", "w"], ["c"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("Conv", ["r", "d"], ["e"], group=6, pads=[1, 1, 1, 1]),
        helper.make_node("GlobalAveragePool", ["e"], ["g"]),
        helper.make_node("Flatten", ["g"], ["v"]),
        helper.make_node("Gemm", ["v", "f", "b"], ["logits" if softmax else "out"], transB=1),
    ]
    if softmax:
        nodes.append(helper.make_node("Softmax", ["logits"], ["out"], axis=1))
    return saved(path, nodes, weights, classes)


@pytest.fixture
def network(tmp_path):
    return Classifier(small(tmp_path / "small.onnx"), threads=1)


def pictures(count, size=(16, 16)):
    return np.random.default_rng(1).integers(0, 256, (count, *size, 3), np.uint8)


def test_macs_are_those_counted_by_hand(network):
    assert network.macs == 8 * 8 * 6 * (3 * 9) + 8 * 8 * 6 * 9 + 6 * 5
    assert (network.size, network.classes, network.name) == ((16, 16), 5, "small")


def test_answers_are_onnxruntimes_before_the_softmax(network, tmp_path):
    samples = np.stack([network.prepare(one) for one in pictures(9, (20, 30))])
    session = engine().InferenceSession(tmp_path / "small.onnx", providers=["CPUExecutionProvider"])
    (shares,) = session.run(None, {"picture": samples})
    logits = network(samples)
    spread = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(spread / spread.sum(axis=1, keepdims=True), shares, atol=1e-5)
    assert np.abs(logits.sum(axis=1) - 1).min() > 1e-3


def test_a_pictures_answer_does_not_depend_on_its_neighbours(network):
    samples = np.stack([network.prepare(one) for one in pictures(40)])
    one_by_one = np.concatenate([network(samples[i : i + 1]) for i in range(40)])
    assert network(samples).tolist() == one_by_one.tolist()
    assert network(samples[::-1])[::-1].tolist() == one_by_one.tolist()
    assert network(samples[:0]).shape == (0, 5)


def test_a_network_without_softmax_gives_the_same_logits(tmp_path, network):
    plain = Classifier(small(tmp_path / "plain.onnx", softmax=False), threads=1)
    sample = network.prepare(pictures(1)[0])[None]
    np.testing.assert_allclose(plain(sample), network(sample), rtol=1e-5)


def test_a_background_class_goes_behind_the_thousand(tmp_path):
    path = small(tmp_path / "tf.onnx", classes=1001, softmax=False)
    network = Classifier(path, threads=1)
    sample = network.prepare(pictures(1)[0])[None]
    session = engine().InferenceSession(path, providers=["CPUExecutionProvider"])
    (raw,) = session.run(None, {"picture": sample})
    assert network.classes == 1000
    np.testing.assert_allclose(network(sample)[0, :1000], raw[0, 1:], rtol=1e-4, atol=1e-4)
    assert network(sample)[0, 1000] == pytest.approx(raw[0, 0], rel=1e-4, abs=1e-4)


def test_preparation_crops_the_middle_and_encodes(network, tmp_path):
    picture = np.zeros((32, 48, 3), np.uint8)
    picture[2:30, 10:38] = 255  # exactly the central 28×28, 87.5 % of the shorter side
    mean, spread = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    sample = network.prepare(picture)
    assert (sample.shape, sample.dtype, network.encoding) == ((3, 16, 16), np.float32, "imagenet")
    np.testing.assert_allclose(sample, np.broadcast_to(((1 - mean) / spread)[:, None, None], (3, 16, 16)), rtol=1e-5)
    for encoding, white in (("unit", 1), ("signed", 1), ("levels", 255)):
        assert set(Classifier(tmp_path / "small.onnx", encoding).prepare(picture).flat) == {white}
    with pytest.raises(InvalidInput, match="uint8 levels"):
        network.prepare(picture.astype(float))
    with pytest.raises(InvalidInput, match="expected encoding auto"):
        Classifier(tmp_path / "small.onnx", "half")


def test_matrix_products_and_transposed_convolutions_are_counted(tmp_path):
    weights = {
        "t": np.ones((3, 4, 2, 2), np.float32),
        "m": np.ones((4 * 32 * 32, 7), np.float32),
        "shape": np.array([0, -1], np.int64),
    }
    nodes = [
        helper.make_node("ConvTranspose", ["picture", "t"], ["c"], strides=[2, 2]),
        helper.make_node("Reshape", ["c", "shape"], ["v"]),
        helper.make_node("MatMul", ["v", "m"], ["out"]),
    ]
    network = Classifier(saved(tmp_path / "t.onnx", nodes, weights, 7), threads=1)
    assert network.macs == 16 * 16 * 3 * 4 * 4 + 4 * 32 * 32 * 7


def test_operations_that_cannot_be_counted_are_refused(tmp_path):
    nodes = [
        helper.make_node("Einsum", ["picture", "w"], ["e"], equation="bchw,ck->bk"),
        helper.make_node("Softmax", ["e"], ["out"]),
    ]
    path = saved(tmp_path / "e.onnx", nodes, {"w": np.ones((3, 4), np.float32)}, 4)
    with pytest.raises(ModelError, match="Einsum cannot be counted"):
        Classifier(path)


def test_other_files_are_refused_by_name(tmp_path):
    for name in ("missing.onnx", "net.pt"):
        with pytest.raises(ModelError, match=re.escape(name)):
            Classifier(tmp_path / name)
    (tmp_path / "bad.onnx").write_bytes(b"no network")
    with pytest.raises(RuntimeFailure, match=r"bad\.onnx"):
        Classifier(tmp_path / "bad.onnx")
    nodes = [helper.make_node("Flatten", ["picture"], ["out"])]
    grey = saved(tmp_path / "grey.onnx", nodes, {}, 256, shape=("batch", 1, 16, 16))
    with pytest.raises(ModelError, match="three colour channels"):
        Classifier(grey)
    flat = saved(tmp_path / "flat.onnx", nodes, {}, 3, shape=("batch", 3))
    with pytest.raises(ModelError, match="four dimensions"):
        Classifier(flat)


@pytest.mark.parametrize(
    ("name", "millions", "size"),
    [
        # The table of MobileNet v1 checkpoints (width 0.50, 160 pixels), and the MobileNetV2 paper (1.0, 224).
        ("mobilenet_v1_0.5_160_quant", 77, 160),
        ("mobilenet_v2_1.0_224_quant", 300, 224),
    ],
)
def test_the_mobilenets_cost_what_is_published_and_answer_one_by_one(shared, name, millions, size):
    network = Classifier(shared / f"data/cascade/networks/{name}.tflite")
    assert network.macs / 1e6 == pytest.approx(millions, rel=0.01)
    assert (network.size, network.classes, network.encoding) == ((size, size), 1000, "levels")
    samples = np.stack([network.prepare(one) for one in pictures(12, (200, 250))])
    assert samples.dtype == np.uint8
    assert network(samples).tolist() == [network(one[None])[0].tolist() for one in samples]
    with pytest.raises(InvalidInput, match="takes levels only"):
        Classifier(shared / f"data/cascade/networks/{name}.tflite", "unit")
