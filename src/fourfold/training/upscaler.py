"""Train the upscaler: patches of photos and graphics, the error of RGB and luma, PSNR on held-out pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fourfold.catalog import load as catalog
from fourfold.catalog.card import Card
from fourfold.engines import pytorch, weights
from fourfold.imaging.metrics import psnr_y
from fourfold.networks.upscaler import Upscaler
from fourfold.training import data, degradations, engine, graphics, losses, shards, teachers
from fourfold.training.recipe import UpscalerRecipe, UpscalerStage

DRAWN = 240
"""How many graphics are drawn to train on."""


def train(recipe: UpscalerRecipe, photos: Sequence[Path], folder: Path) -> Path:
    """Train, or go on training, and return the file of the running-mean weights; see ``engine.train``.

    Args:
        recipe: what to train; photos: folders of photos, see ``data.split``.
        folder: see ``engine.train``; what is decoded, drawn and taught is kept beside it, in ``shards``.

    Raises:
        InvalidInput: there are no photos that are large enough.
    """
    return engine.train(recipe, UpscalerObjective(recipe, photos, folder.parent / "shards"), folder)


class UpscalerObjective:
    """The upscaler as what the engine trains."""

    def __init__(self, recipe: UpscalerRecipe, photos: Sequence[Path], cache: Path) -> None:
        self._recipe = recipe
        least = max(stage.patch for stage in recipe.stages)
        training, held = data.split_all(photos)
        seen = shards.pairs(training[: recipe.photos or None], cache)
        self._held = data.read_pairs(held)
        self._held_graphics = [data.pair_of(one) for one in graphics.held_out()]
        self._photos = data.at_least(seen, least)
        wanted = any(stage.graphics for stage in recipe.stages)
        self._graphics = shards.drawn(DRAWN, recipe.seed, cache) if wanted else []
        self._taught = {
            name: teachers.answered(name, self._photos, recipe.windows, cache, recipe.windows_degraded)
            for name in {stage.teacher for stage in recipe.stages if stage.taught}
        }
        self._mixtures: dict[UpscalerStage, data.Mixture] = {}

    def network(self) -> Upscaler:
        """A network with random weights, or a published one."""
        recipe = self._recipe
        network = Upscaler(recipe.channels, recipe.depth, recipe.activation, recipe.dilation, recipe.head)
        if recipe.start:
            card = catalog.card(recipe.start)
            assert isinstance(card, Card)
            pytorch.fill(network, {k: torch.from_numpy(v) for k, v in weights.state(card).items()}, card.id)
        return network

    def hidden(self, network: nn.Module) -> list[nn.Parameter]:
        """All kernels but the last, and but the first if it is of the usual size."""
        assert isinstance(network, Upscaler)
        first = [network.convs[0]] if self._recipe.head > 3 else []
        return [cast("nn.Parameter", conv.weight) for conv in (*first, *network.body)]

    def batch(self, stage: UpscalerStage, rng: np.random.Generator) -> engine.Batch:
        """Patches of photos, graphics and taught windows, as probable as the stage says."""
        if stage not in self._mixtures:
            degraded = degradations.BY_NAME[stage.degraded]
            self._mixtures[stage] = data.Mixture(
                (1 - stage.graphics - stage.taught, self._photos, degraded),
                (stage.graphics, self._graphics, degraded),
                (stage.taught, self._taught.get(stage.teacher, ()), None),
            )
        return self._mixtures[stage].batch(stage.batch, stage.patch, rng)

    def outputs(self, network: nn.Module, _stage: UpscalerStage, given: Tensor) -> Sequence[Tensor]:
        """The enlarged patches."""
        return [network(given)]

    def loss(self, outputs: Sequence[Tensor], stage: UpscalerStage, wanted: Tensor) -> Tensor:
        """The error where the network saw no padding."""
        inner = slice(4 * stage.margin, 4 * (stage.patch - stage.margin))
        output, target = outputs[0][..., inner, inner], wanted[..., inner, inner]
        return losses.reconstruction(output, target, stage.luma_weight)

    def validate(self, network: nn.Module, _stage: UpscalerStage) -> dict[str, float]:
        """Mean PSNR-Y in dB on held-out photos and graphics."""
        return {
            "held_out_psnr_y": round(validate(network, self._held), 3),
            "graphics_psnr_y": round(validate(network, self._held_graphics), 3),
        }


def validate(network: nn.Module, held: Sequence[data.Pair], side: int = 120) -> float:
    """Mean PSNR-Y in dB over the centres (at most ``side×side`` low-resolution pixels) of held-out pictures."""
    scores = []
    for pair in held:
        h, w = (min(side, length) for length in pair.low.shape[:2])
        y, x = (pair.low.shape[0] - h) // 2, (pair.low.shape[1] - w) // 2
        output = enlarge(network, pair.low[y : y + h, x : x + w])
        scores.append(psnr_y(output, pair.high[4 * y : 4 * (y + h), 4 * x : 4 * (x + w)], border=16))
    return float(np.mean(scores))


def enlarge(network: nn.Module, low: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """``H×W×3`` levels through a network in one piece: ``4H×4W×3``."""
    planes = torch.from_numpy(low.copy()).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode():
        output = network(planes)[0].clamp(0, 1).permute(1, 2, 0)
    levels: NDArray[np.uint8] = (output.numpy() * 255).round().astype(np.uint8)
    return levels
