"""Train FeatSharp by multi-view consistency, beside the simpler baselines that it has to beat (paper, section 3).

The upsampled features of a picture, seen through a homography and downsampled by a learned downsampler, should be what
the frozen encoder says of the picture seen through that homography. Each way learns from the same encodings.
"""

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from fourfold.core.errors import InvalidInput
from fourfold.models import backbones
from fourfold.networks.featsharp import BiasBuffer, Encoder, FeatSharp, JBUStack, PhiS, Upsampler, spectral
from fourfold.networks.vit import VisionTransformer
from fourfold.training import data, engine, views
from fourfold.training.recipe import FeatSharpRecipe

TEST_CROPS, TEST_VIEWS = 24, 5


def train(recipe: FeatSharpRecipe, photos: Sequence[Path], folder: Path) -> Path:
    """Train all ways at once, or go on training, and return the file of FeatSharp's folded weights.

    Args:
        recipe: what to train; photos: folders of photos, see ``data.split``.
        folder: receives ``state.pt`` (to go on from), ``log.jsonl`` (one line a validation) and ``final.pt``.

    Raises:
        ArithmeticError: a loss is no longer finite; the last save is kept.
        InvalidInput: there are no weights of the encoder.
    """
    torch.manual_seed(recipe.seed)
    encoder = frozen_encoder(recipe)
    training, held = data.split_all(photos)
    side = recipe.factor * encoder.side
    pictures = views.read_sizes(training[: recipe.photos or None], side)
    normalizer = PhiS(encoder.channels).fit(
        encoder(views.crops(pictures, 16, encoder.side, np.random.default_rng([recipe.seed, 0, i]))) for i in range(40)
    )
    normal = replace(encoder, encode=lambda x: normalizer(encoder(x)))
    tests = scenes(recipe, views.read_sizes(held, side), normal)
    ways = {name: Way(make(recipe, encoder), recipe, encoder) for name, make in WAYS.items()}
    optimisers = {name: way.optimiser(recipe) for name, way in ways.items()}
    folder.mkdir(parents=True, exist_ok=True)
    saved, step, seconds = folder / "state.pt", 0, 0.0
    if saved.exists():
        state = torch.load(saved, weights_only=True)
        for name, way in ways.items():
            way.load_state_dict(state["ways"][name])
            optimisers[name].load_state_dict(state["optimisers"][name])
        step, seconds = state["step"], state["seconds"]

    while step < recipe.steps:
        started = time.perf_counter()
        torch.manual_seed(recipe.seed * 1_000_003 + step)  # so that a resumed run leaves out the same logits
        rng = np.random.default_rng([recipe.seed, 1, step])
        scene = look(views.crops(pictures, recipe.batch, side, rng), recipe.factor, recipe.views, rng, normal)
        for name, way in ways.items():
            loss = way.loss(scene)
            if not math.isfinite(loss):
                raise ArithmeticError(f"the loss of {name} became {loss} at step {step}; lower lr and go on")
            nn.utils.clip_grad_norm_(way.parameters(), 1e-4 if step < 10 else 5.0)
            for group in optimisers[name].param_groups:
                group["lr"] = recipe.learning_rate(step) * group["pace"]
            optimisers[name].step()
            optimisers[name].zero_grad(set_to_none=True)
        step += 1
        seconds += time.perf_counter() - started
        if step % recipe.check_every == 0 or step == recipe.steps:
            entry = {"step": step, "fidelity": validate(ways, tests), "seconds": round(seconds)}
            with (folder / "log.jsonl").open("a") as log:
                log.write(json.dumps(entry) + "\n")
            print(json.dumps(entry), flush=True)
            engine.save(saved, ways={name: way.state_dict() for name, way in ways.items()},
                        optimisers={name: one.state_dict() for name, one in optimisers.items()},
                        step=step, seconds=seconds, recipe=asdict(recipe))  # fmt: skip
    torch.save(ways["featsharp"].folded(normalizer), folder / "final.pt")
    return folder / "final.pt"


