"""The memory promise, measured: what a process really takes, against the figures by which photos are refused."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fourfold.methods.upscale import memory_needed

SMALL, LARGE = (200, 304), (640, 960)
PROGRAM = """
import json, sys, fourfold
from fourfold.core.machine import peak_memory_mb
from fourfold.core.options import UpscaleOptions
options = UpscaleOptions(route="little", style="faithful", threads=2, tile=128, runtime="onnxruntime")
before = peak_memory_mb()
print(json.dumps([before, *(made.peak_memory_mb for made in fourfold.restore_files(sys.argv[1:], options=options))]))
"""


def saved(path: Path, size: tuple[int, int]) -> Path:
    blocks = np.random.default_rng(0).integers(0, 256, (size[0] // 8, size[1] // 8, 3), np.uint8)
    Image.fromarray(blocks.repeat(8, 0).repeat(8, 1)).save(path)
    return path


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of a process from Linux's /proc")
def test_a_photo_takes_no_more_memory_than_is_asked_for_it(suffix, tmp_path):
    """The second photo, ten times as large, adds to the peak no more than the promise for it is larger.

    Whatever libraries take once is in the first peak. A result that is held whole where it should stream would show.
    """
    photos = [saved(tmp_path / f"{name}{suffix}", size) for name, size in (("a", SMALL), ("b", LARGE))]
    words = [sys.executable, "-c", PROGRAM, *map(str, photos)]
    before, *peaks = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    promised = [
        memory_needed(size, (4 * size[0], 4 * size[1]), 3, 8, keeps_whole=suffix == ".jpg") >> 20
        for size in (SMALL, LARGE)
    ]
    assert 0 < peaks[0] - before < promised[0]
    assert peaks[1] - peaks[0] <= promised[1] - promised[0]
