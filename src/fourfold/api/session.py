"""A session keeps networks loaded from one photo to the next, and restores pictures in memory."""

import math
import time
from dataclasses import dataclass, field
from typing import Any

from fourfold.api import deblurring  # noqa: F401 - declares its restorer
from fourfold.api.arrays import taken
from fourfold.api.networks import Networks
from fourfold.api.upscaling import Recognised
from fourfold.core.image import Image
from fourfold.core.machine import peak_memory_mb
from fourfold.core.options import RestoreOptions, UpscaleOptions
from fourfold.methods.restorer import RESTORERS, Prepared, Report, Restorer
from fourfold.models.recogniser import Recogniser


@dataclass(frozen=True)
class Result:
    """A restored picture in memory and its figures."""

    image: Any
    report: Report


@dataclass
class Session:
    """Keeps networks loaded between pictures. Not for use by two threads at once.

    Attributes:
        options: the options that ``upscale`` starts from; keeps: how many compiled tile shapes to hold.
        networks: the loaded ones.
    """

    options: UpscaleOptions = field(default_factory=UpscaleOptions)
    keeps: int = 8

    def __post_init__(self) -> None:
        self.networks = Networks(self.keeps)

    def restorer(self, options: RestoreOptions) -> Restorer:
        """What restores photos with such options, through this session's networks."""
        return RESTORERS[type(options)](options, self.networks)

    def upscale(self, image: Any, **changes: Any) -> Result:
        """Upscale one picture in memory, see ``restore``; ``changes`` to the session's options are for it alone."""
        return self.restore(image, self.options.changed(**changes))

    def restore(self, image: Any, options: RestoreOptions) -> Result:
        """Restore one picture in memory: a PIL image, or an ``H×W``, ``H×W×3`` or ``H×W×4`` array.

        Args:
            image: ``uint8``, ``uint16`` or floating point in 0..1; the result is of the same kind, and the very same
                object where there was nothing to do.
            options: what to do.

        Raises:
            InvalidInput: the value is not such a picture. UsageError, ModelError, NotEnough: as the names say.
            QualityGate: the result is not as good as the options demand.
        """
        started = time.perf_counter()
        given = taken(image)
        prepared = self.restorer(options).prepare(given.image, keeps_whole=False, held=given.held)
        if prepared.unchanged is None:
            canvas = given.canvas(prepared.target)
            prepared.run(canvas.write, lambda _done, _all: None)
            image = canvas.picture
        notes = given.image.notes + prepared.notes("")
        return Result(image, prepared.report(common_figures(given.image, prepared, started, notes)))

    @property
    def recogniser(self) -> Recogniser:
        """The recogniser of photo conditions; loaded once, so that a session judges all photos alike."""
        return self.networks.recogniser()

    def condition(self, image: Image) -> Recognised:
        """The condition of a picture, judged by its pixels, and the workflow that suits it."""
        return Recognised.of(self.networks.condition(image), self.recogniser.name)


def common_figures(image: Image, prepared: Prepared, started: float, notes: tuple[str, ...]) -> dict[str, Any]:
    """The figures that all reports have, as keywords; ``started`` is the ``time.perf_counter()`` at the beginning."""
    seconds = time.perf_counter() - started
    return {
        "input_size": image.size[::-1],
        "output_size": prepared.target[::-1],
        "seconds": round(seconds, 4),
        "megapixels_per_second": round(math.prod(prepared.target) / 1e6 / seconds, 3),
        "peak_memory_mb": peak_memory_mb(),
        "warnings": notes,
    }