def validate(ways: Mapping[str, "Way"], tests: list["Scene"]) -> dict[str, float]:
    """The fidelity of every way, see ``Way.fidelity``."""
    found = {name: round(way.eval().fidelity(tests), 4) for name, way in ways.items()}
    for way in ways.values():
        way.train()
    return found


@dataclass(frozen=True)
class Frozen:
    """An encoder without gradients; side, patch, channels: R, its pixels a feature, and C."""

    encode: Encoder
    side: int
    patch: int
    channels: int

    def __call__(self, pictures: Tensor) -> Tensor:
        """``B×3×R×R`` in 0..1 → ``B×C×n×n``, a few pictures at a time."""
        with torch.no_grad():
            return torch.cat([self.encode(part) for part in torch.split(pictures, 32)])


def frozen_encoder(recipe: FeatSharpRecipe) -> Frozen:
    """The encoder that a recipe names.

    Raises:
        InvalidInput: no such file of weights. ModelError: as ``backbones.load``.
    """
    if ":" in recipe.encoder:
        other = backbones.load(recipe.encoder)
        return Frozen(other, other.resolution, other.patch, other.channels)
    network = VisionTransformer(recipe.width, recipe.depth, recipe.heads, recipe.features)
    if recipe.encoder:
        if not Path(recipe.encoder).is_file():
            raise InvalidInput(
                f"expected the weights of an encoder in {recipe.encoder}; train one with: fourfold train encoder"
            )
        network.load_state_dict(torch.load(recipe.encoder, weights_only=True))
    return Frozen(network.eval(), recipe.side, network.patch, recipe.features)


@dataclass(frozen=True)
class Scene:
    """Pictures ``B×3×fR×fR``, what the encoder says of them, and V views each with what it says of these.

    Attributes:
        image, low, mosaic: see ``FeatSharp.encode``; homographies: V of ``B×3×3``; targets: V of ``B×C×n×n``.
    """

    image: Tensor
    low: Tensor
    mosaic: Tensor
    homographies: list[Tensor]
    targets: list[Tensor]


def look(image: Tensor, factor: int, count: int, rng: np.random.Generator, encoder: Frozen) -> Scene:
    """Encode pictures, their tiles and ``count`` views of them in two calls."""
    low, (mosaic,) = FeatSharp(encoder.side, encoder.patch, encoder.channels, factor).encode(image, encoder)
    seen, homographies = [], []
    for _ in range(count):
        share = float(rng.uniform(1 / factor, 1))
        homographies.append(views.homographies(len(image), share, rng))
        seen.append(views.look(image, homographies[-1], encoder.side, share))
    return Scene(image, low, mosaic, homographies, list(encoder(torch.cat(seen)).chunk(count)))


