"""Estimate the time and disk space of a batch from a few of its photos before it begins."""

import math
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from fourfold.api.batch.places import place
from fourfold.api.batch.worker import Job, Setting
from fourfold.api.restore import restored
from fourfold.api.session import Session
from fourfold.core.errors import FourfoldError, NotEnough
from fourfold.core.image import Image
from fourfold.imaging import files

_SAMPLES = 5
_SIDE = 256  # pixels of the middle of a sample that are really restored
_ROUNDS = 2  # of which the first compiles the networks


@dataclass(frozen=True)
class Estimate:
    """The estimated work, time and space of a batch.

    Attributes:
        photos: to be done; bytes_in: of all of them; bytes_out: of all results; seconds: until the last is done.
        free: bytes free where they go, None if nobody knows; sampled: photos that this was measured on.
    """

    photos: int
    bytes_in: int
    bytes_out: int
    seconds: float
    free: int | None
    sampled: int

    def require_room(self, target: str) -> None:
        """Make sure that the results fit.

        Raises:
            NotEnough: they do not.
        """
        if self.free is not None and self.bytes_out > self.free:
            raise NotEnough(
                f"{target}: {self.photos} results need about {self.bytes_out / 1e6:.0f} MB, {self.free / 1e6:.0f} MB "
                "are free; make room, choose another target, a smaller --scale or a lossy --format"
            )


def estimate(setting: Setting, jobs: Sequence[Job], workers: int) -> Estimate:
    """Read a few photos, evenly spaced, and restore the middle of each.

    Bytes and seconds of the others follow by the bytes of their files. Photos that cannot be read are left out here.
    """
    session = Session()
    count = min(_SAMPLES, -(-len(jobs) // 8))
    sampled = [jobs[len(jobs) * (2 * i + 1) // (2 * count)] for i in range(count)]
    found = []
    for job in sampled:
        try:
            found.append((job.size, *_one(setting, session, job)))
        except FourfoldError:
            continue  # the batch itself will say why
    seen, grown, seconds = (sum(column) for column in zip(*found, strict=True)) if found else (0, 0, 0.0)
    total = sum(job.size for job in jobs)
    times = total / seen if seen else 0.0
    free = place(setting.target).free()
    return Estimate(len(jobs), total, round(grown * times), round(seconds * times / workers, 1), free, len(found))


def _one(setting: Setting, session: Session, job: Job) -> tuple[float, float]:
    """Bytes of the result and seconds, estimated from the middle of the photo."""
    with tempfile.TemporaryDirectory(prefix="fourfold-") as name:
        scratch = Path(name)
        before = time.perf_counter()
        image = files.read(place(setting.source).fetched(job.source, scratch), page=job.page)
        reading = time.perf_counter() - before
        middle = _middle(image)
        suffix = PurePosixPath(job.source).suffix if files.format_of(image.format).writable else ".tif"
        crop = scratch / f"middle{suffix}"
        files.write(middle, crop)
        output = str(scratch / f"large{PurePosixPath(job.target).suffix}")
        options = setting.options.for_part(image.size, middle.size).changed(pages=None)
        for _ in range(_ROUNDS):
            made = restored(str(crop), options, session, output)
        factor = math.prod(image.size) / math.prod(middle.size)
        return Path(made.output).stat().st_size * factor, made.seconds * factor + reading


def _middle(image: Image) -> Image:
    top, left = (max(0, (side - _SIDE) // 2) for side in image.size)
    part = slice(top, top + _SIDE), slice(left, left + _SIDE)
    return replace(image, pixels=image.pixels[part], alpha=None if image.alpha is None else image.alpha[part])
