"""Post-training quantisation: a network's ONNX file in 8-bit integers, calibrated on real tiles.

Only convolutions that are followed by an activation are quantised: weights per channel, inputs per tensor. The last
layer, sums, and the one convolution whose quantisation would cost most stay in floating point. The loss of quality is
measured when the weights are published.
"""

import contextlib
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path

from fourfold.core.contract import Floats
from fourfold.core.errors import MissingExtra
from fourfold.engines.onnxruntime import engine, runs, session

try:
    import numpy as np
    import onnx
    from numpy.typing import NDArray
    from onnx import numpy_helper
except ImportError as missing:
    raise MissingExtra("quantising networks", "torch") from missing

_FLAT = 96
"""Side of the tiles that show what flat areas become; their middle lies farther from the border than networks see."""


def to_int8(model: bytes, tiles: Sequence[Floats]) -> bytes:
    """The model with 8-bit convolutions, as a QuantizeLinear/DequantizeLinear graph that both engines run natively.

    One layer is often far more sensitive than the others: that whose sparing brings the answers nearest to those of
    the model as it was stays as it was, too.

    Args:
        model: from ``export.to_onnx``. tiles: ``3×H×W`` in 0..1, all of one size, of typical photos.
    """
    graph = onnx.load_from_string(model).graph
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    activated = {node.input[0] for node in graph.node if node.op_type in ("PRelu", "LeakyRelu")}
    linear = [node.name for node in convolutions if node.output[0] not in activated]
    wanted = [*map(runs(model), tiles)]

    def distance(candidate: bytes) -> float:
        run = runs(candidate)
        return sum(float(np.square(run(t) - w).mean()) for t, w in zip(tiles, wanted, strict=True))

    spared = [node.name for node in convolutions if node.name not in linear]
    return min((with_ends(_quantised(model, tiles, [*linear, one])) for one in spared), key=distance)


def with_ends(model: bytes) -> bytes:
    """The model with the smallest change to its last layer that keeps flat black and flat white exact.

    Rounding shifts flat areas by up to a level, which is visible there. The least-squares change of the last layer that
    corrects both is proportional to the difference of their features.

    Args:
        model: a network whose last convolution is not quantised and whose answer is shuffled from it.
    """
    proto = onnx.load_from_string(model)
    last = [node for node in proto.graph.node if node.op_type == "Conv"][-1]
    shuffled = next(node for node in proto.graph.node if node.op_type == "DepthToSpace")
    (black, dark), (white, light) = (_flat(model, level, last.input[0], shuffled.input[0]) for level in (0, 1))
    apart, off = white - black, np.stack([dark, light - 1])
    slope = -np.outer(off[1] - off[0], apart) / max(float(apart @ apart), 1e-12)
    constants = {one.name: one for one in proto.graph.initializer}
    weight, bias = (constants[name] for name in last.input[1:])
    taps = numpy_helper.to_array(weight)
    change = (slope / (taps.shape[2] * taps.shape[3]))[..., None, None]
    for stored, value in ((weight, taps + change), (bias, numpy_helper.to_array(bias) - off[0] - slope @ black)):
        stored.CopyFrom(numpy_helper.from_array(value.astype(np.float32), stored.name))
    return bytes(proto.SerializeToString(deterministic=True))


def _flat(model: bytes, level: float, *names: str) -> list[NDArray[np.float64]]:
    """Values by these names, one a channel, in the middle of a flat tile of a level."""
    proto = onnx.load_from_string(model)
    proto.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names)
    made = session(proto.SerializeToString())
    tile = np.full((1, 3, _FLAT, _FLAT), level, np.float32)
    found = made.run(list(names), {made.get_inputs()[0].name: tile})
    return [one[0, :, _FLAT // 2, _FLAT // 2].astype(np.float64) for one in found]


def _quantised(model: bytes, tiles: Sequence[Floats], kept: list[str]) -> bytes:
    """All convolutions but ``kept``; the activations' ranges are the middle 99.998 % of what the tiles give."""
    engine()  # imported first by the file that silences it
    from onnxruntime import quantization as q

    graph = _plain(onnx.load_from_string(model))
    name = graph.graph.input[0].name

    class Reader(q.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._feeds = iter([{name: np.ascontiguousarray(tile[None])} for tile in tiles])

        def get_next(self) -> dict[str, Floats] | None:
            return next(self._feeds, None)

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        path = Path(folder) / "int8.onnx"
        q.quantize_static(
            graph, path, Reader(), quant_format=q.QuantFormat.QDQ, per_channel=True,
            op_types_to_quantize=["Conv"], nodes_to_exclude=kept, calibrate_method=q.CalibrationMethod.Percentile,
            activation_type=q.QuantType.QUInt8, weight_type=q.QuantType.QInt8,
            extra_options={"OpTypesToExcludeOutputQuantization": ["Conv"]},
        )  # fmt: skip
        made = onnx.load(path)
    return bytes(made.SerializeToString(deterministic=True))


def _plain(model: onnx.ModelProto) -> onnx.ModelProto:
    """The stored fp16 constants widened in place of the casts that widen them at run time."""
    constants = {one.name: one for one in model.graph.initializer}
    casts = [node for node in model.graph.node if node.op_type == "Cast"]
    for node in casts:
        stored = constants[node.input[0]]
        widened = numpy_helper.to_array(stored).astype(np.float32)
        model.graph.initializer.remove(stored)
        model.graph.initializer.append(numpy_helper.from_array(widened, node.output[0]))
        model.graph.node.remove(node)
    return model
