"""Choose the fastest engine and precision by a short benchmark, remembered per processor, model and threads."""

import json
import math
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
import platformdirs

from fourfold.catalog.card import Card
from fourfold.core.atomic import write_text
from fourfold.core.contract import Runner
from fourfold.core.errors import ModelError, RuntimeFailure
from fourfold.core.machine import processor

Engine = Literal["openvino", "onnxruntime"]
ENGINES: tuple[Engine, ...] = ("openvino", "onnxruntime")
"""The engines to choose from, each a module of this package."""

Candidate = tuple[Engine, str]
"""An engine, and the precision to ask it for: ``auto``, ``fp32``, ``bf16`` or ``int8``."""

Build = Callable[[Engine, tuple[int, int], str], Runner]
"""Loads the model on an engine, for tiles of a height and width, in a precision."""

_ROUNDS = 3
_BUDGET = 0.5
"""Seconds after which no further round of measuring starts."""

_HOPELESS = 3
"""A candidate this many times slower than the fastest so far is not measured further."""


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
    candidates: list[Candidate] = [(engine, one) for engine in engines for one in tried]
    memory = memory or remembered_in()
    files = [w.sha256 for w in card.weights if w.format.startswith("onnx")]
    key = json.dumps([processor(), _versions(), files, threads, precision])
    known = _recall(memory).get(key)
    for engine, one in candidates:
        if [engine, one] == known or len(candidates) == 1:
            with suppress(RuntimeFailure):
                return build(engine, tile, one)
    return _measured(build, candidates, tile, memory, key)


def _measured(build: Build, candidates: list[Candidate], tile: tuple[int, int], memory: Path, key: str) -> Runner:
    """The fastest of the candidates, measured on the very tile, so that it need not be loaded again; it is remembered.

    Rounds are taken in turns, and the least time counts. What is soon seen to be far slower than another is given up
    before the next engine is loaded, so that not all of them are in memory together.
    """
    left: dict[Candidate, Runner] = {}
    seconds: dict[Candidate, float] = {}
    reasons: list[str] = []
    for engine in dict.fromkeys(engine for engine, _ in candidates):
        new = _loaded(build, [candidate for candidate in candidates if candidate[0] == engine], tile, reasons)
        _round({**new}, seconds, reasons)  # which compiles and touches memory
        left = _hopeful(left | new, seconds)
    for candidate in left:
        del seconds[candidate]
    started = time.perf_counter()
    for _ in range(_ROUNDS):
        _round(left, seconds, reasons)
        left = _hopeful(left, seconds)
        if time.perf_counter() - started > _BUDGET:
            break
    if not left:
        tried = ", ".join(dict.fromkeys(engine for engine, _ in candidates))
        raise RuntimeFailure(f"none of the engines {tried} can run the model here. {' '.join(reasons)}")
    best = min(left, key=lambda candidate: seconds[candidate])
    _remember(memory, key, best)
    return left[best]


def _loaded(
    build: Build, candidates: list[Candidate], tile: tuple[int, int], reasons: list[str]
) -> dict[Candidate, Runner]:
    runners: dict[Candidate, Runner] = {}
    with ThreadPoolExecutor(max_workers=2) as pool:  # an engine compiles in one thread
        loading = {candidate: pool.submit(build, candidate[0], tile, candidate[1]) for candidate in candidates}
    for candidate, one in loading.items():
        try:
            runners[candidate] = one.result()
        except RuntimeFailure as error:
            reasons.append(str(error))
    return runners


def _round(runners: Mapping[Candidate, Runner], seconds: dict[Candidate, float], reasons: list[str]) -> None:
    """Seconds that each runner takes for the levels of one tile, where that is less than before; none if it fails."""
    for candidate, runner in runners.items():
        tiles = np.linspace(0, 1, 3 * runner.tile[0] * runner.tile[1], dtype=np.float32).reshape(1, 3, *runner.tile)
        before = time.perf_counter()
        try:
            runner.levels(tiles)
        except RuntimeFailure as error:
            reasons.append(str(error))
            seconds.pop(candidate, None)
        else:
            seconds[candidate] = min(seconds.get(candidate, math.inf), time.perf_counter() - before)


def _hopeful(runners: Mapping[Candidate, Runner], seconds: Mapping[Candidate, float]) -> dict[Candidate, Runner]:
    """Those that did not fail and are not far slower than the fastest."""
    measured = {candidate: runner for candidate, runner in runners.items() if candidate in seconds}
    most = _HOPELESS * min((seconds[candidate] for candidate in measured), default=0)
    return {candidate: runner for candidate, runner in measured.items() if seconds[candidate] <= most}


def _recall(memory: Path) -> dict[str, object]:
    try:
        known = json.loads(memory.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _remember(memory: Path, key: str, candidate: Candidate) -> None:
    text = json.dumps({**_recall(memory), key: candidate}, indent=1, sort_keys=True)
    with suppress(OSError):
        write_text(memory, text)


def _versions() -> list[str]:
    """What is installed, by the folders of metadata beside the packages: importlib's reader is slow to load."""
    origins = [Path(spec.origin) for engine in ENGINES if (spec := find_spec(engine)) is not None and spec.origin]
    return sorted(one.name for origin in origins for one in origin.parents[1].glob(f"{origin.parent.name}*-info"))
