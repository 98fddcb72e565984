"""A small photo, and tools for nodes that need no network: every pixel four times."""

from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from fourfold.core.errors import ModelError
from fourfold.engines.fake import FakeRunner
from fourfold.imaging import files, tiling
from fourfold.methods.restorer import Prepared
from fourfold.methods.upscale import Upscaling
from fourfold.workflow.node import Restoration


class Made(Prepared):
    def __init__(self, work):
        self.target, self.engines, self._work = work.target, {"four": "fake fp32"}, work

    def run(self, write, progress):
        self._work.run(write, progress)

    def figures(self, _common=None):
        consistency = self._work.fidelity.figures()["consistency_psnr"]
        return {"output_size": self.target[::-1], "consistency_psnr": consistency}


class Tools:
    """Keeps count of the pictures it was asked to restore."""

    def __init__(self):
        self.calls = 0
        self.sha256 = "0" * 64

    def models(self, options):
        if options.model not in (None, "four"):
            raise ModelError(f"there is no model {options.model!r}")
        return {"four": self.sha256}

    def read(self, path):
        return files.read(path)

    def restore(self, image, options):
        self.calls += 1
        plan = tiling.plan(image.size, 4, 16)
        target = options.target(image.size)
        made = Made(Upscaling(image, FakeRunner(4, plan.shape), plan, 4, target))
        return Restoration(made, made.figures)

    def measure(self, large, small):
        return {"ratio": len(large) / len(small)}

    def classifier(self, path, _encoding):
        raise ModelError(f"{path}: no classifier here")


def save(path: Path, seed=0, size=(24, 18), mode="RGB") -> Path:
    levels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], len(mode)), np.uint8)
    Pillow.fromarray(levels).save(path)
    return path
