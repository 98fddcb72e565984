"""Which engine and arithmetic is fastest here: measured shortly, remembered for processor, model and threads."""

import json
import platform
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
import platformdirs

from fourfold.catalog.card import Card
from fourfold.core.atomic import write_text
from fourfold.core.contract import Runner
from fourfold.core.errors import ModelError, RuntimeFailure

Engine = Literal["openvino", "onnxruntime"]
ENGINES: tuple[Engine, ...] = ("openvino", "onnxruntime")
"""The engines to choose from, each a module of this package."""

Way = tuple[Engine, str]
"""An engine, and the precision to ask it for: ``auto``, ``fp32``, ``bf16`` or ``int8``."""

Build = Callable[[Engine, tuple[int, int], str], Runner]
"""Loads the model on an engine, for tiles of a height and width, in a precision."""

_PROBE = (128, 128)
"""Height and width of the tile that is measured: engines rank alike on those around it."""

_ROUNDS = 4
_BUDGET = 2.0
"""Seconds after which no further round of measuring starts."""


def installed() -> tuple[Engine, ...]:
    """The engines found on this machine, without importing them."""
    return tuple(engine for engine in ENGINES if find_spec(engine) is not None)


def remembered_in() -> Path:
    """The file that remembers measurements, in the person's cache folder; it may be deleted at any time."""
    return Path(platformdirs.user_cache_dir("fourfold", appauthor=False)) / "runtimes.json"


def fastest(
    card: Card,
    build: Build,
    *,
    tile: tuple[int, int],
    threads: int,
    precision: str,
    memory: Path | None = None,
) -> Runner:
    """A runner on the engine that upscales a tile soonest.

    Args:
        card: the model.
        build: loads it.
        tile: height and width that the runner is wanted for.
        threads: that ``build`` loads it for.
        precision: to ask for; with ``auto`` each engine is tried in its own and, if the card has such weights, in int8.
        memory: the file of remembered measurements, by default ``remembered_in()``. If it cannot be read or
            written, the measurement is only repeated next time.

    Raises:
        ModelError: no engine is installed, or the weights are missing or damaged.
        RuntimeFailure: none of the installed engines can run the model.
    """
    engines = installed()
    if not engines:
        raise ModelError(f"expected one of the engines {', '.join(ENGINES)} to be installed; pip install onnxruntime")
    tried = ["auto", "int8"] if precision == "auto" and card.offers("onnx-int8") else [precision]
    ways: list[Way] = [(engine, one) for engine in engines for one in tried]
    memory = memory or remembered_in()
    files = [w.sha256 for w in card.weights if w.format.startswith("onnx")]
    key = json.dumps([_processor(), _versions(), files, threads, precision])
    known = _recall(memory).get(key)
    for engine, one in ways:
        if [engine, one] == known or len(ways) == 1:
            with suppress(RuntimeFailure):
                return build(engine, tile, one)
    engine, one = _measured(build, ways, memory, key)
    return build(engine, tile, one)


def measure(runners: Mapping[Way, Runner]) -> dict[Way, float]:
    """Seconds that each runner takes for the levels of one tile: the least of a few rounds, taken in turns.

    Runners that fail are left out.
    """
    best: dict[Way, float] = {}
    failed: set[Way] = set()
    started = time.perf_counter()
    for round_ in range(_ROUNDS):
        for way, runner in runners.items():
            if way in failed:
                continue
            tiles = np.linspace(0, 1, 3 * runner.tile[0] * runner.tile[1], dtype=np.float32).reshape(1, 3, *runner.tile)
            before = time.perf_counter()
            try:
                runner.levels(tiles)
            except RuntimeFailure:
                failed.add(way)
                continue
            if round_ > 0:  # The first compiles and touches memory.
                best[way] = min(best.get(way, np.inf), time.perf_counter() - before)
        if round_ > 0 and time.perf_counter() - started > _BUDGET:
            break
    return {way: seconds for way, seconds in best.items() if way not in failed}


def _measured(build: Build, ways: list[Way], memory: Path, key: str) -> Way:
    runners: dict[Way, Runner] = {}
    reasons = []
    for engine, precision in ways:
        try:
            runners[engine, precision] = build(engine, _PROBE, precision)
        except RuntimeFailure as error:
            reasons.append(str(error))
    seconds = measure(runners)
    if not seconds:
        tried = ", ".join(dict.fromkeys(engine for engine, _ in ways))
        raise RuntimeFailure(f"none of the engines {tried} can run the model here. {' '.join(reasons)}")
    best = min(seconds, key=lambda way: seconds[way])
    _remember(memory, key, best)
    return best


def _recall(memory: Path) -> dict[str, object]:
    try:
        known = json.loads(memory.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _remember(memory: Path, key: str, way: Way) -> None:
    text = json.dumps({**_recall(memory), key: way}, indent=1, sort_keys=True)
    with suppress(OSError):
        write_text(memory, text)


def _versions() -> list[str]:
    found = []
    for engine in ENGINES:
        with suppress(PackageNotFoundError):
            found.append(f"{engine} {version(engine)}")
    return found


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return f"{platform.processor()} {platform.machine()}"
