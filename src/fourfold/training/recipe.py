"""A recipe: everything that decides a training run, as one frozen value. Unknown keys are errors."""

import math
from dataclasses import dataclass, fields, replace
from typing import ClassVar, Self

from fourfold.core.errors import InvalidInput

_TRUTH = {"true": True, "True": True, "1": True, "false": False, "False": False, "0": False}


@dataclass(frozen=True)
class Settings:
    """What the recipes of all networks share; ``loop`` is the module of this package whose ``train`` runs them."""

    loop: ClassVar[str]

    def override(self, *settings: str) -> Self:
        """A copy with ``key=value`` settings applied, each converted to the field's type."""
        known = {f.name: type(getattr(self, f.name)) for f in fields(self)}
        changes: dict[str, object] = {}
        for setting in settings:
            key, sign, value = setting.partition("=")
            if not sign or key not in known:
                raise InvalidInput(f"expected KEY=VALUE with a key among {', '.join(known)}; got {setting!r}")
            try:
                changes[key] = _TRUTH[value] if known[key] is bool else known[key](value)
            except (ValueError, KeyError):
                raise InvalidInput(f"expected {key} as {known[key].__name__}, got {value!r}") from None
        return replace(self, **changes)


@dataclass(frozen=True)
class Recipe(Settings):
    """One training run of the upscaler.

    Attributes:
        name: folder and weights name; channels, depth, expansion: see ``networks.upscaler.Upscaler``.
        start: id of a published upscaler to start from, no wider or deeper than this one; empty for random weights.
        degraded: whether the low-resolution patches are spoiled as real photos are, see ``imaging.degrade.photo``.
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

    loop = "loop"

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


@dataclass(frozen=True)
class EncoderRecipe(Settings):
    """One training run of the small vision transformer.

    Attributes:
        name: folder and weights name; width, depth, heads, features: see ``networks.vit.VisionTransformer``.
        side: of a view in pixels; batch: photos a step, each seen twice; points: places of each that are compared.
        temperature: that similarities are divided by; decay: weight decay of AdamW.
        steps, lr, warmup: optimiser steps, and the peak of the learning rate, reached after ``warmup`` steps and
            followed by a cosine down to nothing.
        seed: of initialisation and of every view; photos: use only the first N photos (0: all).
        check_every: steps between validations on the held-out photos, each followed by a save.
    """

    loop = "encoder_loop"

    name: str
    width: int = 96
    depth: int = 4
    heads: int = 3
    features: int = 64
    side: int = 128
    batch: int = 24
    points: int = 48
    temperature: float = 0.1
    decay: float = 0.05
    steps: int = 300
    lr: float = 1e-3
    warmup: int = 30
    seed: int = 1
    photos: int = 0
    check_every: int = 50

    def learning_rate(self, step: int) -> float:
        """Of a step, counted from 0."""
        return cosine(step, self.steps, self.lr, self.warmup)


def cosine(step: int, steps: int, lr: float, warmup: int) -> float:
    """Linear warm-up over ``warmup`` steps, then cosine down to 0."""
    if step < warmup:
        return lr * (step + 1) / warmup
    return lr * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


@dataclass(frozen=True)
class FeatSharpRecipe(Settings):
    """One training run of FeatSharp beside bilinear, joint bilateral and tiled upsampling.

    Attributes:
        name: folder and weights name; factor: f, see ``networks.featsharp.FeatSharp``.
        encoder: file of the frozen encoder's weights, or nothing for one at random; width, depth, heads, features: see
            ``networks.vit.VisionTransformer``; side: R, pixels of the pictures it is shown. Or a network of others, see
            ``models.backbones.load``, which says all this itself.
        start: file of weights of another factor to start from, or nothing.
        batch: pictures a step; views: of each; kernel: side of the learned downsampler, odd.
        steps, lr, warmup: optimiser steps, and the peak of the learning rate, reached after ``warmup`` steps and
            followed by a cosine down to nothing.
        seed: of initialisation and of every view; photos: use only the first N photos (0: all).
        check_every: steps between validations on the held-out photos, each followed by a save.
    """

    loop = "featsharp_loop"

    name: str
    factor: int = 2
    encoder: str = "runs/encoder/final.pt"
    width: int = 96
    depth: int = 4
    heads: int = 3
    features: int = 64
    side: int = 128
    start: str = ""
    batch: int = 4
    views: int = 3
    kernel: int = 5
    steps: int = 200
    lr: float = 2e-3
    warmup: int = 30
    seed: int = 1
    photos: int = 0
    check_every: int = 80

    def learning_rate(self, step: int) -> float:
        """Of a step, counted from 0."""
        return cosine(step, self.steps, self.lr, self.warmup)


@dataclass(frozen=True)
class DeblurRecipe(Settings):
    """One training run of a deblurring network.

    Attributes:
        name: folder and weights name; wf, scale, vscale: see ``networks.mssnet.MSSNet``.
        data: ``photos`` (sharp ones, shaken by ``imaging.camera``) or ``pairs`` (folders ``blur`` and ``sharp``).
        steps: optimiser steps; batch: crops a step; patch: side of a crop in pixels, a multiple of 16.
        coarse: first steps in which only the first two of the three scales are trained, which costs a sixth.
        scaled: whether the starting weights are scaled to the data, see ``start``, and not PyTorch's as in the paper.
        epoch: steps between changes of the learning rate; warmup: epochs of linear rise to ``lr``, the peak of Adam's
        learning rate; then it follows a cosine down to ``lr_end``.
        still: share of photos that are not shaken, so that the network learns to leave sharp ones alone.
        clip: largest norm of the gradient, 0 for any; ema: decay of the running mean of the weights, 0 for none.
        precision: of the arithmetic of the network, ``bf16`` or ``fp32``.
        seed: of initialisation and of every crop; photos: use only the first N (0: all).
        save_every, check_every: steps between saves, and between validations on held-out pictures.
    """

    loop = "deblur_loop"

    name: str
    wf: int
    scale: int
    vscale: int
    data: str = "photos"
    steps: int = 8_000
    batch: int = 8
    patch: int = 128
    coarse: int = 0
    scaled: bool = False
    epoch: int = 1
    warmup: int = 200
    lr: float = 1e-3
    lr_end: float = 1e-6
    still: float = 0.15
    clip: float = 1.0
    ema: float = 0.999
    precision: str = "bf16"
    seed: int = 1
    photos: int = 0
    save_every: int = 100
    check_every: int = 500


@dataclass(frozen=True)
class TowerRecipe(Settings):
    """One training run of a two-tower network, on pictures of known classes and phrases that name these.

    Attributes:
        name: folder and weights name.
        data: a module of this package that makes the network and the pictures, and knows the phrases.
        width: of the image tower's first layer; features: length of the common vectors.
        samples: how many pictures to train on.
        steps: optimiser steps; batch: pictures a step.
        lr: peak learning rate of Adam, by the one-cycle schedule; smoothing: share of each label given to all classes.
        seed: of initialisation, pictures and batches; check_every: steps between validations, each followed by a save.
    """

    loop = "tower_loop"

    name: str
    data: str
    width: int
    features: int = 64
    samples: int = 6_000
    steps: int = 2_000
    batch: int = 64
    lr: float = 2e-3
    smoothing: float = 0.05
    seed: int = 1
    check_every: int = 200
