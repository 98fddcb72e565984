"""The deblurring restorer: reduces motion blur in photos, and leaves sharp photos unchanged, with a note."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fourfold.api.networks import Networks
from fourfold.catalog import load as catalog
from fourfold.catalog.card import Card
from fourfold.core.contract import Progress, Write
from fourfold.core.image import Image
from fourfold.core.machine import require_memory
from fourfold.core.options import DeblurOptions
from fourfold.imaging.blur import Blur
from fourfold.methods import deblur as method
from fourfold.methods.restorer import Prepared, Report, Restorer


@dataclass(frozen=True, kw_only=True)
class DeblurReport(Report):
    """The figures of one photo that may have been blurred.

    Attributes:
        changed: False if the photo was left alone, pixel for pixel.
        blur: what was found, see ``imaging.blur.Blur``; strength: that was asked for.
    """

    changed: bool
    blur: Blur
    strength: float

    @property
    def summary(self) -> str:
        """Network and blur."""
        return f"{super().summary}, {self.blur}" if self.changed else "not changed"


@dataclass
class Deblurred(Prepared):
    """A photo whose blur was judged.

    Attributes:
        image: the photo; options: what to do; blur: what was found.
        card, work: network and work, None where there is nothing to do; unchanged: why.
    """

    image: Image
    options: DeblurOptions
    blur: Blur
    unchanged: str | None = None
    card: Card | None = None
    work: method.Deblurring | None = None
    engines: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.target = self.image.size

    def run(self, write: Write, progress: Progress) -> None:
        """All windows are computed before the first row is written."""
        for band in (self.image if self.work is None else self.work.result(progress)).bands():
            write(band)

    def notes(self, lossy: str) -> tuple[str, ...]:
        """Why the photo was left alone, or that its blur is not motion blur."""
        if self.work is None or self.blur.kind == "motion":
            return super().notes(lossy)
        return (f"{self.blur}, and the network knows motion only",)

    def report(self, common: Mapping[str, Any]) -> DeblurReport:
        """The figures, once the run is over."""
        known = {**common, "changed": False, "blur": self.blur, "strength": self.options.strength}
        if self.card is None or self.work is None:
            return DeblurReport(**known)
        work, windows = self.work, self.work.windows
        gmacs = windows.count * math.prod(windows.shape) * self.card.macs_per_pixel / 1e9
        return DeblurReport(
            **known | {"changed": True},
            model=self.card.id,
            runtime=work.runner.runtime,
            precision=work.runner.precision,
            engines=self.engines,
            seconds_model=round(work.seconds_model, 4),
            gmacs=round(gmacs, 3),
            tiles={"total": windows.count},
        )

    def figures(self, common: Mapping[str, Any]) -> dict[str, Any]:
        """Named so that they stand beside those of the enlargement that follows in the same run."""
        report, moved = self.report(common), self.work is not None and self.blur.kind == "motion"
        found: dict[str, Any] = {"model": report.model} if report.changed else {}
        return found | {
            "blur": self.blur.kind, "blur_pixels": self.blur.extent if moved else None,
            "blur_degrees": self.blur.direction if moved else None, "seconds_deblurring": report.seconds,
            "gmacs_deblurring": report.gmacs, "warnings": report.warnings,
        }  # fmt: skip


class DeblurRestorer(Restorer, of=DeblurOptions):
    """Deblurs photos."""

    options: DeblurOptions
    networks: Networks

    def cards(self) -> tuple[Card, ...]:
        """The network that is asked for, else the catalog's."""
        task = self.options.catalog_task
        if self.options.model is not None:
            return (catalog.card(self.options.model, task),)
        return (catalog.find(task=task, scale=1, tier="little", style="faithful"),)

    def prepare(self, image: Image, *, engines: Mapping[str, str] | None = None, **_room: object) -> Deblurred:
        """Judge the photo's blur and, if there is something to do, load the network and plan the windows."""
        options, seen = self.options, self.networks.blur(image)
        if options.strength == 0:
            return Deblurred(image, options, seen, "a strength of 0 changes nothing")
        if seen.kind == "sharp" and options.when == "blurred":
            more = "; --when always deblurs it all the same" if seen.doubtful else ""
            return Deblurred(image, options, seen, f"{seen}: it was left as it is{more}")
        (card,) = self.cards()
        (height, width), channels = image.size, image.pixels.shape[2]
        needed = method.memory_needed(image.size, channels, card, options.tile)
        require_memory(needed, f"deblurring {width}×{height} pixels", "or use a smaller --tile")
        windows = method.windows(image.size, card, options.tile)
        runner = self.networks.loaded(card, windows.shape, options, engines or {})
        work = method.Deblurring(image, runner, windows, options.strength)
        return Deblurred(image, options, seen, None, card, work, {card.id: f"{runner.runtime} {runner.precision}"})
