"""OpenVINO: the engine that is fastest on most x86-64 processors."""

import hashlib
import io
import sys
from contextlib import suppress
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fourfold.catalog.card import Card
from fourfold.core.contract import Floats
from fourfold.core.errors import InvalidInput, RuntimeFailure
from fourfold.core.machine import processor
from fourfold.engines import compiled, tensors, weights

_NAMES = {"fp32": "f32", "bf16": "bf16"}
_LEVELS = 1  # counts changes of _with_levels, so that what was compiled before them is not used


@cache
def engine() -> Any:
    """The ``openvino`` module, imported so that it sends and stores nothing about this machine.

    Raises:
        RuntimeFailure: it is not installed, or does not load here.
    """
    # Importing openvino sends an event to a web service and writes an identifier into the home folder, unless the
    # package openvino_telemetry cannot be imported: then it takes its own inert stub.
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    try:
        import openvino
    except (ImportError, OSError) as error:
        raise RuntimeFailure(f"the openvino engine does not load: {error}; pip install --upgrade openvino") from error
    return openvino


@cache
def _core() -> Any:
    return engine().Core()


class OpenVinoRunner:
    """An ONNX model on OpenVINO behind the ``core.contract.Runner`` protocol. One call at a time.

    Args:
        model: the file's content, with one input ``B×3×H×W``.
        tile: height and width it is compiled for; threads: to use.
        precision: of the arithmetic; ``auto`` is what the engine thinks best for this processor, ``int8`` says that
            the model is quantised.
    """

    runtime = "openvino"
    reruns = 0

    def __init__(self, model: bytes, tile: tuple[int, int], threads: int, precision: str) -> None:
        self.tile = tile
        self._model = model
        # Unpinned: two processes that pin would share the first cores and leave the others idle.
        self._config = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads, "ENABLE_CPU_PINNING": False}
        if precision in _NAMES:
            self._config["INFERENCE_PRECISION_HINT"] = _NAMES[precision]
        self._requests: dict[str, Any] = {}
        used = self._request("levels").get_compiled_model().get_property("INFERENCE_PRECISION_HINT").get_type_name()
        names = {short: name for name, short in _NAMES.items()}
        self.precision = precision if precision == "int8" else names.get(used, used)

    def __call__(self, tiles: Floats) -> Floats:
        """``B×3×H×W`` in 0..1 → ``B×3×sH×sW``, unclamped, in memory of its own."""
        tiles = tensors.batch(tiles, self.tile)
        answer, _ = self._run("values", tiles, np.float32)
        tensors.check_values(tiles, answer, self.runtime)
        return answer

    def levels(self, tiles: Floats) -> NDArray[np.uint8]:
        """``B×3×H×W`` in 0..1 → ``B×sH×sW×3`` in 0..255, made inside the graph."""
        tiles = tensors.batch(tiles, self.tile)
        answer, means = self._run("levels", tiles, np.uint8)
        tensors.check_levels(tiles, answer, means, self.runtime)
        return answer

    def _run(self, form: Literal["values", "levels"], tiles: Floats, kind: type) -> tuple[NDArray[Any], Floats]:
        """Each answer is written straight into the array returned; for ``levels`` also their means, unclamped."""
        request = self._request(form)
        tensor = engine().Tensor
        outputs = request.get_compiled_model().outputs
        answer = np.empty((len(tiles), *tuple(outputs[0].shape)[1:]), kind)
        means = np.zeros(len(tiles), np.float32)
        try:
            for index in range(len(tiles)):
                request.set_input_tensor(tensor(tiles[index : index + 1], shared_memory=True))
                request.set_output_tensor(0, tensor(answer[index : index + 1], shared_memory=True))
                request.infer()
                if form == "levels":
                    means[index] = request.get_output_tensor(1).data
        except RuntimeError as error:
            raise RuntimeFailure(f"openvino failed on a {self.tile[0]}×{self.tile[1]} tile: {error}") from error
        return answer, means

    def _request(self, form: Literal["values", "levels"]) -> Any:
        """The compiled model's request, compiled when first needed."""
        if form not in self._requests:
            try:
                self._requests[form] = self._compiled(form).create_infer_request()
            except RuntimeError as error:
                raise RuntimeFailure(
                    f"openvino cannot compile the model for {self.tile[0]}×{self.tile[1]} tiles: {error}"
                ) from error
        return self._requests[form]

    def _compiled(self, form: Literal["values", "levels"]) -> Any:
        """The model compiled for this processor, by an earlier process if one did so."""
        settings = sorted(self._config.items())
        model = hashlib.sha256(self._model).hexdigest()
        path = compiled.place([engine().__version__, processor(), model, form, _LEVELS, self.tile, settings])
        kept = compiled.recall(path)
        if kept is not None:
            with suppress(RuntimeError):
                return _core().import_model(io.BytesIO(kept), "CPU", self._config)
        read = _core().read_model(self._model)
        read.reshape([1, 3, *self.tile])
        made = _core().compile_model(_with_levels(read) if form == "levels" else read, "CPU", self._config)
        stream = io.BytesIO()
        with suppress(RuntimeError):
            made.export_model(stream)
            compiled.keep(path, stream.getvalue())
        return made


def _with_levels(model: Any) -> Any:
    """The same model ending in ``1×sH×sW×3`` levels of 0..255, and the mean of the values before they are clamped."""
    operations = engine().opset13
    values = model.get_results()[0].input_value(0)
    scaled = operations.clamp(operations.multiply(values, np.float32(255)), 0, 255)
    rounded = operations.convert(operations.round(scaled, "half_to_even"), "u8")
    last = operations.transpose(rounded, np.array([0, 2, 3, 1]))
    mean = operations.reduce_mean(values, np.array([0, 1, 2, 3]), keep_dims=False)
    return engine().Model([last, mean], model.get_parameters(), "levels")


def load(card: Card, *, tile: tuple[int, int], threads: int, precision: str) -> OpenVinoRunner:
    """A runner for the card's ONNX weights.

    Raises:
        ModelError: weights missing or damaged; RuntimeFailure: the engine cannot run them.
        InvalidInput: an unknown precision.
    """
    if precision not in ("auto", "int8", *_NAMES):
        raise InvalidInput(f"expected precision auto, int8, {', '.join(_NAMES)}; got {precision!r}")
    return OpenVinoRunner(weights.read(card, "onnx-int8" if precision == "int8" else "onnx"), tile, threads, precision)
