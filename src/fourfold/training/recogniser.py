"""The recogniser of photo conditions: loaded to train on, adapted to unlabelled photos, and judged."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray

from fourfold.catalog import load as catalog
from fourfold.convert.export import rounded
from fourfold.convert.tower import to_onnx
from fourfold.core.options import AdaptOptions
from fourfold.engines import weights
from fourfold.engines.pytorch import build, fill
from fourfold.methods.adapt import Adaptation, Tuned, Tuning
from fourfold.methods.condition import PROMPTS, dominant
from fourfold.networks.two_tower import TwoTower
from fourfold.training import adaptation as adapting
from fourfold.training.adaptation import LARGEST_SCALE, Gained, adapt, probabilities
from fourfold.training.conditions import held_out_set

CONTEXT = "a"
CLASSES = tuple(prompt.removeprefix("a ") for prompt in PROMPTS.values())
"""The prompts of the product, taken apart for adapting."""

_RATES: Mapping[Tuned, float] = MappingProxyType({"model": 3e-3, "prompt": 0.3})
_LEAST = 0.02  # of a prior: no condition is impossible


@dataclass(frozen=True, eq=False)
class AdaptedRecogniser:
    """An adapted recogniser, and what it makes of the photos; ``before`` and ``after`` are N class indices."""

    model: bytes
    before: NDArray[np.int64]
    after: NDArray[np.int64]


def adapted(
    seen: NDArray[np.float32],
    options: AdaptOptions,
    saved: Path,
    watch: Callable[[int, int], None] = lambda _done, _all: None,
) -> AdaptedRecogniser:
    """The recogniser of the catalog, adapted to unlabelled photos; it goes on from ``saved`` if that is there.

    Args:
        seen: ``N×16×74`` traces of each photo; options: how; watch: called after every pass.
    """
    network, images = loaded(), torch.from_numpy(seen)
    first = Adaptation(network, CLASSES, Tuning(), CONTEXT)
    before = probabilities(first, images)
    found = before.mean(0).clamp(min=_LEAST)
    drawn = options.prior == "found" or (options.prior is None and dominant(before.argmax(1).numpy()) is not None)
    prior = found / found.sum() if drawn else None
    tuning = tuning_of(options.tune, options.seed)
    adaptation = Adaptation(network, CLASSES, tuning, CONTEXT, prior)
    adapt(adaptation, images, tuning, options.passes, saved, watch)
    network.load_state_dict(rounded(network.state_dict(), "the adapted recogniser"))
    model = to_onnx(network, adaptation.prototypes())
    return AdaptedRecogniser(model, before.argmax(1).numpy(), probabilities(adaptation, images).argmax(1).numpy())


def loaded() -> TwoTower:
    """The recogniser of the catalog as a network.

    Raises:
        ModelError: its weights are missing or damaged.
    """
    card = catalog.recogniser()
    network = build(card.network)
    assert isinstance(network, TwoTower)
    fill(network, {name: torch.from_numpy(value) for name, value in weights.state(card).items()}, card.id)
    return network


def tuning_of(tuned: Tuned, seed: int) -> Tuning:
    """How the recogniser is adapted: the paper's weights, and rates for a network of this size."""
    return Tuning(tuned, rate=_RATES[tuned], largest_scale=LARGEST_SCALE, seed=seed)


def gain(folder: Path, tuned: Tuned, seed: int) -> Gained:
    """The gain of adapting the recogniser to held-out photos with damage of other families, without their labels."""
    tuning = tuning_of(tuned, seed)
    adaptation = Adaptation(loaded(), CLASSES, tuning, CONTEXT)
    return adapting.gain(adaptation, held_out_set([folder], "shifted", seed), tuning, AdaptOptions().passes)


def accuracy(folder: Path) -> float:
    """Of the recogniser on held-out photos with damage of the families it knows, in per cent."""
    held = held_out_set([folder])
    found = probabilities(Adaptation(loaded(), CLASSES, Tuning(), CONTEXT), held.images)
    return round(100 * (found.argmax(1) == held.labels).float().mean().item(), 2)
