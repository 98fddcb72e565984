"""Profile a network layer by layer, and measure this processor's peak throughput; both through OpenVINO."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from fourfold.catalog.card import Card
from fourfold.core.errors import RuntimeFailure
from fourfold.engines import weights
from fourfold.engines.openvino import engine

_SIDE = 2048
_ROUNDS = 8


@dataclass(frozen=True)
class Layer:
    """One operation of the compiled network.

    Attributes:
        name: of the operation; kind: as the engine calls what it runs, with the instructions used.
        seconds: median of a few runs; macs: multiply-accumulates, 0 for what has none.
    """

    name: str
    kind: str
    seconds: float
    macs: int


def layers(card: Card, tile: tuple[int, int], threads: int, precision: str) -> tuple[Layer, ...]:
    """Every operation of a card's network that takes time on a tile, in order; ``precision`` is int8, bf16 or fp32."""
    model = engine().Core().read_model(weights.read(card, "onnx-int8" if precision == "int8" else "onnx"))
    model.reshape([1, 3, *tile])
    request = _compiled(model, threads, precision, profiled=True)
    macs = {node.get_friendly_name(): _macs(node) for node in model.get_ordered_ops()}
    rng = np.random.default_rng(0)
    request.infer([rng.random((1, 3, *tile), dtype=np.float32)])
    runs: dict[str, list[float]] = {}
    kinds: dict[str, str] = {}
    for _ in range(_ROUNDS):
        request.infer()
        for node in request.profiling_info:
            if node.real_time.total_seconds() > 0:
                runs.setdefault(node.node_name, []).append(node.real_time.total_seconds())
                kinds[node.node_name] = f"{node.node_type} {node.exec_type}"
    return tuple(
        Layer(name, kinds[name], float(np.median(seconds)), macs.get(name, 0)) for name, seconds in runs.items()
    )


def ceiling(threads: int, precision: str) -> float:
    """Multiply-accumulates a second of a 2048³ matrix product, the most of a few runs."""
    operations = engine().opset13
    left = operations.parameter([_SIDE, _SIDE], np.float32)
    right: Any = operations.constant(np.random.default_rng(1).random((_SIDE, _SIDE), dtype=np.float32))
    first: Any = left
    if precision == "int8":
        less, low, high = (operations.constant(np.float32(value)) for value in (-1.0, 0.0, 1.0))
        first = operations.fake_quantize(left, low, high, low, high, 256)
        right = operations.fake_quantize(right, less, high, less, high, 255)
    product = operations.matmul(first, right, False, False)
    request = _compiled(engine().Model([product], [left], "product"), threads, precision, profiled=False)
    request.infer([np.random.default_rng(2).random((_SIDE, _SIDE), dtype=np.float32)])
    seconds = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        request.infer()
        seconds.append(time.perf_counter() - started)
    return float(_SIDE**3 / min(seconds))


def counted(model: bytes) -> tuple[int, int]:
    """Parameters of an ONNX model, and multiply-accumulates for each pixel of its input; zeros without OpenVINO."""
    side = 64
    try:
        read = engine().Core().read_model(model)
        read.reshape([1, 3, side, side])
    except (RuntimeError, RuntimeFailure):
        return 0, 0
    nodes = read.get_ordered_ops()
    constants = [node for node in nodes if node.get_type_name() == "Constant"]
    parameters = sum(int(np.prod(node.output(0).get_partial_shape().to_shape())) for node in constants)
    return parameters, round(sum(map(_macs, nodes)) / side**2)


def _compiled(model: Any, threads: int, precision: str, *, profiled: bool) -> Any:
    hint = {"fp32": "f32", "bf16": "bf16"}.get(precision)
    config: dict[str, Any] = {
        "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads, "ENABLE_CPU_PINNING": False,
        "PERF_COUNT": profiled,
    }  # fmt: skip
    if hint:
        config["INFERENCE_PRECISION_HINT"] = hint
    return engine().Core().compile_model(model, "CPU", config).create_infer_request()


def _macs(node: Any) -> int:
    if node.get_type_name() != "Convolution":
        return 0
    kernel = node.input(1).get_partial_shape().to_shape()
    return int(np.prod(node.output(0).get_partial_shape().to_shape())) * int(np.prod(kernel[1:]))
