"""ST-LPIPS: how far two pictures look apart to a network that was trained on people's judgements.

Shift-tolerant LPIPS (Ghildyal and Liu, ECCV 2022), with its AlexNet; not LPIPS, whose figures are others. Less is
nearer. A network that is trained on it scores well and may look worse, so none of ours is.
"""

import contextlib
import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fourfold.core.errors import MissingExtra

Picture = NDArray[np.uint8]


def st_lpips() -> Callable[[Picture, Picture], float]:
    """The measure: two pictures ``H×W×3`` of at least 32 pixels a side to a distance from 0 on.

    Raises:
        MissingExtra: the package ``stlpips-pytorch``, or what it needs, is not installed.
    """
    try:
        import torch
        from stlpips_pytorch import stlpips
    except ImportError as missing:
        raise MissingExtra("ST-LPIPS", "perceptual") from missing
    with contextlib.redirect_stdout(io.StringIO()):  # it prints what it loads
        network = stlpips.LPIPS(net="alex", variant="shift_tolerant").eval()

    def distance(output: Picture, truth: Picture) -> float:
        planes = (torch.from_numpy(one.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1 for one in (output, truth))
        with torch.inference_mode():
            return float(network(*planes))

    return distance
