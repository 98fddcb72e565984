"""Run the catalog's sharpeners on PyTorch: FeatSharp, which makes the feature maps of an encoder finer."""

import numpy as np

from fourfold.catalog import load as catalog
from fourfold.catalog.card import FeatureCard
from fourfold.core.contract import Floats
from fourfold.core.errors import MissingExtra
from fourfold.core.threads import available
from fourfold.engines import weights
from fourfold.models.encoder import EncoderRunner

try:
    import torch
    import torch.nn.functional as F
    from torch import Tensor

    from fourfold.engines.pytorch import build, fill
    from fourfold.networks.featsharp import FeatSharp, Upsampler
except ImportError as missing:
    raise MissingExtra("sharpening features", "torch") from missing


class SharpenerRunner:
    """A sharpener and its encoder behind a call: a picture ``3×fR×fR`` in 0..1 → its maps by name, in
    the encoder's values.

    Args:
        card: of a sharpener; threads: to use, by default all that this process may.

    Attributes:
        models: ids of both networks and the SHA-256 of their weights.

    Raises:
        ModelError: weights missing or damaged; RuntimeFailure: the engine cannot run them.
    """

    def __init__(self, card: FeatureCard, threads: int | None = None) -> None:
        self.card, self._threads = card, threads or available()
        self._encoder = EncoderRunner(catalog.encoder(card.encoder), threads)
        self.models = {part.id: part.weights[0].sha256 for part in (card, self._encoder.card)}
        network = build(card.network)
        assert isinstance(network, FeatSharp)
        self._upsampler = Upsampler(network).eval()
        fill(self._upsampler, {name: torch.from_numpy(t) for name, t in weights.state(card).items()}, card.id)

    def __call__(self, picture: Floats) -> dict[str, Floats]:
        """``low`` of ``C×n×n``, and ``bilinear``, ``jbu``, ``tiles`` and ``sharp`` of ``C×fn×fn``."""
        torch.set_num_threads(self._threads)
        network, image = self._upsampler.upsampler, torch.from_numpy(picture[None])
        with torch.inference_mode():
            low, mosaics = network.encode(image, self._upsampler.behind(self._encode))
            found = {
                "low": low,
                "bilinear": F.interpolate(low, size=mosaics[-1].shape[2:], mode="bilinear", align_corners=False),
                "jbu": network.jbu(low, image),
                "tiles": mosaics[-1],
                "sharp": network.sharpen(low, mosaics, image),
            }
            own = {name: self._upsampler.normalizer.denormalize(value) for name, value in found.items()}
        return {name: np.asarray(value[0].numpy()) for name, value in own.items()}

    def _encode(self, pictures: Tensor) -> Tensor:
        return torch.from_numpy(self._encoder(pictures.numpy()))
