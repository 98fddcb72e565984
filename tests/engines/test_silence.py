"""Engines send nothing, store nothing, and are not loaded before they are needed."""

import sys
from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[[str], Any]
CACHES = (".cache", "Library/Caches")

RUN = """
import time
import numpy as np
from fourfold import engines
from fourfold.catalog import load
from fourfold.engines import choose
for runtime in choose.installed():
    runner = engines.load(load.all_cards()[0], runtime=runtime, tile=(16, 16))
    runner.levels(np.random.default_rng(0).random((1, 3, 16, 16), dtype=np.float32))
    print(runner.runtime)
time.sleep({seconds})
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the seal that sees native code is Linux's seccomp")
def test_the_seal_notices_python_and_native_code(sealed: Run) -> None:
    asked = sealed("import urllib.request as r\ntry: r.urlopen('http://localhost:1')\nexcept OSError: pass")
    assert asked.code == 0
    assert "getaddrinfo('localhost', 1" in asked.attempts
    assert sealed("import socket; socket.socket()").code != 0


def ours(files: list[str], *names: str) -> bool:
    """Whether all files are of these names in fourfold's own cache folder."""
    places = tuple(f"{folder}/fourfold/{name}" for name in names for folder in CACHES)
    return all(file.startswith(places) for file in files)


def test_engines_reach_for_no_network_and_leave_only_compiled_networks(sealed: Run) -> None:
    # Uploads that onnxruntime makes unless told otherwise start nine seconds after its import.
    result = sealed(RUN.format(seconds=11))
    assert result.code == 0, result.output
    assert "onnxruntime" in result.output
    assert result.attempts == ""
    assert ours(result.files, "compiled/")


def test_choosing_leaves_only_its_own_memory(sealed: Run) -> None:
    result = sealed(RUN.format(seconds=0).replace("choose.installed()", "['auto']"))
    assert result.code == 0, result.output
    assert result.attempts == ""
    assert ours(result.files, "compiled/", "runtimes.json")


def test_onnxruntime_alone_is_enough(sealed: Run) -> None:
    absent = "import sys\nfor name in ('openvino', 'torch', 'onnx', 'safetensors'): sys.modules[name] = None\n"
    result = sealed(absent + RUN.format(seconds=0).replace("choose.installed()", "['auto']"))
    assert (result.code, result.output.strip()) == (0, "onnxruntime")
    missing = sealed(absent + "import fourfold.convert.export")
    assert "MissingExtra: exporting networks needs an optional part: pip install 'fourfold[torch]'" in missing.output


def test_importing_runtimes_and_catalog_loads_no_engine(sealed: Run) -> None:
    result = sealed(
        "import sys, fourfold.engines, fourfold.engines.weights, fourfold.catalog.load as load; load.all_cards()\n"
        "print([n for n in ('torch', 'openvino', 'onnxruntime', 'onnx', 'safetensors') if n in sys.modules])"
    )
    assert result.output.strip() == "[]"
