"""What the tests of batches share: options, photos, and a pool of one worker in this process."""

from pathlib import Path

import numpy as np
from PIL import Image

from fourfold.api.batch.journal import Outcome
from fourfold.api.batch.run import Batch
from fourfold.api.batch.worker import Worker
from fourfold.core.options import UpscaleOptions

OPTIONS = UpscaleOptions(runtime="onnxruntime", route="little", style="faithful", threads=1)


class Here:
    """A pool of one worker in this process."""

    def __init__(self, setting, _workers):
        self._worker = Worker(setting)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def do(self, jobs):
        return map(self._worker, jobs)


def save(path: Path, seed: int = 0, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    levels = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), np.uint8)
    Image.fromarray(levels).save(path, **options)
    return path


def done(batch: Batch) -> dict[str, Outcome]:
    return {outcome.source: outcome for outcome in batch.run(batch.plan())}


def names(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() and ".fourfold" not in p.parts)
