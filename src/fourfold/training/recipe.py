"""A recipe: everything that decides a training run, as one frozen value. Unknown keys are errors."""

import math
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Self, TypeVar

from fourfold.core.errors import InvalidInput

D = TypeVar("D", bound=Any)

_TRUTH = {"true": True, "True": True, "1": True, "false": False, "False": False, "0": False}


@dataclass(frozen=True)
class Settings:
    """What the recipes of all networks share; ``loop`` is the module of this package whose ``train`` runs them."""

    loop: ClassVar[str]

    def override(self, *settings: str) -> Self:
        """A copy with ``key=value`` settings applied, each converted to the field's type."""
        changed = self
        for setting in settings:
            changed = with_settings(changed, setting)
        return changed


def with_settings(value: D, setting: str) -> D:
    """A copy of a dataclass with ``key=value`` applied, converted to the field's type.

    Raises:
        InvalidInput: no such key, or a value of another type.
    """
    known = {f.name: type(getattr(value, f.name)) for f in fields(value)}
    key, sign, text = setting.partition("=")
    if not sign or key not in known:
        raise InvalidInput(f"expected KEY=VALUE with a key among {', '.join(known)}; got {setting!r}")
    try:
        return replace(value, **{key: _TRUTH[text] if known[key] is bool else known[key](text)})
    except (ValueError, KeyError):
        raise InvalidInput(f"expected {key} as {known[key].__name__}, got {text!r}") from None


