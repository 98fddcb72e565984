"""A recipe: everything that decides a training run, as one frozen value. Unknown keys are errors."""

from dataclasses import dataclass, fields, replace

from fourfold.core.errors import InvalidInput


@dataclass(frozen=True)
class Recipe:
    """One training run of the upscaler.

    Attributes:
        name: folder and weights name; channels, depth, expansion: see ``networks.upscaler.Upscaler``.
        start: id of a published upscaler to start from, no wider or deeper than this one; empty for random weights.
        degraded: whether the low-resolution patches are spoiled as real photos are, see ``imaging.degrade``.
        steps: optimiser steps; batch: patches a step; patch: side of a low-resolution patch in pixels;
        margin: low-resolution pixels at each patch edge that the loss ignores, since they saw zero padding.
        lr: peak learning rate of Adam, reached after ``warmup`` steps, then cosine down to ``lr_end``.
        luma_weight: weight of the error of BT.601 luma beside that of RGB, both as means over pixels.
        texture_weight: weight of the difference of local amplitude spectra, see ``losses.texture``.
        polish: last share of the steps trained on the squared error instead of the Charbonnier error.
        ema: decay of the running mean of the weights, which is what is kept.
        seed: of initialisation and of every patch; photos: use only the first N photos (0: all).
        check_every: steps between validations on the held-out photos, each followed by a save.
    """

    name: str
    channels: int = 24
    depth: int = 8
    expansion: int = 4
    start: str = ""
    degraded: bool = False
    steps: int = 24_000
    batch: int = 16
    patch: int = 56
    margin: int = 4
    lr: float = 1e-3
    lr_end: float = 1e-6
    warmup: int = 200
    luma_weight: float = 1.0
    texture_weight: float = 0.0
    polish: float = 0.2
    ema: float = 0.999
    seed: int = 1
    photos: int = 0
    check_every: int = 500

    def override(self, *settings: str) -> "Recipe":
        """A copy with ``key=value`` settings applied, each converted to the field's type."""
        known = {f.name: type(getattr(self, f.name)) for f in fields(self)}
        changes: dict[str, object] = {}
        for setting in settings:
            key, sign, value = setting.partition("=")
            if not sign or key not in known:
                raise InvalidInput(f"expected KEY=VALUE with a key among {', '.join(known)}; got {setting!r}")
            try:
                changes[key] = known[key](value)
            except ValueError:
                raise InvalidInput(f"expected {key} as {known[key].__name__}, got {value!r}") from None
        return replace(self, **changes)  # type: ignore[arg-type]
