"""ONNX Runtime: the engine that is available on all platforms."""

import os
from collections.abc import Callable
from functools import cache
from typing import Any, Literal

import numpy as np

from fourfold.catalog.card import Card
from fourfold.core.contract import Floats
from fourfold.core.errors import InvalidInput, ModelError, RuntimeFailure
from fourfold.engines import tensors, weights


@cache
def engine() -> Any:
    """The ``onnxruntime`` module, imported so that it sends and stores nothing about this machine.

    Raises:
        RuntimeFailure: it is not installed, or does not load here.
    """
    # Official builds from 1.29 on report to their maker and keep a device id in the home folder, already on import;
    # this variable is their documented switch. On Windows the events go to the system's tracing: the call below.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    try:
        import onnxruntime
    except (ImportError, OSError) as error:
        raise RuntimeFailure(
            f"the onnxruntime engine does not load: {error}; pip install --upgrade onnxruntime"
        ) from error
    onnxruntime.disable_telemetry_events()
    return onnxruntime


def session(
    model: bytes, threads: int | None = None, *, tile: tuple[int, int] | None = None, quiet: bool = False
) -> Any:
    """An inference session.

    Args:
        model: the file's content. threads: to use, None leaves that to the engine. tile: sizes that it shall plan its
            memory for, once: the arena then never grows. quiet: whether not even errors are logged.

    Raises:
        RuntimeFailure: the engine cannot prepare the model.
    """
    options = engine().SessionOptions()
    options.log_severity_level = 4 if quiet else 3
    if threads is not None:
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.force_spinning_stop", "1")
    for name, size in zip(("batch", "height", "width"), (1, *tile) if tile else (), strict=False):
        options.add_free_dimension_override_by_name(name, size)
    try:
        return engine().InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise RuntimeFailure(f"onnxruntime cannot load the model: {error}") from error


class OnnxRunner(tensors.TileRunner):
    """An ONNX model on ONNX Runtime. Calls may come from several threads.

    Args:
        model: the file's content, with one input ``B×3×H×W`` whose free sizes are called batch, height and width.
        scale: output pixels a side for each input pixel; tile: height and width it is prepared for; threads: to use.
        precision: what the model's arithmetic is, fp32 or int8.
    """

    runtime = "onnxruntime"

    def __init__(
        self, model: bytes, scale: int, tile: tuple[int, int], threads: int, precision: Literal["fp32", "int8"] = "fp32"
    ) -> None:
        self.tile, self.precision = tile, precision
        self._scale = scale
        self._session = session(model, threads, tile=tile)
        self._input = self._session.get_inputs()[0].name
        self._output = self._session.get_outputs()[0].name

    def answer(self, tiles: Floats) -> Floats:
        """See ``TileRunner``."""
        height, width = (side * self._scale for side in self.tile)
        answer = np.empty((len(tiles), 3, height, width), np.float32)
        for asked, place in zip(tiles, answer, strict=True):
            self._run(asked, place)
        return answer

    def _run(self, asked: Floats, place: Floats) -> None:
        binding = self._session.io_binding()
        for bind, name, array in (
            (binding.bind_input, self._input, asked),
            (binding.bind_output, self._output, place),
        ):
            bind(name, "cpu", 0, np.float32, (1, *array.shape), array.ctypes.data)
        try:
            self._session.run_with_iobinding(binding)
        except Exception as error:
            raise RuntimeFailure(f"onnxruntime failed on a {self.tile[0]}×{self.tile[1]} tile: {error}") from error


def runs(model: bytes) -> Callable[[Floats], Floats]:
    """A function that runs a third-party ONNX model on one ``3×H×W`` tile of any size.

    Raises:
        ModelError: it does not take and give one picture of free height and width in single precision.
    """
    made = session(model, quiet=True)
    ends = [*made.get_inputs(), *made.get_outputs()]
    if [end.type for end in ends] != ["tensor(float)"] * 2 or any(isinstance(n, int) for n in ends[0].shape[2:]):
        found = ", ".join(f"{end.name}: {end.type} {end.shape}" for end in ends)
        raise ModelError(
            f"expected one input B×3×H×W with free H and W and one output, both float32; got {found}. Export it so"
        )

    def run(tile: Floats) -> Floats:
        try:
            answer: Floats = made.run(None, {ends[0].name: tile[None]})[0][0]
        except Exception as error:
            raise RuntimeFailure(f"onnxruntime failed on a tile of {tile.shape}: {error}") from error
        return answer

    return run


def function(model: bytes) -> Callable[[Floats], Floats]:
    """What runs a small network with one ``N×…`` input and one output in single precision, from any thread.

    Raises:
        RuntimeFailure: the engine cannot run it.
    """
    made = session(model, 1)
    name = made.get_inputs()[0].name

    def run(values: Floats) -> Floats:
        try:
            answer: Floats = made.run(None, {name: values})[0]
        except Exception as error:
            raise RuntimeFailure(f"onnxruntime failed on values of {values.shape}: {error}") from error
        return answer

    return run


def load(card: Card, *, tile: tuple[int, int], threads: int, precision: str) -> OnnxRunner:
    """A runner for the card's ONNX weights.

    Raises:
        ModelError: weights missing or damaged; RuntimeFailure: the engine cannot run them, or not in bf16.
        InvalidInput: an unknown precision.
    """
    if precision == "int8":
        return OnnxRunner(weights.read(card, "onnx-int8"), card.scale, tile, threads, "int8")
    if precision == "bf16":
        raise RuntimeFailure("onnxruntime computes in fp32 or int8 here, not in bf16; try --runtime openvino")
    if precision not in ("auto", "fp32"):
        raise InvalidInput(f"expected precision auto, fp32 or int8 for onnxruntime, got {precision!r}")
    return OnnxRunner(weights.read(card, "onnx"), card.scale, tile, threads)