@dataclass(frozen=True)
class Stage:
    """A part of a run of the engine: so many steps at settings of its own, from the weights of the part before.

    Attributes:
        steps: optimiser steps; batch: patches a step; patch: side of a patch that the network is given, in pixels.
        lr, muon: peak rates of Adam and of Muon; with ``muon`` 0 Adam trains every weight.
        beta2: Adam's, of the running mean of squares.
        floor: what part of the peak the rates end at; warmup: epochs in which they rise, before a cosine to the end.
        epoch: steps in which the rates stay the same.
        clip: largest norm of the gradient, 0 for any; ema: decay of the running mean of the weights, 0 for none.
    """

    steps: int
    batch: int = 16
    patch: int = 48
    lr: float = 2e-3
    muon: float = 0.012
    beta2: float = 0.99
    floor: float = 0.0
    warmup: int = 100
    epoch: int = 1
    clip: float = 1.0
    ema: float = 0.999

    def rate(self, step: int) -> float:
        """What part of the peak the rates have at a step, counted from 0."""
        epoch = step // self.epoch
        wave = cosine(epoch, -(-self.steps // self.epoch), 1.0, self.warmup)
        return wave if epoch < self.warmup else self.floor + (1 - self.floor) * wave


@dataclass(frozen=True)
class ImageRecipe(Settings):
    """What the runs of the engine share.

    Attributes:
        name: folder and weights name; stages: gone through in turn.
        precision: of the network's arithmetic: ``bf16``, ``fp32``, or ``auto``, which is bf16 where that is faster.
        seed: of initialisation and of every patch; photos: use only the first N photos (0: all).
        check_every, save_every: steps between validations on held-out pictures, and between saves.
    """

    name: str
    stages: tuple[Stage, ...]
    precision: str = "auto"
    seed: int = 1
    photos: int = 0
    check_every: int = 500
    save_every: int = 250

    def override(self, *settings: str) -> Self:
        """As ``Settings``; a setting of stages changes every stage, with a number before it (``2.steps=9``) one."""
        known = {field.name for field in fields(self)} - {"stages"}
        mine = [one for one in settings if one.partition("=")[0] in known]
        changed = super().override(*mine)
        for setting in (one for one in settings if one not in mine):
            changed = replace(changed, stages=_changed(changed.stages, setting))
        return changed


def _changed(stages: tuple[Stage, ...], setting: str) -> tuple[Stage, ...]:
    number, dot, rest = setting.partition(".")
    if not (dot and number.isdigit()):
        return tuple(with_settings(stage, setting) for stage in stages)
    if not 1 <= int(number) <= len(stages):
        raise InvalidInput(f"expected a stage from 1 to {len(stages)} in {setting!r}")
    return tuple(with_settings(stage, rest) if place == int(number) else stage for place, stage in enumerate(stages, 1))


@dataclass(frozen=True)
class UpscalerStage(Stage):
    """A stage of the upscaler.

    Attributes:
        margin: input pixels at each edge of a patch that the loss ignores, since the network sees padding there.
        degraded: how the low-resolution patches are degraded, see ``degradations.BY_NAME``.
        graphics: probability that a patch is one of the drawn ones, see ``graphics``.
        teacher: of ``teachers.TEACHERS``; taught: probability that a patch shows its answer in place of the photo.
        luma_weight: weight of the error of BT.601 luma beside that of RGB, both as means over pixels.
    """

    margin: int = 4
    degraded: str = "none"
    graphics: float = 0.12
    teacher: str = ""
    taught: float = 0.0
    luma_weight: float = 1.0


@dataclass(frozen=True)
class UpscalerRecipe(ImageRecipe):
    """A run of the upscaler.

    Attributes:
        channels, depth, activation, dilation, head: see ``networks.upscaler.Upscaler``.
        start: id of a published upscaler of this shape to start from; empty for random weights.
        windows: how many windows of the photos the teachers answer.
        windows_degraded: whether the teachers are given them degraded, see ``degradations.degraded``, or only shrunk.
    """

    loop = "upscaler"

    stages: tuple[UpscalerStage, ...]
    channels: int = 32
    depth: int = 8
    activation: str = "leaky"
    dilation: int = 1
    head: int = 3
    start: str = ""
    windows: int = 1_000
    windows_degraded: bool = False

    def tiny(self) -> Self:
        """A twin that trains in seconds on a few photos, without graphics and teachers."""
        return self.override(f"name={self.name}-tiny", "channels=8", "depth=2", "steps=12", "batch=4", "patch=16",
                             "margin=0", "graphics=0", "taught=0", "photos=2", "check_every=6", "save_every=6",
                             "warmup=3")  # fmt: skip


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

    loop = "encoder"

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
            ``networks.vit.VisionTransformer``; side: R, pixels of the pictures it is shown. Or a third-party model, see
            ``models.backbones.load``, which says all this itself.
        start: file of weights of another factor to start from, or nothing.
        batch: pictures a step; views: of each; kernel: side of the learned downsampler, odd.
        steps, lr, warmup: optimiser steps, and the peak of the learning rate, reached after ``warmup`` steps and
            followed by a cosine down to nothing.
        seed: of initialisation and of every view; photos: use only the first N photos (0: all).
        check_every: steps between validations on the held-out photos, each followed by a save.
    """

    loop = "featsharp"

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
class DeblurStage(Stage):
    """A stage of a deblurring network; ``coarse``: only the first two of the three scales are trained, at a sixth."""

    coarse: bool = False


@dataclass(frozen=True)
class DeblurRecipe(ImageRecipe):
    """A run of a deblurring network.

    Attributes:
        wf, scale, vscale: see ``networks.mssnet.MSSNet``.
        data: ``photos`` (sharp ones, blurred by ``imaging.camera``) or ``pairs`` (folders ``blur`` and ``sharp``).
        scaled: whether the starting weights are scaled to the data, see ``start``, and not PyTorch's as in the paper.
        still: fraction of photos without shake, so that the network learns to leave sharp ones alone.
    """

    loop = "deblurring"

    stages: tuple[DeblurStage, ...]
    wf: int = 16
    scale: int = 0
    vscale: int = 8
    data: str = "photos"
    scaled: bool = False
    still: float = 0.15


@dataclass(frozen=True)
class TowerRecipe(Settings):
    """One training run of a two-tower network, on pictures of known classes and phrases that name these.

    Attributes:
        name: folder and weights name.
        data: a module of this package that makes the network and the pictures, and knows the phrases.
        width: of the image tower's first layer; features: length of the common vectors.
        samples: how many pictures to train on.
        steps: optimiser steps; batch: pictures a step.
        lr: peak learning rate of Adam, by the one-cycle schedule; smoothing: part of each label given to all classes.
        seed: of initialisation, pictures and batches; check_every: steps between validations, each followed by a save.
    """

    loop = "towers"

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
