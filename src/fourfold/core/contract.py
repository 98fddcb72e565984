"""The ``Runner`` protocol, which engines implement and methods call."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Levels = NDArray[np.uint8] | NDArray[np.uint16]
Write = Callable[[Levels], None]
"""Takes rows of a picture, from top to bottom, ``rows×W×C``."""

Progress = Callable[[int, int], None]
"""Called with the number of tiles done and the number planned; may raise to stop."""


class Runner(Protocol):
    """One network, compiled for one tile shape, on one engine.

    The runner owns device, precision and threads. It changes no sizes beyond the network's own scale: who tiles
    the picture also pads it.
    """

    runtime: str
    """Name of the engine: ``openvino``, ``onnxruntime``, ``pytorch`` or ``fake``."""

    precision: str
    """Arithmetic of the engine: ``fp32``, ``bf16`` or ``int8``."""

    tile: tuple[int, int]
    """Height and width of the low-resolution tiles it is compiled for."""

    @property
    def reruns(self) -> int:
        """Batches so far that came out damaged and were computed again by another engine."""
        ...

    def __call__(self, tiles: Floats) -> Floats:
        """``B×3×H×W`` in 0..1 → ``B×3×sH×sW``, unclamped.

        Raises:
            RuntimeFailure: the engine failed, or its answer holds NaN or infinity.
        """
        ...

    def levels(self, tiles: Floats) -> NDArray[np.uint8]:
        """As calling, but rounded and clamped to 0..255 and channels last: ``B×sH×sW×3``.

        An engine may do this inside its graph, which saves four passes over the large picture.
        """
        ...
