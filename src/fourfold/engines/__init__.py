"""Engines that run a model: card and weights → Runner. Importing this imports no engine."""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Literal

from fourfold.catalog.card import Card
from fourfold.core.contract import Floats, Runner
from fourfold.core.errors import InvalidInput, ModelError, RuntimeFailure
from fourfold.core.threads import available
from fourfold.engines import choose
from fourfold.engines.guard import Guarded

Runtime = Literal["openvino", "onnxruntime", "pytorch", "ncnn", "spandrel", "fake"]
Precision = Literal["auto", "fp32", "bf16", "int8"]


def load(
    card: Card,
    *,
    runtime: Runtime | Literal["auto"] = "auto",
    tile: tuple[int, int],
    threads: int | None = None,
    precision: Precision = "auto",
) -> Guarded:
    """A runner for a model, which repeats what its engine gets wrong on another engine in fp32.

    Args:
        card: the model.
        runtime: the engine; ``auto`` measures which is fastest here, once, and remembers it. A third-party model that
            is not ONNX has only one.
        tile: height and width of the low-resolution tiles.
        threads: to use, by default as many as are available.
        precision: of the arithmetic; ``auto`` leaves it to the engine.

    Raises:
        InvalidInput: the network does not accept such tiles, or the engine no such precision.
        ModelError: the weights are missing or damaged, or the engine is not installed.
        RuntimeFailure: the engine cannot run the model.
    """
    for side in tile:
        if card.size.padded(side) != side:
            raise InvalidInput(
                f"expected tile sides of at least {card.size.minimum} and a multiple of {card.size.multiple_of} "
                f"for model {card.id}, got {tile[0]}×{tile[1]}"
            )
    threads = threads or available()
    build = partial(_build, card, threads=threads)
    if runtime == "auto" and not card.offers("onnx"):
        return Guarded(build("ncnn" if card.offers("ncnn-param") else "spandrel", tile, precision), None)
    if runtime == "auto":
        runner = choose.fastest(card, build, tile=tile, threads=threads, precision=precision)
    else:
        runner = build(runtime, tile, precision)
    others = [engine for engine in choose.installed() if engine != runner.runtime]
    return Guarded(runner, partial(build, others[0], tile, "fp32") if others else None)


def function(model: bytes) -> Callable[[Floats], Floats]:
    """What runs a small network with one ``N×…`` input and one output, of ONNX, on the first engine that takes it.

    Raises:
        ModelError: no engine is installed. RuntimeFailure: none can run it.
    """
    reasons = []
    for name in choose.installed():
        try:
            run: Callable[[Floats], Floats] = import_module(f"fourfold.engines.{name}").function(model)
        except RuntimeFailure as error:
            reasons.append(str(error))
        else:
            return run
    if not reasons:
        raise ModelError("expected an engine to be installed; pip install onnxruntime")
    raise RuntimeFailure(" ".join(reasons))


def _build(card: Card, runtime: Runtime, tile: tuple[int, int], precision: str, *, threads: int) -> Runner:
    if runtime in choose.ENGINES and runtime not in choose.installed():
        found = ", ".join(choose.installed()) or "none"
        raise ModelError(f"the runtime {runtime} is not installed (installed: {found}); pip install {runtime}")
    module = import_module(f"fourfold.engines.{runtime}")
    runner: Runner = module.load(card, tile=tile, threads=threads, precision=precision)
    return runner
