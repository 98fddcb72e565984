"""Choose the networks for a picture, load them, and keep them loaded."""

import math
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from fourfold.catalog import load as catalog
from fourfold.catalog.card import Card, Style
from fourfold.core.contract import Runner
from fourfold.core.errors import UsageError
from fourfold.core.image import Image
from fourfold.core.options import RestoreOptions, UpscaleOptions
from fourfold.engines.guard import Guarded
from fourfold.imaging import color, tiling
from fourfold.imaging.blur import Blur, estimate
from fourfold.methods import route
from fourfold.methods.blend import Blended
from fourfold.methods.condition import Condition, condition
from fourfold.models import recogniser
from fourfold.models.recogniser import Recogniser

_SHARE_OF_NETWORKS = 0.85
"""Of a time budget: reading, measuring and writing take the rest, see bench/README.md."""


def named(model: str) -> Card:
    """The upscaling network that a person names: by its id, or by the file of a third-party model.

    Raises:
        ModelError: there is none. MissingExtra: what runs such a file is not installed.
    """
    from fourfold.convert import third_party  # engines only when a network is asked for

    return (
        third_party.described(Path(model))
        if third_party.is_file(model)
        else catalog.card(model, UpscaleOptions.catalog_task)
    )


def choose_style(found: Condition, options: UpscaleOptions) -> tuple[Style, str]:
    """The style for a picture, as asked for or as its condition suggests, and a sentence that says why."""
    if options.model is not None:
        return named(options.model).style, "the network was asked for by name"
    if options.style is not None:
        style, reason = options.style, "asked for"
    else:
        style, reason = found.style
    return ("faithful", "strength 0") if style == "photo" and options.strength == 0 else (style, reason)


def choose_cards(options: UpscaleOptions, style: Style) -> tuple[Card, ...]:
    """The networks that the options ask for: one, or a little one and the big one its hard tiles go on to.

    Raises:
        ModelError: there is none such. UsageError: a time budget where there is nothing to choose.
    """
    if options.model is not None:
        found: tuple[Card, ...] = (named(options.model),)
    elif options.route is not None:
        found = (catalog.find(UpscaleOptions.catalog_task, 4, options.route, style),)
    else:
        big = catalog.find(UpscaleOptions.catalog_task, 4, "big", style)
        found = (catalog.card(big.gate.little), big) if big.gate is not None else (big,)
    if options.time_budget is not None and len(found) == 1:
        raise UsageError("a time budget chooses between two networks; leave --route and --model on auto")
    return found