def scenes(recipe: FeatSharpRecipe, pictures: list[list[views.Picture]], encoder: Frozen) -> list[Scene]:
    """The held-out scenes, the same for every seed."""
    found = []
    for number in range(TEST_CROPS // 4):
        rng = np.random.default_rng([3, number])
        crops = views.crops(pictures, 4, recipe.factor * encoder.side, rng)
        found.append(look(crops, recipe.factor, TEST_VIEWS, rng, encoder))
    return found


class Way(nn.Module):
    """One way of upsampling, with the bias, the downsampler and the uncertainty that it is trained with.

    Args:
        upsample: ``(low, mosaic, image)`` → ``B×C×fn×fn``.
    """

    def __init__(self, upsample: nn.Module, recipe: FeatSharpRecipe, encoder: Frozen) -> None:
        super().__init__()
        channels = encoder.channels
        self.factor, self.cells = recipe.factor, encoder.side // encoder.patch
        self.upsample = upsample
        self.bias_buffer = BiasBuffer(channels, self.cells)
        self.downsampler = AttentionDownsampler(channels, recipe.kernel, recipe.factor)
        last = nn.Conv2d(32, 1, 1)
        for parameter in last.parameters():
            nn.init.zeros_(parameter)
        self.uncertainty = nn.Sequential(nn.Conv2d(channels, 32, 5, padding=2), nn.GELU(), last)

    def optimiser(self, recipe: FeatSharpRecipe) -> torch.optim.Optimizer:
        """NAdam. The spectral scales learn at a tenth of its pace, as in the paper, joint bilateral upsampling at five
        times: of its start, a blur of seven cells, little would be unlearned in so short a run.
        """
        paces: dict[tuple[float, float], list[nn.Parameter]] = {}
        for name, parameter in self.named_parameters():
            pace = (0.1, 0.01) if name.endswith("sn_scale") else (5.0, 0.0) if "jbu" in name else (1.0, 0.0)
            pace = (0.02, 0.0) if name.startswith("uncertainty") else pace
            paces.setdefault(pace, []).append(parameter)
        groups = [{"params": params, "pace": pace, "weight_decay": decay} for (pace, decay), params in paces.items()]
        return torch.optim.NAdam(groups, lr=recipe.lr)

    def loss(self, scene: Scene) -> float:
        """The mean over views, with gradients added to the parameters."""
        high = self._upsampled(scene)
        seams = _seams(self.factor, self.cells)
        total = high.new_zeros(())
        for homography, target in zip(scene.homographies, scene.targets, strict=True):
            found, shown, weight = self._seen(high, homography, seams)
            unsure = self.uncertainty(target)
            error = (found - self.bias_buffer(target)).square().mean(1, keepdim=True)
            total = total + (shown * weight * (error * (-unsure).exp() + unsure / 2)).sum() / shown.sum()
        (total / len(scene.targets)).backward()  # type: ignore[no-untyped-call]
        return total.item() / len(scene.targets)

    def fidelity(self, scenes: list[Scene]) -> float:
        """Mean variance of a channel over the mean squared error of the views: of normalised features, 1 / error."""
        errors, cells = 0.0, 0.0
        with torch.no_grad():
            for scene in scenes:
                high = self._upsampled(scene)
                for homography, target in zip(scene.homographies, scene.targets, strict=True):
                    found, shown, _ = self._seen(high, homography, _seams(self.factor, self.cells))
                    error = (found - self.bias_buffer(target)).square().mean(1, keepdim=True)
                    errors, cells = errors + float((shown * error).sum()), cells + float(shown.sum())
        return cells / errors

    def folded(self, normalizer: PhiS) -> dict[str, Tensor]:
        """The state of an ``Upsampler`` with this way's weights, normaliser and bias."""
        for layer in list(self.upsample.modules()):
            if parametrize.is_parametrized(layer):
                parametrize.remove_parametrizations(layer, "weight")
        assert isinstance(self.upsample, Sharp)
        whole = Upsampler(self.upsample.network)
        whole.normalizer, whole.bias_buffer = normalizer, self.bias_buffer
        return {name: value.detach().clone() for name, value in whole.state_dict().items()}

    def _upsampled(self, scene: Scene) -> Tensor:
        cleared = self.bias_buffer(scene.low)
        tiled = scene.mosaic + self.bias_buffer.buffer.tile((1, 1, self.factor, self.factor))
        return self.upsample(cleared, tiled, scene.image)  # type: ignore[no-any-return]

    def _seen(self, high: Tensor, homography: Tensor, seams: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Through a homography and downsampled; which cells are of the picture; weights with a mean of 1."""
        points = views.places(homography, *high.shape[2:])
        found = self.downsampler(views.sample(high, points))
        shown = F.avg_pool2d(views.inside(points)[:, None].float(), self.factor).floor()
        weight = F.avg_pool2d(views.sample(seams.expand(len(high), -1, -1, -1), points), self.factor)
        return found, shown, weight / weight.mean((2, 3), keepdim=True)


def _seams(factor: int, cells: int) -> Tensor:
    """Weight 2 on the rows and columns beside the borders of tiles, 1 elsewhere: ``1×1×fn×fn``."""
    place = torch.arange(factor * cells)
    beside = ((place % cells == 0) & (place > 0)) | ((place % cells == cells - 1) & (place < factor * cells - 1))
    return 1.0 + (beside[:, None] | beside).float()[None, None]


class AttentionDownsampler(nn.Module):
    """Means of k×k neighbours with weights from the blurred features, as FeatUp trains it: ``B×C×fn×fn`` → ``B×C×n×n``.

    A fifth of the logits is left out at random in training.
    """

    blur: Tensor

    def __init__(self, channels: int, kernel: int, factor: int) -> None:
        super().__init__()
        self.kernel, self.factor = kernel, factor
        self.weight = nn.Parameter(1 + 0.01 * torch.randn(kernel**2, channels, kernel, kernel))
        self.logit_bias = nn.Parameter(torch.zeros(kernel**2))
        line = (-torch.arange(-2.0, 3).square() / 0.5**0.5).exp()
        self.register_buffer("blur", torch.outer(line, line)[None, None] / line.sum() ** 2)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        batch, channels = x.shape[:2]
        padded = F.pad(x, (2, 2, 2, 2), mode="reflect")
        blurred = F.conv2d(padded, self.blur.expand(channels, -1, -1, -1), groups=channels)
        logits = F.conv2d(blurred, self.weight, self.logit_bias, self.factor, self.kernel // 2)
        if self.training:
            logits = logits.masked_fill(torch.rand_like(logits) < 0.2, -1e9)
        taps = F.unfold(x, self.kernel, padding=self.kernel // 2, stride=self.factor)
        taps = taps.view(batch, channels, self.kernel**2, *logits.shape[2:])
        return torch.einsum("bckyx,bkyx->bcyx", taps, logits.softmax(1))


class Bilinear(nn.Module):
    """Interpolation between the features of the whole picture."""

    def forward(self, low: Tensor, mosaic: Tensor, _image: Tensor) -> Tensor:
        """See ``Way``."""
        return F.interpolate(low, size=mosaic.shape[2:], mode="bilinear", align_corners=False)


class Jbu(nn.Module):
    """Joint bilateral upsampling alone."""

    def __init__(self, channels: int, factor: int) -> None:
        super().__init__()
        self.jbu = JBUStack(channels, factor)

    def forward(self, low: Tensor, mosaic: Tensor, image: Tensor) -> Tensor:
        """See ``Way``."""
        return self.jbu(low, F.interpolate(image, size=mosaic.shape[2:], mode="bilinear"))  # type: ignore[no-any-return]


class Tiles(nn.Module):
    """The mosaic alone, with an offset for each tile."""

    def __init__(self, channels: int, factor: int) -> None:
        super().__init__()
        self.tile_pos = nn.Parameter(torch.zeros(1, channels, factor, factor))

    def forward(self, _low: Tensor, mosaic: Tensor, _image: Tensor) -> Tensor:
        """See ``Way``."""
        return mosaic + F.interpolate(self.tile_pos, size=mosaic.shape[2:], mode="nearest")


class Sharp(nn.Module):
    """FeatSharp, its linear layers reparametrised; from other weights, if there are any of the same encoder."""

    def __init__(self, recipe: FeatSharpRecipe, encoder: Frozen) -> None:
        super().__init__()
        self.network = FeatSharp(encoder.side, encoder.patch, encoder.channels, recipe.factor)
        if recipe.start:
            _take_over(self.network, torch.load(recipe.start, weights_only=True))
        spectral(self.network)

    def forward(self, low: Tensor, mosaic: Tensor, image: Tensor) -> Tensor:
        """See ``Way``."""
        return self.network.sharpen(low, [mosaic], image)


def _take_over(network: FeatSharp, state: dict[str, Tensor]) -> None:
    """The fusion block of another factor, and its first joint bilateral level at every level."""
    own = network.state_dict()
    for name in own:
        head, level, tail = name.partition(".jbu.ups.")
        source = f"upsampler.{head}{level}0{tail[tail.index('.') :]}" if level else f"upsampler.{name}"
        if not name.endswith("tile_pos"):
            own[name] = state[source]
    network.load_state_dict(own)


WAYS: dict[str, Callable[[FeatSharpRecipe, Frozen], nn.Module]] = {
    "bilinear": lambda _recipe, _encoder: Bilinear(),
    "jbu": lambda recipe, encoder: Jbu(encoder.channels, recipe.factor),
    "tiles": lambda recipe, encoder: Tiles(encoder.channels, recipe.factor),
    "featsharp": Sharp,
}
