"""Run the catalog's encoders, from picture to feature map, on ONNX Runtime."""

import numpy as np

from fourfold.catalog.card import FeatureCard
from fourfold.core.contract import Floats
from fourfold.core.errors import InvalidInput, RuntimeFailure
from fourfold.core.threads import available
from fourfold.engines import weights
from fourfold.engines.onnxruntime import session


class EncoderRunner:
    """An encoder behind a call: ``B×3×R×R`` in 0..1 → ``B×C×n×n``.

    Args:
        card: of an encoder; threads: to use, by default all that this process may.

    Raises:
        ModelError: weights missing or damaged; RuntimeFailure: the engine cannot run them.
    """

    def __init__(self, card: FeatureCard, threads: int | None = None) -> None:
        self.card = card
        self._session = session(weights.read(card, "onnx"), threads or available())

    def __call__(self, pictures: Floats) -> Floats:
        """See the class.

        Raises:
            InvalidInput: pictures of another shape; RuntimeFailure: the answer is not finite.
        """
        side = self.card.resolution
        if pictures.ndim != 4 or pictures.shape[1:] != (3, side, side):
            raise InvalidInput(f"expected pictures of shape B×3×{side}×{side}, got {pictures.shape}")
        asked = np.ascontiguousarray(pictures, np.float32)
        answer: Floats = self._session.run(None, {self._session.get_inputs()[0].name: asked})[0]
        if not np.isfinite(answer).all():
            raise RuntimeFailure(f"the encoder {self.card.id} answered with values that are not finite")
        return answer
