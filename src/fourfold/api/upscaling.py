"""The upscaling restorer: chooses networks, checks memory, upscales a photo and reports on it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourfold.api.networks import Networks, choose_cards, choose_style
from fourfold.catalog import load as catalog
from fourfold.catalog.card import STYLES, Card, Style
from fourfold.core.contract import Progress, Write
from fourfold.core.errors import QualityGate
from fourfold.core.image import Image
from fourfold.core.machine import require_memory
from fourfold.core.options import UpscaleOptions
from fourfold.core.size import Size
from fourfold.imaging import tiling
from fourfold.methods.condition import PROMPTS, Condition, Kind
from fourfold.methods.restorer import Prepared, Report, Restorer
from fourfold.methods.route import Routes
from fourfold.methods.upscale import Upscaling, memory_needed
from fourfold.workflow.presets import suited

_PUTS_BACK = (
    "--consistent puts noise and JPEG damage back that the photo style repairs; --style faithful is made for it"
)


@dataclass(frozen=True)
class Routing:
    """Where a picture went through a big network too, tile by tile as ``rows×columns``.

    Attributes:
        threshold: dB between little and big below which a tile went on; expected: dB that the gate predicted.
        measured: dB between the two networks' answers, None where only the little one was asked; big: who went on.
        seconds_little, seconds_big: inside each network.
    """

    threshold: float
    expected: tuple[tuple[float | None, ...], ...]
    measured: tuple[tuple[float | None, ...], ...]
    big: tuple[tuple[bool, ...], ...]
    seconds_little: float
    seconds_big: float


@dataclass(frozen=True)
class Recognised:
    """The condition that a photo was found in.

    Attributes:
        kind, certainty, noise, blocks: see ``methods.condition.Condition``; name: the kind as the recogniser puts it.
        recogniser: its id, and what it was adapted to.
        workflow: the preset that suits such photos better than enlarging them as they are, empty if there is none.
    """

    kind: Kind
    name: str
    certainty: float
    noise: float
    blocks: float
    recogniser: str
    workflow: str

    @classmethod
    def of(cls, found: Condition, recogniser: str) -> "Recognised":
        """The condition that a recogniser of that name found."""
        workflow = suited(UpscaleOptions.catalog_task, found.kind)
        noise, blocks = round(found.noise, 2), round(found.blocks, 3)
        return cls(found.kind, PROMPTS[found.kind], found.certainty, noise, blocks, recogniser, workflow)


@dataclass(frozen=True, kw_only=True)
class UpscaleReport(Report):
    """The figures of one upscaled photo.

    Attributes:
        condition: what happened to the photo before.
        style: faithful or photo, style_reason: why, strength: from faithful 0 to photo 1.
        routing: the tile map, None where every tile went through one network only.
        consistency_psnr, consistency_worst, added_detail, added_detail_db, bicubic_psnr, phone_psnr: what was kept and
            added, before the file was encoded, see ``imaging.fidelity.Fidelity``; None of a PSNR is an exact match.
    """

    condition: Recognised
    style: Style
    style_reason: str
    strength: float
    routing: Routing | None
    consistency_psnr: float | None
    consistency_worst: float
    added_detail: float
    added_detail_db: float
    bicubic_psnr: float | None
    phone_psnr: float | None

    @property
    def summary(self) -> str:
        """Network, consistency and added detail."""
        kept = "exact" if self.consistency_psnr is None else f"{self.consistency_psnr:.1f} dB"
        return f"{super().summary}, consistency {kept}, added detail {self.added_detail:.1f} levels"

    @property
    def remarks(self) -> tuple[str, ...]:
        """The style, how many tiles went on, and the workflow that suits such a photo."""
        style = f"{self.style}: {self.style_reason}"
        if self.routing is not None:
            style += f"; {self.tiles['big']} of {self.tiles['total']} tiles went on to the big network"
        if not self.condition.workflow:
            return (style,)
        return style, f"fourfold run {self.condition.workflow} --set photo={self.input} is made for such a photo"


@dataclass
class Upscaled(Prepared):
    """A photo ready to be upscaled.

    Attributes:
        options, work: what to do and who does it; cards: of the networks it goes through, the little one first.
        condition, engines, style, reason, strength: as in the report; found: notes from before the run.
    """

    options: UpscaleOptions
    work: Upscaling
    cards: tuple[Card, ...]
    condition: Recognised
    engines: Mapping[str, str] = field()
    style: Style
    reason: str
    strength: float
    found: tuple[str, ...]

    def __post_init__(self) -> None:
        self.target = self.work.target

    def run(self, write: Write, progress: Progress) -> None:
        """The network computes here, another thread finishes and writes the bands before."""
        self.work.run(write, progress)
        kept, least = self.work.fidelity.consistency, self.options.min_consistency
        if least is not None and kept < least:
            raise QualityGate(
                f"expected a consistency of at least {least:g} dB, measured {kept:.2f} dB; the result was not kept. "
                "Lower --min-consistency to keep it"
            )

    def notes(self, lossy: str) -> tuple[str, ...]:
        """What a format undoes, what was found before the run, whose networks ran, and what went wrong."""
        notes = self.found
        if self.options.consistent and lossy:
            notes = (f"{lossy} changes pixels after --consistent made them fit; --format png keeps them", *notes)
        notes += tuple(
            f"{card.id} is a third-party model; licence: {card.licence}" for card in self.cards if card.third_party
        )
        if reruns := self.work.reruns:
            notes += (f"{reruns} tiles came out damaged from {self.work.runner.runtime} and were computed again",)
        return notes + self.work.notes

    def report(self, common: Mapping[str, Any]) -> UpscaleReport:
        """The figures, once the run is over."""
        work = self.work
        macs = self.cards[0].macs_per_pixel * work.plan.count * math.prod(work.plan.shape)
        tiles = {"total": work.plan.count, "little": 0, "big": 0, self.cards[0].tier: work.plan.count}
        if work.routes is not None:
            total, big = work.routes.chosen.size, int(work.routes.chosen.sum())
            macs += self.cards[1].macs_per_pixel * big * math.prod(work.routes.plan.shape)
            tiles = {"total": total, "little": total - big, "big": big}
        macs *= 1 if self.strength in (0, 1) else 2  # both styles run, to be mixed
        return UpscaleReport(
            **common,
            condition=self.condition,
            model=" + ".join(card.id for card in self.cards),
            style=self.style,
            style_reason=self.reason,
            strength=self.strength,
            runtime=work.runner.runtime,
            precision=work.runner.precision,
            engines=self.engines,
            seconds_model=round(work.seconds_model, 4),
            gmacs=round(macs / 1e9, 3),
            tiles=tiles,
            routing=None if work.routes is None else _routing(work, work.routes),
            **work.fidelity.figures(),
        )

    def figures(self, common: Mapping[str, Any]) -> dict[str, Any]:
        """The report, and by whose answer each tile was kept."""
        big = self.work.routes.chosen if self.work.routes else [[False] * len(row) for row in self.work.plan.rows]
        tile_map = [[self.cards[int(one)].tier for one in row] for row in big]
        return super().figures(common) | {"tile_map": tile_map}


def _routing(work: Upscaling, routes: Routes) -> Routing:
    def decibels(values: NDArray[np.float64]) -> tuple[tuple[float | None, ...], ...]:
        return tuple(tuple(None if math.isnan(v) else round(v, 1) for v in row) for row in values.tolist())

    return Routing(
        threshold=round(routes.threshold, 2),
        expected=decibels(routes.expected),
        measured=decibels(-10 * np.log10(work.difference + 1e-10)),
        big=tuple(map(tuple, routes.chosen.tolist())),
        seconds_little=round(work.seconds_model - work.seconds_big, 4),
        seconds_big=round(work.seconds_big, 4),
    )


class UpscaleRestorer(Restorer, of=UpscaleOptions):
    """Upscales photos."""

    options: UpscaleOptions
    networks: Networks

    def cards(self) -> tuple[Card, ...]:
        """Those of the style that is asked for, else of both, since the photo decides."""
        styles = STYLES if self.options.style is None else (self.options.style,)
        found = {card.id: card for style in styles for card in choose_cards(self.options, style)}
        return tuple(found.values())

    def models(self) -> dict[str, str]:
        """The networks, and the recogniser where it chooses the style."""
        found = super().models()
        if self.options.style is None and self.options.model is None:
            found[catalog.recogniser().id] = self.networks.recogniser().sha256
        return found

    def require_memory(self, size: Size, channels: int, depth: int, *, keeps_whole: bool, held: int = 0) -> None:
        """As the contract says."""
        target = self.options.target(size)
        require_memory(
            memory_needed(size, target, channels, depth, keeps_whole, self.options.consistent, held),
            f"{size[1]}×{size[0]} to {target[1]}×{target[0]} pixels",
            "use a smaller --scale or write --format png",
        )

    def prepare(
        self, image: Image, *, keeps_whole: bool = True, held: int = 0, engines: Mapping[str, str] | None = None
    ) -> Upscaled:
        """Choose and load the networks for a photo and plan its tiles."""
        options = self.options
        found = self.networks.condition(image)
        style, reason = choose_style(found, options)
        cards = choose_cards(options, style)
        channels = image.pixels.shape[2] + (image.alpha is not None)
        self.require_memory(image.size, channels, image.depth, keeps_whole=keeps_whole, held=held)
        plan = tiling.plan(image.size, cards[0].receptive_field, options.tile or cards[0].size.side(tiling.LARGEST))
        runner, used = self.networks.runner(cards[0], plan.shape, options, engines or {})
        routes, more, notes = self.networks.routes(image, plan, cards, options, engines or {})
        target = options.target(image.size)
        work = Upscaling(image, runner, plan, cards[0].scale, target, routes, options.consistent)
        strength = options.strength if style == "photo" else 0.0
        if options.consistent and strength:
            notes += (_PUTS_BACK,)
        recogniser = self.networks.recogniser()
        condition = Recognised.of(found, recogniser.name)
        return Upscaled(options, work, cards, condition, used | more, style, reason, strength, notes + recogniser.notes)
