"""Train deblurring networks: crops with simulated shake or of pairs, MSSNet's loss, the gain on held-out pictures."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from fourfold.core.errors import InvalidInput
from fourfold.imaging.metrics import psnr_y
from fourfold.networks.mssnet import MSSNet
from fourfold.training import deblur_data, engine, losses, start
from fourfold.training.recipe import DeblurRecipe, DeblurStage


def train(recipe: DeblurRecipe, photos: Sequence[Path], folder: Path) -> Path:
    """Train, or go on training, and return the file of the running-mean weights; see ``engine.train``.

    Args:
        recipe: what to train; photos: folders of what ``recipe.data`` says, see ``deblur_data``.
        folder: see ``engine.train``.

    Raises:
        InvalidInput: a folder holds no such data.
    """
    return engine.train(recipe, DeblurObjective(recipe, _pairs(recipe, photos)), folder)


class DeblurObjective:
    """MSSNet as what the engine trains."""

    def __init__(self, recipe: DeblurRecipe, pairs: deblur_data.Pairs) -> None:
        self._recipe, self._pairs = recipe, pairs
        self._held = pairs.held_out()

    def network(self) -> MSSNet:
        """A network with random weights, scaled to the data if the recipe says so."""
        network = MSSNet(self._recipe.wf, self._recipe.scale, self._recipe.vscale)
        if self._recipe.scaled:
            blurry, _ = self.batch(self._recipe.stages[0], np.random.default_rng([self._recipe.seed]))
            start.prepare(network, torch.from_numpy(blurry).float() / 255)
        return network

    def hidden(self, network: nn.Module) -> list[nn.Parameter]:
        """The kernels from maps to maps."""
        return [p for p in network.parameters() if p.ndim == 4 and min(p.shape[:2]) > 3]

    def batch(self, stage: DeblurStage, rng: np.random.Generator) -> engine.Batch:
        """Augmented crops, blurry and sharp."""
        return deblur_data.batch(self._pairs, stage.batch, stage.patch, rng)

    def outputs(self, network: nn.Module, stage: DeblurStage, given: Tensor) -> Sequence[Tensor]:
        """The estimates of all scales, or of the coarse ones."""
        network.train()
        return self._network_of(network).coarse(given) if stage.coarse else network(given)

    def loss(self, outputs: Sequence[Tensor], _stage: DeblurStage, wanted: Tensor) -> Tensor:
        """MSSNet's."""
        return losses.multi_scale(outputs, wanted)

    def validate(self, network: nn.Module, stage: DeblurStage) -> dict[str, float]:
        """How the network does on held-out pairs, in dB (mean PSNR-Y of 8-bit pictures).

        Returns:
            ``blurry``: of the blurry pictures; ``gain``: by how much the deblurred ones are better; ``sharp``: of
            sharp pictures that went through the network though there was nothing to do.
        """
        found = np.array([self._scores(self._network_of(network), stage, *pair) for pair in self._held])
        blurry, deblurred, sharp = (float(value) for value in found.mean(0))
        return {"blurry": round(blurry, 3), "gain": round(deblurred - blurry, 3), "sharp": round(sharp, 2)}

    def _scores(
        self, network: MSSNet, stage: DeblurStage, blurry: deblur_data.Picture, sharp: deblur_data.Picture
    ) -> tuple[float, ...]:
        pictures = (blurry, self._run(network, stage, blurry), self._run(network, stage, sharp))
        return tuple(psnr_y(picture, sharp, border=0) for picture in pictures)

    def _run(self, network: MSSNet, stage: DeblurStage, picture: deblur_data.Picture) -> deblur_data.Picture:
        given = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)[None])).float() / 255
        with torch.inference_mode(), engine.arithmetic(self._recipe, given.device):
            answer: Tensor = (network.coarse(given)[-1] if stage.coarse else network(given))[0]
        return (answer.float().clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()

    @staticmethod
    def _network_of(network: nn.Module) -> MSSNet:
        assert isinstance(network, MSSNet)
        return network


def _pairs(recipe: DeblurRecipe, folders: Sequence[Path]) -> deblur_data.Pairs:
    if recipe.data == "photos":
        return deblur_data.SimulatedShake(folders, recipe.still, recipe.photos)
    if recipe.data == "pairs":
        return deblur_data.PairFolders(folders)
    raise InvalidInput(f"expected data as photos or pairs, got {recipe.data!r}")
