"""Pictures of known classes, as two-tower networks are trained and tested on."""

from typing import NamedTuple

from torch import Tensor


class Pictures(NamedTuple):
    """``images`` are ``N×W×…`` floats, W windows of each of N pictures; ``labels`` N class numbers."""

    images: Tensor
    labels: Tensor
