"""Sharp feature maps of photos, in memory and as files."""

from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourfold.api.arrays import taken
from fourfold.api.targets import given
from fourfold.catalog import load as catalog
from fourfold.core.atomic import replacing
from fourfold.core.contract import Floats
from fourfold.core.errors import PictureError, UsageError
from fourfold.core.image import Image
from fourfold.imaging import files
from fourfold.imaging.resize import in_bands
from fourfold.methods.features import Features, colours, frame, likeness
from fourfold.methods.upscale import visible
from fourfold.models.encoder import EncoderRunner
from fourfold.pages import feature_picture

LOOKED_AT = 768
"""Pixels a side of the largest photo that is compared at its own size, see ``likeness_of``."""


@dataclass(frozen=True)
class Sharpener:
    """Feature maps of photos, ``factor`` times as fine as the encoder's; it keeps its networks loaded.

    Attributes:
        factor: 2, 3 or 4.
    """

    factor: int = 2

    @cached_property
    def _runner(self) -> Any:
        card = catalog.sharpener(self.factor)
        from fourfold.models.sharpener import SharpenerRunner  # needs torch

        return SharpenerRunner(card)

    @property
    def models(self) -> dict[str, str]:
        """Ids of the networks and the SHA-256 of their weights.

        Raises:
            ModelError: there is none of this factor; MissingExtra: PyTorch is not installed.
        """
        return dict(self._runner.models)

    def __call__(self, image: Image) -> Features:
        """The maps of the whole photo, in the encoder's own values; raises as ``models``."""
        card = self._runner.card
        pixels = visible(image.pixels, image.alpha)
        framed = frame(
            np.repeat(pixels, 3 // pixels.shape[2], 2), self.factor * card.resolution, self.factor * card.patch
        )
        found = self._runner(framed.square)
        low = framed.kept(found.pop("low"))
        return Features(low, **{name: framed.kept(values, self.factor) for name, values in found.items()})


def features(image: Any, factor: int = 2) -> Features:
    """Feature maps of a photo and, in four ways, the same ``factor`` times as fine; ``.sharp`` is FeatSharp's.

    Args:
        image: a path, a PIL image, or an ``H×W``, ``H×W×3`` or ``H×W×4`` array of integers or of floats in 0..1.
        factor: 2, 3 or 4.

    Raises:
        ModelError: no sharpener of this factor; MissingExtra: PyTorch is not installed.
        PictureError, InvalidInput: there is no such photo.
    """
    return Sharpener(factor)(opened(image))


def opened(image: Any) -> Image:
    """A photo from its file, or from a PIL image or array; raises as ``features``."""
    return files.read(given(str(image))) if isinstance(image, str | PathLike) else taken(image).image


def likeness_of(large: NDArray[Any], small: NDArray[Any]) -> float:
    """How alike the encoder finds a result, shrunk to the size of the photo it was made from, and that photo.

    Both are looked at as they are, or shrunk to ``LOOKED_AT`` pixels a side where the photo is larger.

    Args:
        large, small: ``H×W×1`` or ``H×W×3``, integers or floats in 0..1.

    Returns:
        The mean cosine of their features, 1 where they are the same.
    """
    encoder = EncoderRunner(next(card for card in catalog.feature_cards() if card.kind == "encoder"))
    times = min(1.0, LOOKED_AT / max(small.shape))
    size = max(1, round(small.shape[0] * times)), max(1, round(small.shape[1] * times))
    first, second = (_shrunk(pixels, size) for pixels in (large, small))
    return float(likeness(first, second, encoder, encoder.card.resolution).mean())


def _shrunk(pixels: NDArray[Any], size: tuple[int, int]) -> Floats:
    whole = np.concatenate([*in_bands(pixels, size)])
    return np.repeat(whole, 3 // whole.shape[2], 2)


def features_file(photo: Path, factor: int, target: Path, picture: Path | None, *, overwrite: bool) -> Features:
    """The maps of a photo as a ``.npz`` file and, if asked for, side by side as a picture.

    The file holds ``low``, ``bilinear``, ``jbu``, ``tiles`` and ``sharp`` in float32, ``factor`` and ``encoder``.

    Raises:
        UsageError: a name does not fit; PictureError: a file is there already, or cannot be written; as ``features``.
    """
    for path, suffix in ((target, ".npz"), (picture, ".png")):
        if path is not None and path.suffix.lower() != suffix:
            raise UsageError(f"{path}: expected a name ending in {suffix}")
        if path is not None and path.exists() and not overwrite:
            raise PictureError(f"{path} exists already; give --overwrite to replace it, or another name")
    image = opened(photo)
    found = Sharpener(factor)(image)
    packed = BytesIO()
    encoder = catalog.sharpener(factor).encoder
    np.savez_compressed(packed, **found.named(), factor=np.array(factor), encoder=np.array(encoder))  # type: ignore[arg-type]
    _write(target, packed.getvalue())
    if picture is not None:
        _write(picture, feature_picture.png(image.rgb8(), colours(found)))
    return found


def _write(path: Path, content: bytes) -> None:
    try:
        with replacing(path) as stream:
            stream.write(content)
    except OSError as error:
        raise PictureError(f"{path}: cannot be written: {error.strerror}. Give another --output") from error
