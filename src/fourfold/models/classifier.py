"""Image classifiers from ONNX and TFLite files, on OpenVINO, which reads both and shows their graphs.

These files have no card, so their facts are read from the graph: size and layout of the input, operations, and which
output holds the logits.
"""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fourfold.core.errors import InvalidInput, ModelError, RuntimeFailure
from fourfold.core.threads import available
from fourfold.engines.openvino import engine
from fourfold.imaging.resize import bicubic

Encoding = Literal["auto", "levels", "unit", "signed", "imagenet"]
"""The numbers a network wants for 8-bit levels: themselves, 0..1, −1..1, or less ImageNet's mean over its spread."""

ENCODINGS: Mapping[str, tuple[NDArray[np.float32], NDArray[np.float32]]] = MappingProxyType(
    {
        "levels": (np.zeros(3, np.float32), np.ones(3, np.float32)),
        "unit": (np.zeros(3, np.float32), np.full(3, 255, np.float32)),
        "signed": (np.full(3, 127.5, np.float32), np.full(3, 127.5, np.float32)),
        "imagenet": (
            255 * np.array([0.485, 0.456, 0.406], np.float32),
            255 * np.array([0.229, 0.224, 0.225], np.float32),
        ),
    }
)
"""What is subtracted from the levels of red, green and blue, and what they are then divided by."""

FORMATS = (".onnx", ".tflite")

_WITH_BACKGROUND = 1001  # TensorFlow's ImageNet networks: a background class, then the thousand of everyone else
_USUAL_SIDE = 224  # of ImageNet classifiers; taken where a file leaves the size open
_KEPT = 0.875  # of the shorter side: the central crop by which ImageNet accuracy is customarily measured
_PASSED = frozenset({"Convert", "FakeQuantize", "Reshape", "Squeeze", "Unsqueeze", "Transpose"})