@dataclass
class Networks:
    """A cache of loaded networks, and of judgements of the pictures that are in memory.

    The least recently used networks are dropped first.

    Attributes:
        keeps: how many compiled tile shapes to hold.
    """

    keeps: int
    _recogniser: Recogniser | None = field(default=None, init=False, repr=False)
    _conditions: "WeakKeyDictionary[Image, Condition]" = field(
        default_factory=WeakKeyDictionary, init=False, repr=False
    )
    _blurs: "WeakKeyDictionary[Image, Blur]" = field(default_factory=WeakKeyDictionary, init=False, repr=False)
    _runners: "OrderedDict[tuple[object, ...], Guarded]" = field(default_factory=OrderedDict, init=False, repr=False)

    def recogniser(self) -> Recogniser:
        """The recogniser of photo conditions, see ``models.recogniser``; loaded once."""
        if self._recogniser is None:
            self._recogniser = recogniser.load()
        return self._recogniser

    def condition(self, image: Image) -> Condition:
        """The condition of a picture, judged by its pixels once."""
        if image not in self._conditions:
            self._conditions[image] = condition(image, self.recogniser())
        return self._conditions[image]

    def blur(self, image: Image) -> Blur:
        """The blur of a picture, judged by its pixels once."""
        if image not in self._blurs:
            self._blurs[image] = estimate(color.bleed(image.pixels, image.alpha))
        return self._blurs[image]

    def runner(
        self, card: Card, shape: tuple[int, int], options: UpscaleOptions, engines: Mapping[str, str]
    ) -> tuple[Runner, dict[str, str]]:
        """The card's network for a tile shape; at less than full strength mixed with its faithful counterpart.

        Args:
            engines: by a network's id, engine and arithmetic, as in ``openvino bf16``, that it shall run in as far
                as the options leave that open; what is fastest for other networks is measured.

        Returns:
            The runner, and the engine and arithmetic of each network in it.
        """
        own = self.loaded(card, shape, options, engines)
        used = {card.id: f"{own.runtime} {own.precision}"}
        if card.style == "faithful" or options.strength == 1:
            return own, used
        other = catalog.find(card.task, card.scale, card.tier, "faithful")
        plain = self.loaded(other, shape, options, engines)
        return Blended(plain, own, options.strength), used | {other.id: f"{plain.runtime} {plain.precision}"}

    def routes(
        self, image: Image, plan: tiling.Plan, cards: tuple[Card, ...], options: UpscaleOptions,
        engines: Mapping[str, str],
    ) -> tuple[route.Routes | None, dict[str, str], tuple[str, ...]]:  # fmt: skip
        """Which parts of a picture go on from the first network to the second, if there is one.

        Returns:
            The routes, engine and arithmetic of the second network as of ``runner``, and notes on the time.
        """
        if len(cards) == 1:
            return None, {}, ()
        started = time.perf_counter()
        gate = cards[1].gate
        assert gate is not None
        tiles = tiling.finer(plan, route.HALO, route.LARGEST)
        big, used = self.runner(cards[1], tiles.shape, options, engines)
        expected = route.expected_psnr(color.bleed(image.pixels, image.alpha), tiles, gate.coefficients)
        threshold = gate.threshold if options.route_threshold is None else options.route_threshold
        notes: tuple[str, ...] = ()
        if options.time_budget is not None:
            little = _seconds_a_tile(self.runner(cards[0], plan.shape, options, engines)[0])
            spare = options.time_budget - (time.perf_counter() - started)
            most = (spare * _SHARE_OF_NETWORKS - little * plan.count) / _seconds_a_tile(big)
            threshold = route.affordable(expected, threshold, max(0, math.floor(most)))
            if most < 0:
                needed = little * plan.count / _SHARE_OF_NETWORKS
                notes = (f"the little network alone needs about {needed:.1f} s for this picture on this machine",)
        return route.Routes(tiles, big, expected, expected < threshold, threshold), used, notes

    def loaded(
        self, card: Card, shape: tuple[int, int], options: RestoreOptions, engines: Mapping[str, str]
    ) -> Guarded:
        """The card's network itself; arguments as of ``runner``."""
        runtime, _, precision = engines.get(card.id, "").partition(" ")
        if runtime and options.runtime in (None, runtime) and options.precision in (None, precision):
            options = options.changed(runtime=runtime, precision=precision)
        key = (card.id, card.weights, shape, options.runtime, options.precision, options.threads)
        if key not in self._runners:
            from fourfold.engines import load as load_runner  # engines only when a network is really needed

            self._runners[key] = load_runner(
                card, tile=shape, runtime=options.runtime or "auto", threads=options.threads,
                precision=options.precision or "auto",
            )  # fmt: skip
            while len(self._runners) > self.keeps:
                self._runners.popitem(last=False)
        self._runners.move_to_end(key)
        return self._runners[key]


def _seconds_a_tile(runner: Runner) -> float:
    """The least of two runs on a tile of grey; what is in it does not matter to the time."""
    tile: NDArray[np.float32] = np.full((1, 3, *runner.tile), 0.5, np.float32)
    seconds = []
    for _ in range(2):
        started = time.perf_counter()
        runner.levels(tile)
        seconds.append(time.perf_counter() - started)
    return min(seconds)
