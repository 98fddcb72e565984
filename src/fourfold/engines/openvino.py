"""OpenVINO: the engine that is fastest on most x86-64 processors."""

import hashlib
import io
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import cache
from threading import Lock
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fourfold.catalog.card import Card
from fourfold.core.contract import Floats
from fourfold.core.errors import InvalidInput, RuntimeFailure
from fourfold.core.machine import processor
from fourfold.engines import compiled, tensors, weights

_CONVERTER = "openvino.tools.ovc"
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
    # Its converter of other frameworks' models, which it can do without, takes as long to import as all the rest.
    sys.modules.setdefault(_CONVERTER, None)  # type: ignore[arg-type]
    try:
        import openvino
    except (ImportError, OSError) as error:
        raise RuntimeFailure(f"the openvino engine does not load: {error}; pip install --upgrade openvino") from error
    finally:
        if sys.modules.get(_CONVERTER, engine) is None:
            sys.modules.pop(_CONVERTER, None)
    return openvino


@cache
def _core() -> Any:
    return engine().Core()


class OpenVinoRunner(tensors.TileRunner):
    """An ONNX model on OpenVINO. One call at a time.

    Args:
        model: the file's content, with one input ``B×3×H×W``.
        tile: height and width it is compiled for; threads: to use.
        precision: of the arithmetic; ``auto`` is what the engine thinks best for this processor, ``int8`` says that
            the model is quantised.
    """

    runtime = "openvino"

    def __init__(self, model: bytes, tile: tuple[int, int], threads: int, precision: str) -> None:
        self.tile = tile
        self._model = model
        # Unpinned: two processes that pin would share the first cores and leave the others idle.
        self._config: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "ENABLE_CPU_PINNING": False,
        }
        if precision in _NAMES:
            self._config["INFERENCE_PRECISION_HINT"] = _NAMES[precision]
        self._requests: dict[str, list[Any]] = {}
        self._pairs = {**self._config, "NUM_STREAMS": 2} if threads > 1 else None
        if self._pairs:
            del self._pairs["PERFORMANCE_HINT"]  # which is for one tile at a time
        used = self._request("levels")[0].get_compiled_model().get_property("INFERENCE_PRECISION_HINT").get_type_name()
        names = {short: name for name, short in _NAMES.items()}
        self.precision = precision if precision == "int8" else names.get(used, used)

    def answer(self, tiles: Floats) -> Floats:
        """See ``TileRunner``."""
        return self._run("values", tiles, np.float32)[0]

    def levels(self, tiles: Floats) -> NDArray[np.uint8]:
        """``B×3×H×W`` in 0..1 → ``B×sH×sW×3`` in 0..255, made inside the graph."""
        tiles = tensors.batch(tiles, self.tile)
        answer, means = self._run("levels", tiles, np.uint8)
        tensors.check_levels(tiles, answer, means, self.runtime)
        return answer

    def _run(self, form: Literal["values", "levels"], tiles: Floats, kind: type) -> tuple[NDArray[Any], Floats]:
        """Each answer is written straight into the array returned; for ``levels`` also their means, unclamped."""
        requests = self._request("pairs" if form == "levels" and len(tiles) > 1 and self._pairs else form)
        tensor = engine().Tensor
        outputs = requests[0].get_compiled_model().outputs
        answer = np.empty((len(tiles), *tuple(outputs[0].shape)[1:]), kind)
        means = np.zeros(len(tiles), np.float32)
        try:
            for first in range(0, len(tiles), len(requests)):
                at_once = [*zip(requests, range(first, len(tiles)), strict=False)]
                with ExitStack() as waiting:  # for all of them, even if one fails
                    for request, index in at_once:
                        request.set_input_tensor(tensor(tiles[index : index + 1], shared_memory=True))
                        request.set_output_tensor(0, tensor(answer[index : index + 1], shared_memory=True))
                        request.start_async()
                        waiting.callback(request.wait)
                if form == "levels":
                    for request, index in at_once:
                        means[index] = request.get_output_tensor(1).data
        except RuntimeError as error:
            raise RuntimeFailure(f"openvino failed on a {self.tile[0]}×{self.tile[1]} tile: {error}") from error
        return answer, means

    def _request(self, form: Literal["values", "levels", "pairs"]) -> list[Any]:
        """The compiled model's requests, compiled when first needed; ``pairs`` are levels of two tiles at a time."""
        if form not in self._requests:
            settings = self._pairs if form == "pairs" and self._pairs else self._config
            try:
                made = _compiled(self._model, [1, 3, *self.tile], settings, None if form == "values" else _with_levels)
                self._requests[form] = [made.create_infer_request() for _ in range(2 if form == "pairs" else 1)]
            except RuntimeError as error:
                raise RuntimeFailure(
                    f"openvino cannot compile the model for {self.tile[0]}×{self.tile[1]} tiles: {error}"
                ) from error
        return self._requests[form]


def function(model: bytes) -> Callable[[Floats], Floats]:
    """What runs a small network with one ``N×…`` input and one output in single precision; threads take turns.

    Raises:
        RuntimeFailure: the engine cannot run it.
    """
    turn = Lock()
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    try:
        request = _compiled(model, None, settings).create_infer_request()
    except RuntimeError as error:
        raise RuntimeFailure(f"openvino cannot compile the network: {error}") from error

    def run(values: Floats) -> Floats:
        try:
            with turn:
                return np.array(request.infer([values])[0])
        except RuntimeError as error:
            raise RuntimeFailure(f"openvino failed on values of {values.shape}: {error}") from error

    return run


def _compiled(
    model: bytes, shape: list[int] | None, settings: dict[str, Any], ends: Callable[[Any], Any] | None = None
) -> Any:
    """A model compiled for this processor, by an earlier process if one did so.

    Args:
        shape: of its input, None to leave it free; settings: of the engine; ends: changes how the model ends.
    """
    end = (ends.__name__, _LEVELS) if ends else None
    facts = [engine().__version__, processor(), hashlib.sha256(model).hexdigest(), end, shape, sorted(settings.items())]
    path = compiled.place(facts)
    kept = compiled.recall(path)
    if kept is not None:
        with suppress(RuntimeError):
            return _core().import_model(io.BytesIO(kept), "CPU", settings)
    read = _core().read_model(model)
    if shape:
        read.reshape(shape)
    made = _core().compile_model(ends(read) if ends else read, "CPU", settings)
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