class Classifier:
    """A classifier and the preparation of its own pictures.

    Each picture is one request of fixed shape, several of them at a time, so an answer never depends on which pictures
    are asked about together.

    Args:
        path: an ``.onnx`` or ``.tflite`` file with one picture input of three channels and one row of classes.
        encoding: of the input; ``auto`` is levels for a quantised input, else −1..1 for TFLite (channels last) and
            ImageNet's mean and spread for ONNX (channels first), the customs of their model collections.
        threads: to use; by default all that this process may.

    Attributes:
        name: the file's, without folder and ending. size: height and width of the input. encoding: resolved.
        macs: multiply-accumulate operations of one picture, counted from the graph.
        classes: that labels may name, numbered from 0. Of 1,001 outputs the first is TensorFlow's background class; it
            is moved behind the thousand of ImageNet, so that networks of all origins number these alike.

    Raises:
        ModelError: no such file, not a classifier, or a graph whose operations cannot be counted.
        RuntimeFailure: the engine cannot read or compile it.
    """

    def __init__(self, path: Path, encoding: Encoding = "auto", threads: int | None = None) -> None:
        if path.suffix.lower() not in FORMATS or not path.is_file():
            raise ModelError(f"{path}: expected an existing {' or '.join(FORMATS)} file")
        self.name, self._path = path.stem, path
        core = engine().Core()
        try:
            model = core.read_model(path)
            self._type, self._channels_last, self.size = _prepared(model, path)
            self.macs = count_macs(model)
            model = _up_to_logits(model)
            self._compiled = core.compile_model(
                model,
                "CPU",
                {
                    "PERFORMANCE_HINT": "THROUGHPUT",
                    "INFERENCE_NUM_THREADS": threads or available(),
                    "ENABLE_CPU_PINNING": False,
                    "INFERENCE_PRECISION_HINT": "f32",
                },
            )
        except RuntimeError as error:
            raise RuntimeFailure(f"{path}: openvino cannot read or compile it: {error}") from error
        self._outputs = math.prod(model.outputs[0].shape)
        self.classes = self._outputs - (self._outputs == _WITH_BACKGROUND)
        self.encoding = _resolved(encoding, self._type, self._channels_last, path)
        self._queue = engine().AsyncInferQueue(self._compiled)

    def prepare(self, picture: NDArray[np.uint8]) -> NDArray[Any]:
        """``H×W×3`` levels → one sample: the central square of 87.5 % of the shorter side, resized, encoded."""
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or 0 in picture.shape:
            raise InvalidInput(f"expected H×W×3 uint8 levels, got {picture.shape} {picture.dtype}")
        side = max(1, round(min(picture.shape[:2]) * _KEPT))
        top, left = ((length - side) // 2 for length in picture.shape[:2])
        levels = bicubic(picture[top : top + side, left : left + side], self.size)
        if self._type.kind != "f":
            sample = levels if self._type == np.uint8 else (levels ^ np.uint8(128)).view(np.int8)
        else:
            shift, spread = ENCODINGS[self.encoding]
            sample = ((levels - shift) / spread).astype(self._type)
        return np.ascontiguousarray(sample if self._channels_last else sample.transpose(2, 0, 1))

    def __call__(self, samples: NDArray[Any]) -> NDArray[np.float32]:
        """``N`` prepared samples → logits ``N×C``, as they are before a final softmax and its rounding.

        C is ``classes``, and one more where there is a background class.

        Raises:
            RuntimeFailure: the engine failed.
        """
        logits = np.empty((len(samples), self._outputs), np.float32)

        def keep(request: Any, index: int) -> None:
            logits[index] = request.get_output_tensor().data.reshape(-1)

        self._queue.set_callback(keep)
        try:
            for index, sample in enumerate(samples):
                self._queue.start_async(np.ascontiguousarray(sample)[None], index)
            self._queue.wait_all()
        except RuntimeError as error:
            raise RuntimeFailure(f"{self._path}: openvino failed on a picture: {error}") from error
        return np.roll(logits, -1, axis=1) if self._outputs == _WITH_BACKGROUND else logits


def _prepared(model: Any, path: Path) -> tuple[np.dtype[Any], bool, tuple[int, int]]:
    """Fix the model's input to one picture; its element type, whether channels come last, and height and width."""
    inputs = model.inputs
    shape = inputs[0].get_partial_shape()
    if len(inputs) != 1 or len(model.outputs) != 1 or shape.rank.is_dynamic or len(shape) != 4:
        raise ModelError(
            f"{path}: expected one picture input of four dimensions and one output, got inputs "
            f"{[str(one.get_partial_shape()) for one in inputs]} and {len(model.outputs)} outputs"
        )
    sizes = [-1 if one.is_dynamic else one.get_length() for one in shape]
    if 3 not in (sizes[1], sizes[3]):
        raise ModelError(f"{path}: expected three colour channels first or last, got an input of {shape}")
    channels_last = sizes[1] != 3
    height, width = (side if side > 0 else _USUAL_SIDE for side in (sizes[1:3] if channels_last else sizes[2:4]))
    model.reshape([1, height, width, 3] if channels_last else [1, 3, height, width])
    kind = np.dtype(inputs[0].get_element_type().to_dtype())
    if kind not in (np.uint8, np.int8, np.float32, np.float16):
        raise ModelError(f"{path}: expected an input of uint8, int8 or floating point, got {kind}")
    return kind, channels_last, (height, width)


def _resolved(encoding: Encoding, kind: np.dtype[Any], channels_last: bool, path: Path) -> str:
    if encoding not in ("auto", *ENCODINGS):
        raise InvalidInput(f"expected encoding auto, {', '.join(ENCODINGS)}; got {encoding!r}")
    if kind.kind != "f":
        if encoding not in ("auto", "levels"):
            raise InvalidInput(f"{path}: its input is quantised and takes levels only, not {encoding}")
        return "levels"
    return ("signed" if channels_last else "imagenet") if encoding == "auto" else encoding


def _up_to_logits(model: Any) -> Any:
    """The model without a final softmax: quantised files round probabilities to 1/256, and the gate would see ties."""
    source = model.get_results()[0].input_value(0)
    while source.get_node().get_type_name() == "Convert":
        source = source.get_node().input_value(0)
    reached = source
    while reached.get_node().get_type_name() in _PASSED:
        reached = reached.get_node().input_value(0)
    if reached.get_node().get_type_name().lower() == "softmax":
        source = reached.get_node().input_value(0)
    operations = engine().opset13
    return engine().Model([operations.convert(source, "f32")], model.get_parameters(), "logits")


def count_macs(model: Any) -> int:
    """Multiply-accumulate operations of the convolutions and matrix products of an OpenVINO model of fixed shape.

    Biases, activations, pooling and scaling are not counted, as is customary in the papers.

    Raises:
        ModelError: the graph holds loops, branches or products that this cannot count.
    """
    total = 0
    for node in model.get_ordered_ops():
        kind = node.get_type_name()
        if kind in _UNCOUNTED:
            raise ModelError(f"{model.get_friendly_name()}: MACs of the operation {kind} cannot be counted")
        if kind in _COUNTED:
            total += _COUNTED[kind](node)
    return total


def _shape(node: Any, index: int) -> list[int]:
    return [int(length) for length in node.input_value(index).get_shape()]


def _by_output(skipped: int) -> Callable[[Any], int]:
    """Each output value is a sum over all of a kernel but its ``skipped`` leading dimensions, the output channels."""
    return lambda node: int(math.prod(node.output(0).get_shape())) * math.prod(_shape(node, 1)[skipped:])


def _by_input(skipped: int) -> Callable[[Any], int]:
    """Each input value is spread over all of a kernel but its ``skipped`` leading dimensions, the input channels."""
    return lambda node: math.prod(_shape(node, 0)) * math.prod(_shape(node, 1)[skipped:])


def _product(node: Any) -> int:
    first = _shape(node, 0)
    inner = first[-2] if node.get_attributes()["transpose_a"] and len(first) > 1 else first[-1]
    return int(math.prod(node.output(0).get_shape()) * inner)


_COUNTED: Mapping[str, Callable[[Any], int]] = MappingProxyType(
    {
        "Convolution": _by_output(1),  # kernel: out, in, …
        "GroupConvolution": _by_output(2),  # kernel: groups, out, in, …
        "ConvolutionBackpropData": _by_input(1),  # kernel: in, out, …
        "GroupConvolutionBackpropData": _by_input(2),  # kernel: groups, in, out, …
        "MatMul": _product,
    }
)
_UNCOUNTED = frozenset(
    {
        "If", "Loop", "TensorIterator", "Einsum", "LSTMCell", "LSTMSequence", "GRUCell", "GRUSequence", "RNNCell",
        "RNNSequence", "BinaryConvolution", "DeformableConvolution", "ScaledDotProductAttention",
    }
)  # fmt: skip
